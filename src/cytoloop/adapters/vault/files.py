"""JSON files of the vault, read as what they must be."""

from pathlib import Path

from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON, parse


def read_object(path: Path, form: str) -> dict[str, JSON]:
    """The JSON object in `path`, whose "format" must be `form`; UserError when it is something else."""
    try:
        content = parse(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); restore it from a copy") from error
    found = content.get("format") if isinstance(content, dict) else None
    if not isinstance(content, dict) or found != form:
        raise UserError(f"{path} has the format {found!r} and this version reads {form!r}; restore it from a copy")
    return content
