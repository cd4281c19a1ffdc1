"""A small device whose controller keeps a journal on disk: it knows its commands again when its process was killed."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cytoloop.core.device import DeviceState, DeviceType, Quantity
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.json import JSON
from cytoloop.core.reading import Quality, Reading
from cytoloop.core.time import Clock, Instant, after, hours_between, instant
from cytoloop.core.words import Words

KIND = DeviceType(
    device_type="stirred_tank",
    words=Words(en="stirred tank", zh="搅拌罐"),
    equipment_class="bioreactor",
    signals={
        "temperature": Quantity(unit="°C", low=0.0, high=60.0),
        "glucose": Quantity(unit="mmol/L", low=0.0, high=50.0),
    },
    set_points={"temperature": Quantity(unit="°C", low=30.0, high=40.0)},
    programs={"stir": ("hours",)},
)


class KeptDevice:
    """Satisfies `core.device.Device`. It measures every `period` hours from the first line of its journal on."""

    def __init__(self, unit: str, clock: Clock, folder: Path, period: float = 0.01 / 3600) -> None:
        self._unit, self._clock, self._period = unit, clock, period
        self._journal = folder / f"{unit}.jsonl"
        if not self._journal.exists():
            self._note({"began": clock.now().isoformat()})
        self._began = instant(self._lines()[0]["began"])

    @property
    def unit(self) -> str:
        return self._unit

    @property
    def kind(self) -> DeviceType:
        return KIND

    @property
    def effects(self) -> Mapping[str, int]:
        """Key -> how often its command took effect."""
        return Counter(line["key"] for line in self._lines() if line.get("effect"))

    def state(self) -> DeviceState:
        return "running" if any(self._ends(line) > self._clock.now() for line in self._commands()) else "idle"

    def targets(self) -> Mapping[str, float]:
        return {name: value for line in self._commands() for name, value in line.get("targets", {}).items()}

    def submit(self, command: Command) -> None:
        if self.seen(command.key):
            return
        now = self._clock.now()
        line: dict[str, JSON] = {"key": command.key, "at": now.isoformat(), "ends": now.isoformat(), "note": ""}
        match command.verb, dict(command.arguments):
            case "set", {"temperature": float(value)} if 30.0 <= value <= 40.0:
                line |= {"effect": True, "targets": {"temperature": value}, "values": {"temperature": value}}
            case "program", {"program": "stir", "parameters": {"hours": float(hours)}}:
                line |= {"effect": True, "ends": after(now, hours).isoformat(), "values": {"turns": hours * 100.0}}
            case "read", {"signals": ["temperature"]}:
                line |= {"read": True, "values": {}}
            case _:
                line |= {"note": f"{self.unit} cannot {command.verb} {dict(command.arguments)}; see what it can do"}
        self._note(line)

    def seen(self, key: str) -> bool:
        return any(line["key"] == key for line in self._commands())

    def outcome(self, key: str) -> Outcome | None:
        found = next((line for line in self._commands() if line["key"] == key), None)
        if found is None or self._ends(found) > self._clock.now():
            return None
        at = self._ends(found)
        return Outcome(
            key=key,
            ok=not found["note"],
            at=at,
            by=f"equipment:{self.unit}",
            values=found.get("values", {}),
            readings=self._measured_at(self._steps(at))[:1] if found.get("read") else (),
            note=found["note"],
        )

    def measured(self, since: Instant | None) -> tuple[Reading, ...]:
        begin = 0 if since is None else max(0, self._steps(since) - 1)
        steps = range(begin, self._steps(self._clock.now()) + 1)
        found = (reading for step in steps for reading in self._measured_at(step))
        return tuple(reading for reading in found if since is None or reading.at > since)

    def _measured_at(self, step: int) -> tuple[Reading, ...]:
        at = after(self._began, step * self._period)
        qualities: tuple[Quality, ...] = ("good", "good", "good", "uncertain")
        lost = step % 7 == 6
        values = {"temperature": 37.0 + step / 1024, "glucose": math.nan if lost else 20.0 - step / 4096}
        return tuple(
            Reading(
                signal=signal, value=value, unit=KIND.signals[signal].unit, at=at, source=self.unit,
                quality="bad" if math.isnan(value) else qualities[step % 4],
            )
            for signal, value in values.items()
        )  # fmt: skip

    def _steps(self, at: Instant) -> int:
        return int(hours_between(self._began, at) / self._period)

    def _commands(self) -> list[dict[str, Any]]:
        return self._lines()[1:]

    def _lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._journal.read_text(encoding="utf-8").splitlines()]

    def _note(self, line: dict[str, JSON]) -> None:
        with self._journal.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(line) + "\n")

    def _ends(self, line: dict[str, Any]) -> Instant:
        return instant(line["ends"])
