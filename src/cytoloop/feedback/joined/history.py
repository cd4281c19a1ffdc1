"""Joined history: a dataset's tables, or a process scientist's own, as the histories that a twin learns from.

Three tables are read, by name: `parameters` (batch, parameter, executed or value, hours), `trajectories` (batch,
attribute, hours, value) and, where they are there, `batches` (batch, product) and `results` (batch, stage, attribute,
value). Each may have a `unit`, row by row; units are turned into house units here. What cannot be is refused by file,
line and column: a wrong unit must not teach the twin.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cytoloop.core.errors import UserError
from cytoloop.core.words import Words
from cytoloop.feedback.dataset import IN_CULTURE, IN_PRODUCT, BatchHistory, Control, Start, history
from cytoloop.feedback.joined.rows import (
    ATTRIBUTES,
    PARAMETER_UNITS,
    Measured,
    check_units,
    measured,
    readable,
    spelled,
)
from cytoloop.feedback.published.table import Row, Table, table

LEAST_BATCHES = 3
"""Batches below which nothing is learned of how donors differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TablesRead:
    """What tables hold for a twin."""

    batches: tuple[BatchHistory, ...]
    notes: tuple[Words, ...]
    """What these batches cannot teach, and which of them were left out and why."""


@dataclass(slots=True)
class _Gathered:
    """What the tables say of one batch, on the way to its history."""

    parameters: dict[str, list[Measured]] = field(default_factory=dict)
    seen: dict[str, list[Measured]] = field(default_factory=dict)
    product: dict[str, float] = field(default_factory=dict)


def read_batches(tables: Mapping[str, str], product: str | None = None) -> TablesRead:
    """The histories in `tables` (file name -> text), of one product; `product` names it where there are several.

    UserError names file, line and column of what cannot be used, and a batch of another product.
    """
    found = {name: _named(tables, name) for name in ("batches", "parameters", "trajectories", "results")}
    if found["parameters"] is None or found["trajectories"] is None:
        raise UserError("the folder needs a parameters table and a trajectories table (.csv or .tsv); see the how-to")
    wanted = _wanted(found["batches"], product)
    check_units(_rows(found["parameters"], wanted), "parameter")
    check_units(_rows(found["trajectories"], wanted), "attribute")
    gathered: dict[str, _Gathered] = {}
    for row in _rows(found["parameters"], wanted):
        _take_parameter(gathered.setdefault(row.text("batch"), _Gathered()), row)
    for row in _rows(found["trajectories"], wanted):
        _take_seen(gathered.setdefault(row.text("batch"), _Gathered()), row)
    for row in _rows(found["results"], wanted) if found["results"] else ():
        _take_result(gathered.setdefault(row.text("batch"), _Gathered()), row)
    return _read(gathered)


def _read(gathered: Mapping[str, _Gathered]) -> TablesRead:
    histories, without = [], []
    for batch, told in gathered.items():
        if "expansion_at" not in told.parameters and not told.parameters.get("activation.seeding_density"):
            without.append(batch)
            continue
        histories.append(_history(batch, told))
    if not histories:
        raise UserError(
            f"no batch in these tables names activation.seeding_density as executed ({', '.join(without[:5])}); the "
            "twin of this pack needs it: are they batches of another therapy, or were they never seeded?"
        )
    notes = [*_left_out(without), *_too_few(len(histories)), *_constant(gathered)]
    return TablesRead(batches=tuple(histories), notes=tuple(notes))


def _named(tables: Mapping[str, str], name: str) -> Table | None:
    files = [file for file in tables if file.rpartition("/")[2].rpartition(".")[0] == name]
    if not files:
        return None
    if len(files) > 1:
        raise UserError(f"there are {len(files)} tables named {name} ({', '.join(files)}); keep one")
    columns = {
        "batches": ("batch",),
        "parameters": ("batch", "parameter"),
        "trajectories": ("batch", "attribute", "hours", "value"),
        "results": ("batch", "stage", "attribute", "value"),
    }
    if readable(tables[files[0]]):
        return table(files[0], tables[files[0]], columns[name])
    return None


def _wanted(batches: Table | None, product: str | None) -> frozenset[str] | None:
    """The batches of the one product that is learned from; None when nothing names any."""
    if batches is None:
        return None
    if "product" not in batches.units:
        return frozenset(row.text("batch") for row in batches.rows)
    products = {row.text("product"): row for row in batches.rows}
    if product is None and len(products) > 1:
        (first, _), (other, row) = list(products.items())[:2]
        raise UserError(
            f"{row.file}, line {row.line}, column 'product': batch {row.text('batch')} is of {other!r}, others are of "
            f"{first!r}; a twin learns from one product: name it"
        )
    if product is not None and product not in products:
        raise UserError(f"{batches.file}: no batch is of product {product!r}; it has {', '.join(sorted(products))}")
    return frozenset(row.text("batch") for row in batches.rows if product in (None, row.text("product")))


def _rows(found: Table, wanted: frozenset[str] | None) -> Iterator[Row]:
    for row in found.rows:
        if not row.text("batch"):
            raise row.wrong("batch", "a batch number")
        if wanted is None or row.text("batch") in wanted:
            yield row


def _take_parameter(told: _Gathered, row: Row) -> None:
    name = spelled(row.text("parameter"))
    column = "executed" if "executed" in row.cells else "value"
    if column not in row.cells:
        raise UserError(f"{row.file}, line 1: column 'executed' is missing; expected the values as executed")
    if name in PARAMETER_UNITS and row.text(column):
        told.parameters.setdefault(name, []).append(measured(row, column, PARAMETER_UNITS[name]))


def _take_seen(told: _Gathered, row: Row) -> None:
    attribute, kind = row.text("attribute"), row.cells.get("kind", "sample").strip() or "sample"
    if kind not in ("sample", "online"):
        raise row.wrong("kind", "sample or online")
    if kind == "online" and row.cells.get("quality", "good").strip() not in ("good", ""):
        return
    name = attribute if kind == "sample" else f"{attribute}_online"
    if name in ATTRIBUTES:
        told.seen.setdefault(name, []).append(measured(row, "value", ATTRIBUTES[name]))


def _take_result(told: _Gathered, row: Row) -> None:
    attribute = row.text("attribute")
    if row.text("stage") == "release" and attribute in IN_PRODUCT:
        told.product[attribute] = measured(row, "value", ATTRIBUTES[attribute]).value


def _history(batch: str, told: _Gathered) -> BatchHistory:
    began, harvest = _expansion_at(told), _last(told, "expansion.culture_duration")
    seen = {
        name: [(each.hours, each.value) for each in found if each.hours is not None and each.hours >= 0]
        for name, found in told.seen.items()
        if name in IN_CULTURE
    }
    harvest_at = None
    if harvest is not None:
        harvest_at = harvest.hours if harvest.hours is not None else began + harvest.value
    return history(
        batch=batch,
        start=_start(told, began),
        controls=tuple(_controls(told, began)),
        observations={name: pairs for name, pairs in seen.items() if pairs},
        harvest_at=harvest_at,
        product=told.product,
    )


def _start(told: _Gathered, began: float) -> Start:
    def first(name: str, default: float) -> float:
        return told.parameters[name][0].value if told.parameters.get(name) else default

    usual = Start(seeding_density=1.0, volume=1.0)
    before = [each for each in told.seen.get("viability", ()) if each.hours is not None and each.hours <= 0]
    return Start(
        seeding_density=first("activation.seeding_density", 0.0),
        volume=first("activation.volume", 0.0),
        viability=min(before[-1].value, 1.0) if before else usual.viability,
        moi=first("transduction.moi", usual.moi),
        il2=first("activation.il2", usual.il2),
        expansion_at=began,
    )


def _expansion_at(told: _Gathered) -> float:
    """When the expansion began: at the end of the transduction, else at its first set-point, else as recipes say."""
    ended = _last(told, "transduction.duration")
    if ended is not None and ended.hours is not None:
        return ended.hours
    names = ("expansion.perfusion_rate", "expansion.il2")
    hours = [each.hours for name in names for each in told.parameters.get(name, ()) if each.hours is not None]
    return min(hours, default=Start(seeding_density=1.0, volume=1.0).expansion_at)


def _controls(told: _Gathered, began: float) -> Iterator[Control]:
    rates, media = told.parameters.get("expansion.perfusion_rate", []), told.parameters.get("expansion.il2", [])
    medium = told.parameters["activation.il2"][0].value if told.parameters.get("activation.il2") else 100.0
    yield Control(at=0.0, perfusion_rate=0.0, il2=medium)
    for at in sorted({each.hours if each.hours is not None else began for each in (*rates, *media)}):
        yield Control(at=at, perfusion_rate=_at(rates, at, 0.0), il2=_at(media, at, medium))


def _at(values: Iterable[Measured], hours: float, default: float) -> float:
    known = [each for each in values if each.hours is None or each.hours <= hours]
    return known[-1].value if known else default


def _last(told: _Gathered, name: str) -> Measured | None:
    found = told.parameters.get(name)
    return found[-1] if found else None


def _left_out(batches: list[str]) -> Iterator[Words]:
    if batches:
        names = ", ".join(batches[:5])
        yield Words(
            en=f"left out, for they name no seeding density as executed (never seeded?): {names}",
            zh=f"未纳入（无实际接种密度，可能未接种）：{names}",
        )


def _too_few(count: int) -> Iterator[Words]:
    if count < LEAST_BATCHES:
        yield Words(
            en=f"{count} batches are too few to learn how donors differ; at least {LEAST_BATCHES} are needed",
            zh=f"仅 {count} 批，不足以了解供者间差异；至少需要 {LEAST_BATCHES} 批",
        )


def _constant(gathered: Mapping[str, _Gathered]) -> Iterator[Words]:
    """Parameters that never varied: what they do cannot be learned from these batches."""
    values: dict[str, set[float]] = {}
    for told in gathered.values():
        for name, found in told.parameters.items():
            values.setdefault(name, set()).update(round(each.value, 6) for each in found)
    never = sorted(name for name, seen in values.items() if len(seen) == 1)
    if never and len(gathered) > 1:
        yield Words(
            en=f"never varied in these batches, so their effect cannot be learned from them: {', '.join(never)}",
            zh=f"这些批次中从未变化，故无法据此了解其作用：{'、'.join(never)}",
        )
