"""Recipe text: YAML files as the frozen values of core, every mistake at once with file, line and path.

`read` is generic: the shape of the text is the dataclass itself, so text and vocabulary cannot drift apart. The
content of a recipe is its plain JSON form; its hash is what batches are pinned to and what people sign.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from cytoloop.core.errors import FindingError
from cytoloop.core.json import JSON, canonical, digest
from cytoloop.core.master import MasterRecipe
from cytoloop.core.recipe import Loop, Parallel, Phase, Recipe, Repeat, Selection
from cytoloop.core.units import HOUSE_UNITS
from cytoloop.production.yaml_text import Mistake, Path, Text, parse, written

T = TypeVar("T")

STEP_KINDS: dict[str, str] = {
    get_args(get_type_hints(kind)["kind"])[0]: kind.__name__
    for kind in (*get_args(Phase), Loop, Repeat, Parallel, Selection)
}
"""What a step's `kind` says -> name of its dataclass."""

_UNIT_MAPPINGS = ("set_points", "signals")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(Generic[T]):
    """One file as a value of core; `value` is None exactly when there are mistakes."""

    text: Text
    value: T | None
    mistakes: tuple[Mistake, ...]


def read(text: str, file: str, kind: type[T]) -> Document[T]:
    """`text` as a value of `kind` (a dataclass of core, or a tuple of them)."""
    plain = parse(text, file)
    if not plain.lines:
        return Document(text=plain, value=None, mistakes=plain.mistakes)
    mistakes = [*plain.mistakes, *_kinds(plain), *_units(plain)]
    value: T | None = None
    try:
        # JSON form and strict: a list may be a tuple, but no text becomes a number and no number text.
        value = TypeAdapter(kind).validate_json(json.dumps(plain.value), strict=True, extra="forbid")
    except ValidationError as error:
        mistakes += _shape(error, plain, kind)
    mistakes.sort(key=lambda mistake: (mistake.line, mistake.path))
    return Document(text=plain, value=None if mistakes else value, mistakes=tuple(mistakes))


def read_mapping(text: str, file: str) -> Document[Mapping[str, JSON]]:
    """`text` as a plain mapping: a file whose shape belongs to another stage (twin, donors)."""
    plain = parse(text, file)
    mistakes = plain.mistakes
    if not mistakes and not isinstance(plain.value, dict):
        mistakes = (plain.mistake((), f"found {_shown(plain.value)}, expected a mapping ('key: value' lines)"),)
    value = plain.value if isinstance(plain.value, dict) and not mistakes else None
    return Document(text=plain, value=value, mistakes=mistakes)


def content(master: MasterRecipe) -> dict[str, JSON]:
    """The whole master recipe (recipe, product, plant) as plain JSON, every default written out."""
    return cast(dict[str, JSON], TypeAdapter(MasterRecipe).dump_python(master, mode="json"))


def recipe_content(recipe: Recipe) -> dict[str, JSON]:
    """One recipe alone as plain JSON, every default written out."""
    return cast(dict[str, JSON], TypeAdapter(Recipe).dump_python(recipe, mode="json"))


def recipe_yaml(recipe: Recipe) -> str:
    """The recipe as the text of a pack's `recipe.yaml`: what `read` makes the same recipe of."""
    plain = TypeAdapter(Recipe).dump_python(recipe, mode="json")
    return yaml.safe_dump(_told(plain), allow_unicode=True, sort_keys=False, width=110)


def _told(value: JSON) -> JSON:
    """Without what nobody wrote: empty lists and mappings, and nulls."""
    if isinstance(value, dict):
        kept = {key: _told(child) for key, child in value.items() if child is not None}
        first = {key: kept.pop(key) for key in ("kind", "phase") if key in kept}
        return first | {key: child for key, child in kept.items() if child not in ([], {})}
    return [_told(child) for child in value] if isinstance(value, list) else value


def content_sha256(master: MasterRecipe) -> str:
    """SHA-256 of the canonical JSON of the content: what a batch is pinned to."""
    return digest(content(master))


def from_content(value: Mapping[str, JSON]) -> MasterRecipe:
    """The master recipe that `value` (from the record) is the content of; FindingError when it is none."""
    try:
        return TypeAdapter(MasterRecipe).validate_json(canonical(dict(value)), strict=True, extra="forbid")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise FindingError(
            f"the recorded recipe cannot be read at {where}: {first['msg']}; run `cytoloop verify` on the record"
        ) from error


def _places(value: JSON, path: Path = ()) -> Iterator[tuple[Path, JSON]]:
    yield path, value
    children: Iterator[tuple[str | int, JSON]] = iter(())
    if isinstance(value, dict):
        children = iter(value.items())
    elif isinstance(value, list):
        children = enumerate(value)
    for key, child in children:
        yield from _places(child, (*path, key))


def _kinds(plain: Text) -> Iterator[Mistake]:
    """Steps that do not say what kind they are."""
    for path, value in _places(plain.value):
        if path[-2:-1] != ("steps",) or not isinstance(value, dict):
            continue
        kind = value.get("kind")
        if kind not in STEP_KINDS:
            found = f"found {_shown(kind)}" if "kind" in value else "found no kind"
            yield plain.mistake((*path, "kind"), f"{found}, expected one of {', '.join(STEP_KINDS)}")


def _units(plain: Text) -> Iterator[Mistake]:
    """Units that are not house units, with the nearest that is."""
    for path, value in _places(plain.value):
        is_unit = path[-1:] == ("unit",) or (path[-2:-1] and path[-2] in _UNIT_MAPPINGS)
        named = bool(path) and isinstance(path[-1], str)
        if is_unit and named and isinstance(value, str) and value not in HOUSE_UNITS:
            near = get_close_matches(value, HOUSE_UNITS, n=1, cutoff=0.3)
            offer = f"; did you mean {near[0]!r}?" if near else ""
            yield plain.mistake(path, f"found unit {value!r}, expected a house unit ({', '.join(HOUSE_UNITS)}){offer}")


def _shape(error: ValidationError, plain: Text, kind: object) -> Iterator[Mistake]:
    for detail in error.errors(include_url=False):
        path = _path(detail["loc"], plain.value)
        if path is not None:
            yield plain.mistake(path, _message(detail, kind))


def _path(loc: Path, value: JSON) -> Path | None:
    """`loc` without the union labels pydantic puts in; None when it speaks of a kind the step is not."""
    path: list[str | int] = []
    here: JSON = value
    for key in loc:
        if path[-2:-1] == ["steps"] and key in STEP_KINDS.values() and isinstance(here, dict):
            if STEP_KINDS.get(str(here.get("kind"))) != key:
                return None
            continue
        path.append(key)
        here = _child(here, key)
    return tuple(path)


def _child(value: JSON, key: str | int) -> JSON:
    if isinstance(value, dict):
        return value.get(str(key))
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return value[key]
    return None


def _message(detail: ErrorDetails, kind: object) -> str:
    name = detail["loc"][-1] if detail["loc"] else ""
    if detail["type"] == "missing":
        return f"found no {name!r}, expected it here"
    if detail["type"] == "unexpected_keyword_argument":
        known = [field.name for field in _fields(kind, detail["loc"][:-1])]
        near = get_close_matches(str(name), known, n=1)
        offer = f"; did you mean {near[0]!r}?" if near else ""
        return f"found the unknown key {name!r}, expected one of {', '.join(known)}{offer}"
    expected = detail["msg"].removeprefix("Input should be ")
    expected = expected.replace("array", "list").replace("an object", "a mapping")
    return f"found {_shown(detail['input'])}, expected {expected}"


def _fields(kind: Any, loc: Path) -> tuple[Any, ...]:
    """The fields of the dataclass at `loc` (with pydantic's union labels) inside `kind`."""
    for key in loc:
        kind = _inside(kind, key)
    return fields(kind) if is_dataclass(kind) else ()


def _inside(kind: Any, key: str | int) -> Any:
    if is_dataclass(kind):
        kind = get_type_hints(kind)[str(key)]
        members = get_args(kind) if get_origin(kind) in (Union, UnionType) else ()
        plain = [member for member in members if member is not NoneType]
        return plain[0] if len(plain) == 1 else kind
    arguments = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        return next(member for member in arguments if getattr(member, "__name__", "") == key)
    return arguments[0] if get_origin(kind) is tuple else arguments[1]


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if value is None:
        return "nothing"
    if isinstance(value, float) and not math.isfinite(value):
        return "a number out of range"
    return repr(value)


__all__ = ["Document", "Mistake", "content", "content_sha256", "from_content", "read", "read_mapping", "written"]
