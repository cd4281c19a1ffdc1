"""Tables: the csv and tsv files of a folder, as text. The only thing it knows of them is where they are."""

from pathlib import Path

from cytoloop.core.errors import UserError


def read_tables(folder: Path) -> dict[str, str]:
    """Name below `folder` ("il2-titration/il2-flow.csv") -> text, for every .csv and .tsv file in it.

    UserError when the folder is not there, holds no table, or a table cannot be read as UTF-8 text.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give the folder that holds the tables")
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".csv", ".tsv") and path.is_file())
    if not files:
        raise UserError(f"{folder} holds no .csv or .tsv table; give the folder that holds the tables")
    return {path.relative_to(folder).as_posix(): _text(path) for path in files}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; check the file and its permissions") from error
