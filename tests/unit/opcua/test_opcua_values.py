"""What needs no network: units, memories, the record's word on when a command was sent, states, a feed's columns."""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cytoloop.adapters.opcua.commands import Commands
from cytoloop.adapters.opcua.feed import OVERFLOW, Feed, Plan
from cytoloop.adapters.opcua.lads import UNIT_STATES, device_state, state_of
from cytoloop.adapters.opcua.library import library
from cytoloop.adapters.opcua.memory import fresh, remembered
from cytoloop.adapters.opcua.reading import Signal
from cytoloop.adapters.opcua.structures import key_values, pairs, sample, sample_ids
from cytoloop.adapters.opcua.units import HOUSE_UNECE, PINT_OF, Scale, information, scale
from cytoloop.app.doubt import sent_at
from cytoloop.core.equipment import Command
from cytoloop.core.errors import UserError
from cytoloop.core.facts.production import StepStarted
from cytoloop.core.time import Instant
from cytoloop.core.units import HOUSE_UNITS
from cytoloop.testing.builders import Book


@pytest.mark.parametrize("unit", sorted(HOUSE_UNITS))
def test_every_house_unit_goes_over_the_wire_and_back(unit: str) -> None:
    told = information(unit)
    assert scale(told, None, "there").unit == unit
    assert scale(told, unit, "there") == Scale(unit)


@pytest.mark.parametrize(
    ("code", "value", "unit", "house"),
    [("FAH", 98.6, "°C", 37.0), ("KEL", 310.15, "°C", 37.0), ("P1", 40.0, "fraction", 0.4), ("LTR", 0.5, "mL", 500.0)],
)
def test_codes_of_recommendation_20_become_house_units(code: str, value: float, unit: str, house: float) -> None:
    told = information(unit)
    told.UnitId, told.DisplayName = int.from_bytes(code.encode(), "big"), library().ua.LocalizedText("?")
    told.NamespaceUri = information("°C").NamespaceUri
    found = scale(told, unit, "there")
    assert found.house(value) == pytest.approx(house)
    assert found.device(house) == pytest.approx(value)


def test_every_code_that_is_written_can_be_read() -> None:
    assert set(HOUSE_UNECE.values()) <= set(PINT_OF)


def test_a_unit_that_is_none_of_the_house_has_to_be_asked_for() -> None:
    told = information("°C")
    told.UnitId, told.DisplayName = int.from_bytes(b"BAR", "big"), library().ua.LocalizedText("bar")
    with pytest.raises(UserError, match="there is in 'bar', which is no house unit; say in the plant"):
        scale(told, None, "there")


def test_structures_come_back_raw_and_as_objects() -> None:
    given = {"volume": "200.0", "": "x", "温度": "37"}
    assert pairs(key_values(given, 7)) == given
    assert sample_ids([sample("COI-1", 7)]) == ["COI-1"]
    assert pairs([SimpleNamespace(Key="a", Value="b")]) == {"a": "b"}
    with pytest.raises(ValueError, match="KeyValueType cannot be read"):
        pairs([library().ua.ExtensionObject(TypeId=library().ua.NodeId(1, 1), Body=b"\x09\x00\x00\x00ab")])


def test_states_of_lads_lead_back_to_the_devices() -> None:
    for state, (unit, running) in UNIT_STATES.items():
        assert state_of(unit, running, device_state(state)) == state


def test_a_memory_that_is_kept_is_the_same_one(tmp_path: Path, start: Instant) -> None:
    path = tmp_path / "memory.json"
    memory = remembered(path, start)
    memory.fenced.add("B-1/mix#1")
    memory.first["B-1 skid-01"] = start
    memory.save()
    assert remembered(path, start + timedelta(days=1)) == memory
    assert fresh(start).name != memory.name
    path.write_text("{")
    with pytest.raises(UserError, match=r"the memory of commands in .* cannot be read .* restore the file"):
        remembered(path, start)


def test_a_fenced_key_is_not_taken_and_an_unknown_unit_neither(start: Instant) -> None:
    clock: Any = SimpleNamespace(now=lambda: start)
    device: Any = SimpleNamespace(
        submit=lambda _: pytest.fail("a fenced command reached the device"), seen=lambda _: False
    )
    device.outcome = lambda _: None
    commands = Commands(devices={"skid-01": device}, clock=clock, memory=fresh(start))
    assert commands.recall("B-1/x#1") == ("unknown", "")
    assert not commands.accept(Command(key="B-1/x#1", target="skid-01", verb="set"))
    assert not commands.accept(Command(key="B-1/y#1", target="skid-02", verb="set"))


def test_the_record_says_when_a_command_was_about_to_be_sent(start: Instant) -> None:
    book = Book()
    key = "B-1/culture/mix#1"
    step = StepStarted(step="culture/mix", attempt=1, key=key, target="skid-01", verb="program", arguments={})
    book.tell("batch/B-1", step, start)
    assert sent_at(book.ledger, key) == start
    assert sent_at(book.ledger, "B-1/culture/mix#2") is None
    assert sent_at(book.ledger, "B-2/never#1") is None


def test_a_reading_with_the_overflow_bit_has_its_signal_filled_and_each_source_time_counts_once(start: Instant) -> None:
    ua = library().ua

    async def none(_: str) -> list[Signal]:
        return []

    connection: Any = None
    feed = Feed(
        connection=connection, batches={"u": "B-1"}, signals=none, interval=1.0, queue=9, received=lambda: start
    )
    signals = [Signal("u", "temperature", None, Scale("°C")), Signal("u", "flow", None, Scale("mL", 1000.0))]
    feed._plan = Plan(signals, {"u": "B-1"}, {})

    def change(handle: int, seconds: float, value: object, status: int = 0) -> Any:
        at = start + timedelta(seconds=seconds)
        told = ua.DataValue(ua.Variant(value), StatusCode=ua.StatusCode(status), SourceTimestamp=at)
        return SimpleNamespace(ClientHandle=handle, Value=told)

    no_time = SimpleNamespace(ClientHandle=0, Value=ua.DataValue(ua.Variant(1.0)))
    changes = [
        change(0, 1, 37.0),
        change(0, 1, 37.0),
        change(1, 1, 0.5, OVERFLOW),
        change(1, 2, None, 0x8000_0000),
        no_time,
    ]
    assert feed._full(changes) == [1]
    (block,) = feed._columns(changes)
    assert [(tag.name, value, status) for tag, _, _, value, status in block.rows()][:2] == [
        ("u/temperature", 37.0, 0),
        ("u/flow", 500.0, OVERFLOW),
    ]
    assert len(block) == 3
