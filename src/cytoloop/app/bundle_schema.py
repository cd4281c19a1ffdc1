"""The schemas in a bundle: what the fields of its files and of its entries mean (JSON Schema).

What a field is for stands below it in our source; a schema takes it from there, so that the two cannot differ.
"""

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from itertools import pairwise
from textwrap import dedent
from typing import Any, cast, get_args, get_type_hints

from pydantic import TypeAdapter

from cytoloop.core.entry import Entry
from cytoloop.core.json import JSON, canonical
from cytoloop.record import bundle
from cytoloop.record.bundle import Keys, Manifest, Proofs
from cytoloop.record.codec import ALL_FACTS

FILES: Mapping[str, type] = {"entry": Entry, "keys": Keys, "manifest": Manifest, "proofs": Proofs}
"""Schema -> what it is of: one line of `entries.jsonl`, or a file of the bundle."""


def schema_file(name: str) -> str:
    """Name, in a bundle, of the schema of a fact ("step-completed/1") or of a file."""
    return f"{bundle.SCHEMA}{name.replace('/', '-')}.json"


def schemas(names: Iterable[str]) -> dict[str, bytes]:
    """The schema of each of the bundle's own files, and of each of these facts that this version knows."""
    known = {fact.NAME: fact for fact in ALL_FACTS}
    kinds = {**FILES, **{name: cast(type, known[name]) for name in names if name in known}}
    return {schema_file(name): canonical(schema(kind)) for name, kind in kinds.items()}


def schema(kind: type) -> dict[str, JSON]:
    """JSON Schema of a dataclass, with what is said below its fields and those of the dataclasses in it."""
    made: dict[str, Any] = TypeAdapter(kind).json_schema()
    notes = {each.__name__: field_notes(each) for each in _kinds(kind)}
    for each in (made, *made.get("$defs", {}).values()):
        for name, note in notes.get(each.get("title", ""), {}).items():
            if name in each.get("properties", {}):
                each["properties"][name]["description"] = note
    return made


def field_notes(kind: type) -> dict[str, str]:
    """Field -> the text that stands below it in the source; none where the source is not at hand."""
    try:
        body = cast(ast.ClassDef, ast.parse(dedent(inspect.getsource(kind))).body[0]).body
    except OSError:
        return {}
    return dict(_notes(body))


def _notes(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for each, below in pairwise(body):
        match each, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(note))):
                yield name, " ".join(note.split())
            case _:
                pass


def _kinds(kind: type) -> Iterator[type]:
    """A dataclass and the dataclasses that its fields hold."""
    yield kind
    for hint in get_type_hints(kind).values():
        for each in _inside(hint):
            yield from _kinds(each)


def _inside(hint: Any) -> Iterator[type]:
    if is_dataclass(hint):
        yield cast(type, hint)
    for each in get_args(hint):
        yield from _inside(each)
