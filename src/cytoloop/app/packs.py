"""Packs on disk: the ones shipped in the wheel, and a user's own folder anywhere."""

from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from cytoloop.core.adaptation import Adaptation
from cytoloop.core.errors import UserError
from cytoloop.core.recipe import Recipe
from cytoloop.production.pack import PACK_FILES, Pack, pack_or_error
from cytoloop.production.recipe_text import read

T = TypeVar("T")


def pack_folder(name: str) -> Path:
    """The folder of a pack, by path or by the name of a shipped one; UserError when there is none."""
    if Path(name).is_dir():
        return Path(name)
    shipped = Path(str(files("cytoloop.packs")))
    if (shipped / name).is_dir():
        return shipped / name
    names = ", ".join(sorted(each.name for each in shipped.iterdir() if (each / "recipe.yaml").exists()))
    raise UserError(f"there is no pack {name!r}; name a folder, or one of the shipped packs: {names}")


def pack_files(name: str) -> dict[str, str]:
    """The texts of a pack's files; a file that is not there is left out and reported by the reader."""
    folder = pack_folder(name)
    texts: dict[str, str] = {}
    for file in PACK_FILES:
        path = folder / file
        if path.exists():
            try:
                texts[file] = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise UserError(f"{path} cannot be read ({error}); save it as UTF-8 text") from error
    return texts


def read_recipe(name: str) -> Recipe:
    """The recipe of a pack, or of one YAML file of any ISA-88 level; UserError that lists every mistake in it."""
    if not Path(name).is_file():
        return read_pack(name).recipe
    return _document(name, Recipe)


def read_adaptation(name: str) -> Adaptation:
    """The adaptation that a YAML file holds; UserError that lists every mistake in it."""
    return _document(name, Adaptation)


def _document(name: str, kind: type[T]) -> T:
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{name} cannot be read ({error}); name a file saved as UTF-8 text") from error
    document = read(text, name, kind)
    if document.value is None:
        mistakes = "\n".join(str(mistake) for mistake in document.mistakes)
        raise UserError(f"{name} cannot be used; correct what follows:\n{mistakes}")
    return document.value


def read_pack(name: str) -> Pack:
    """The pack, checked; UserError that lists every mistake in it."""
    return pack_or_error(pack_files(name), name)
