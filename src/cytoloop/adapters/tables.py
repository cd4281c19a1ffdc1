"""Tables: the csv and tsv files of a folder, as text; and tables as Parquet, by DuckDB, when it is installed."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

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


PARQUET_TYPES = {"text": "VARCHAR", "number": "DOUBLE", "whole": "BIGINT", "flag": "BOOLEAN", "instant": "TIMESTAMPTZ"}
"""Kind of a column -> type of it in a Parquet file."""


def to_parquet(file: Path, columns: Mapping[str, str]) -> Path:
    """Turn a CSV file into a Parquet file beside it, which takes its place; `columns`: name -> kind, in order.

    UserError when the extra that writes Parquet is not installed.
    """
    duckdb = _duckdb()
    beside = file.with_suffix(".parquet")
    kinds = {name: PARQUET_TYPES[kind] for name, kind in columns.items()}
    with duckdb.connect() as connection:
        read = connection.read_csv(str(file), header=True, columns=kinds, sep=",", quotechar='"', null_padding=False)
        read.write_parquet(str(beside), compression="zstd")
    file.unlink()
    return beside


def parquet_rows(file: Path) -> list[tuple[object, ...]]:
    """The rows of a Parquet file, in order; UserError when it cannot be read."""
    duckdb = _duckdb()
    try:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return list(connection.read_parquet(str(file)).fetchall())
    except duckdb.Error as error:
        raise UserError(f"{file} cannot be read as Parquet ({error}); export the dataset again") from error


def _duckdb() -> Any:
    try:
        return import_module("duckdb")
    except ModuleNotFoundError as error:
        raise UserError(
            "Parquet needs the extra 'parquet': pip install 'cytoloop[parquet]', or write CSV (--format csv)"
        ) from error
