"""How a device takes commands and gives outcomes over Sparkplug, which has no call: a small convention of metrics.

All of them are in the device's DBIRTH, so that any host sees what there is (docs/reference/sparkplug.md):

  Properties/Devices       of the edge node, in its NBIRTH: ids of its devices
  Properties/Convention    "cytoloop-device/1"
  Properties/Device type, Equipment class, Met, Attributes
  State                    what the device is doing
  Signals/<signal>         Double, what it measures; properties engUnit, engLow, engHigh
  Set-points/<name>        Double, what is in force; a host writes it with a command's key, and never without
  Programs/<name>          names of the parameters it needs
  Command/Key, Verb, Arguments    written together in one DCMD: begin this, once for this key
  Recall/Key               written: say what became of this key
  Outcome/Key, State, Document    sent together: "unknown", "underway" or "ended", and the outcome as JSON
  History/Key, Since, Send    written together: what was measured since? Count it only, or send it again as historical
                           values, a thousand or so at a time
  History/Answered, Count, From, Upto    sent together, after the values: the key; how many there are, from when
                           (no earlier than since) up to when (not including)
"""

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

from cytoloop.adapters.sparkplug.births import QUALITIES
from cytoloop.core.equipment import Outcome
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON, canonical, parse
from cytoloop.core.reading import Quality, Reading
from cytoloop.core.telemetry import microseconds
from cytoloop.core.time import Instant, instant

NAME = "cytoloop-device/1"
DEVICES = "Properties/Devices"
"""Of the edge node: ids of all its devices, so that a host knows when it has heard of all."""
CONVENTION = "Properties/Convention"
STATE = "State"
SIGNALS, SET_POINTS, PROGRAMS = "Signals/", "Set-points/", "Programs/"
COMMAND_KEY, COMMAND_VERB, COMMAND_ARGUMENTS = "Command/Key", "Command/Verb", "Command/Arguments"
RECALL_KEY = "Recall/Key"
OUTCOME_KEY, OUTCOME_STATE, OUTCOME_DOCUMENT = "Outcome/Key", "Outcome/State", "Outcome/Document"
HISTORY_KEY, HISTORY_SINCE, HISTORY_SEND = "History/Key", "History/Since", "History/Send"
HISTORY_ANSWERED, HISTORY_COUNT = "History/Answered", "History/Count"
HISTORY_FROM, HISTORY_UPTO = "History/From", "History/Upto"
MOMENTS = (HISTORY_SINCE, HISTORY_COUNT, HISTORY_FROM, HISTORY_UPTO)
"""Whole numbers; times among them are microseconds since 1970 UTC."""
WRITTEN = (COMMAND_KEY, COMMAND_VERB, COMMAND_ARGUMENTS, RECALL_KEY, HISTORY_KEY)
"""Texts that a host writes; they are null in a birth."""
SENT = (OUTCOME_KEY, OUTCOME_STATE, OUTCOME_DOCUMENT, HISTORY_ANSWERED)
CODES: Mapping[Quality, int] = {quality: code for code, quality in QUALITIES.items()}
KeyState = Literal["unknown", "underway", "ended"]
"""What a device says of a key: never arrived, not yet ended, ended."""


def written(outcome: Outcome) -> str:
    """An outcome as JSON."""
    readings: list[JSON] = [
        {
            "signal": each.signal, "value": None if math.isnan(each.value) else each.value, "unit": each.unit,
            "at": each.at.isoformat(), "quality": each.quality, "source": each.source,
        }
        for each in outcome.readings
    ]  # fmt: skip
    document: JSON = {
        "key": outcome.key, "ok": outcome.ok, "at": outcome.at.isoformat(), "by": outcome.by,
        "values": dict(outcome.values), "readings": readings, "note": outcome.note,
    }  # fmt: skip
    return canonical(document).decode()


def read_outcome(text: str) -> Outcome:
    """The outcome that the JSON says. UserError when it says none."""
    try:
        data: Any = parse(text)
        return Outcome(
            key=str(data["key"]),
            ok=data["ok"] is True,
            at=instant(data["at"]),
            by=str(data["by"]),
            values=dict(data["values"]),
            readings=tuple(_reading(each) for each in data["readings"]),
            note=str(data["note"]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{text[:60]!r} is no outcome ({error!r}); see what the device sent") from error


def milliseconds(at: Instant) -> int:
    """Milliseconds since 1970 UTC, as a payload has them; 0 for what was before."""
    return max(0, microseconds(at) // 1000)


def _reading(data: Any) -> Reading:
    value = data["value"]
    quality = data["quality"]
    if quality not in get_args(Quality):
        raise ValueError(f"no quality {quality!r}")
    return Reading(
        signal=str(data["signal"]),
        value=math.nan if value is None else float(value),
        unit=str(data["unit"]),
        at=instant(data["at"]),
        quality=quality,
        source=str(data["source"]),
    )
