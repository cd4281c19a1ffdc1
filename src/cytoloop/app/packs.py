"""Packs on disk: the ones shipped in the wheel, and a user's own folder anywhere."""

from importlib.resources import files
from pathlib import Path

from cytoloop.core.errors import UserError
from cytoloop.production.pack import PACK_FILES, Pack, pack_or_error


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


def read_pack(name: str) -> Pack:
    """The pack, checked; UserError that lists every mistake in it."""
    return pack_or_error(pack_files(name), name)
