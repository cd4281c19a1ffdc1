"""View of what was measured of a batch: results beside their limits, readings and results as curves."""

from collections.abc import Iterator
from dataclasses import dataclass

from cytoloop.core.batch import Batch, Told
from cytoloop.core.facts.quality import ResultRecorded
from cytoloop.core.product import Attribute, Product, Stage
from cytoloop.core.time import Instant, hours_between
from cytoloop.core.words import Words
from cytoloop.quality.specification import limits


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultLine:
    """One result beside the limits of its stage; `value` is None for a release test that is not there yet."""

    attribute: str
    words: Words
    stage: Stage
    sample: str
    value: float | None
    unit: str
    low: float | None
    high: float | None
    """For this patient: limits per kilogram are multiplied by the weight."""
    within: bool | None
    """None when there is no limit or no value."""
    critical: bool
    method: str
    at: Instant | None
    hours: float | None
    """Hours since the culture began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Readings of one signal, or results of one attribute, over the culture."""

    name: str
    unit: str
    hours: tuple[float, ...]
    values: tuple[float, ...]
    low: float | None = None
    high: float | None = None
    """Alarm limits."""


def attribute_words(product: Product) -> dict[str, Words]:
    """Attribute -> its words, those of the earliest stage that tests it."""
    return {each.attribute: each.words for each in reversed(product.attributes)}


def _attribute(batch: Batch, name: str, stage: Stage) -> Attribute | None:
    return next((each for each in batch.master.product.at(stage) if each.attribute == name), None)


def result_line(batch: Batch, told: Told[ResultRecorded], began: Instant | None) -> ResultLine:
    fact = told.fact
    attribute = _attribute(batch, fact.attribute, fact.stage)
    low, high = limits(attribute, batch.created.weight) if attribute else (None, None)
    return ResultLine(
        attribute=fact.attribute,
        words=attribute.words if attribute else Words(en=fact.attribute, zh=fact.attribute),
        stage=fact.stage,
        sample=fact.sample,
        value=fact.value,
        unit=fact.unit,
        low=low,
        high=high,
        within=_within(fact.value, low, high),
        critical=attribute.critical if attribute else False,
        method=fact.method,
        at=told.happened_at,
        hours=hours_between(began, told.happened_at) if began else None,
    )


def _within(value: float, low: float | None, high: float | None) -> bool | None:
    if low is None and high is None:
        return None
    return (low is None or value >= low) and (high is None or value <= high)


def specification(batch: Batch, began: Instant | None) -> Iterator[ResultLine]:
    latest = {told.fact.attribute: told for told in batch.results if told.fact.stage == "release"}
    for attribute in batch.master.product.at("release"):
        told = latest.get(attribute.attribute)
        if told is not None:
            yield result_line(batch, told, began)
            continue
        low, high = limits(attribute, batch.created.weight)
        yield ResultLine(
            attribute=attribute.attribute,
            words=attribute.words,
            stage="release",
            sample="",
            value=None,
            unit=attribute.unit,
            low=low,
            high=high,
            within=None,
            critical=attribute.critical,
            method=attribute.method,
            at=None,
            hours=None,
        )


def readings(batch: Batch, began: Instant | None) -> tuple[Curve, ...]:
    """Good and uncertain readings by signal, over the culture."""
    if began is None:
        return ()
    points: dict[str, list[tuple[float, float]]] = {}
    units: dict[str, str] = {}
    for told in batch.readings:
        for reading in told.fact.readings:
            if reading.quality != "bad":
                points.setdefault(reading.signal, []).append((hours_between(began, reading.at), reading.value))
                units[reading.signal] = reading.unit
    alarms = {alarm.signal: alarm for each in batch.master.plant.classes for alarm in each.alarms}
    return tuple(
        Curve(
            name=signal,
            unit=units[signal],
            hours=tuple(hours for hours, _ in sorted(pairs)),
            values=tuple(value for _, value in sorted(pairs)),
            low=alarms[signal].low if signal in alarms else None,
            high=alarms[signal].high if signal in alarms else None,
        )
        for signal, pairs in points.items()
    )


def sampled(batch: Batch, began: Instant | None) -> tuple[Curve, ...]:
    """In-process results by attribute, of samples taken from the culture."""
    if began is None:
        return ()
    points: dict[str, list[Told[ResultRecorded]]] = {}
    for told in batch.results:
        if told.fact.stage == "in_process" and told.happened_at >= began:
            points.setdefault(told.fact.attribute, []).append(told)
    return tuple(
        Curve(
            name=name,
            unit=tolds[0].fact.unit,
            hours=tuple(hours_between(began, told.happened_at) for told in tolds),
            values=tuple(told.fact.value for told in tolds),
            low=_low_high(batch, name)[0],
            high=_low_high(batch, name)[1],
        )
        for name, tolds in points.items()
    )


def _low_high(batch: Batch, name: str) -> tuple[float | None, float | None]:
    attribute = _attribute(batch, name, "in_process")
    return limits(attribute, batch.created.weight) if attribute else (None, None)
