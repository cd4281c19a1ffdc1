"""Verifying telemetry: every segment that the record speaks of is there, whole and as it was sealed."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cytoloop.app.historian import readable_telemetry, sealed
from cytoloop.app.records import TELEMETRY, readable_store
from cytoloop.app.settings import Settings, read_settings
from cytoloop.core.entry import Entry
from cytoloop.core.errors import FindingError, UserError
from cytoloop.core.facts.record import TelemetrySealed
from cytoloop.core.store import Row
from cytoloop.core.telemetry import TelemetryStore
from cytoloop.record.codec import Codec
from cytoloop.record.ledger import entry_of
from cytoloop.record.segment import header


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryChecked:
    """Telemetry in which every sealed reading is as the record says."""

    segments: int
    readings: int
    unsealed: int
    """Readings in the store that no entry protects yet."""
    elsewhere: int = 0
    """Segments that other folders of the same record keep: not checked here."""


def verify_telemetry_of(folder: Path, settings: Settings | None = None) -> TelemetryChecked:
    """Check the telemetry of a data folder whose record was verified; see `verify_telemetry`.

    `settings`: those that hold for it, when they are not in it.
    """
    part = (settings or read_settings(folder)).telemetry == "part"
    with readable_store(folder) as store, readable_telemetry(folder) as telemetry:
        return verify_telemetry(store.rows(), telemetry, part=part)


def verify_telemetry(rows: Iterable[Row], store: TelemetryStore | None, *, part: bool = False) -> TelemetryChecked:
    """Check that every segment the record speaks of is there, whole and as it was sealed.

    `rows`: of the record, verified before. `part`: what is not there is in another folder of the same record, and is
    only counted. FindingError names batch, segment and entry of the first that is not as it must be.
    """
    segments = readings = elsewhere = 0
    known: set[str] = set()
    here = frozenset(store.batches()) if store is not None else frozenset[str]()
    codec = Codec((TelemetrySealed,))
    for row in rows:
        if row.name == TelemetrySealed.NAME:
            entry = entry_of(row)
            fact = codec.decode(entry).fact
            assert isinstance(fact, TelemetrySealed), "it has the name"
            known.add(fact.segment)
            if part and fact.batch not in here:  # a folder keeps all readings of a batch, or none
                elsewhere += 1
                continue
            readings += _checked(entry, fact, store)
            segments += 1
    unsealed = _unprotected(store, known)
    return TelemetryChecked(segments=segments, readings=readings, unsealed=unsealed, elsewhere=elsewhere)


def _checked(entry: Entry, fact: TelemetrySealed, store: TelemetryStore | None) -> int:
    """Readings of the segment; FindingError when it is not what the entry says."""
    about = f"segment {fact.segment} of batch {fact.batch}, sealed by entry {entry.sequence},"
    if store is None:
        raise FindingError(
            f"{about} is missing with all telemetry; restore {TELEMETRY} from a copy, or, when other folders "
            "that share the record keep it, say `telemetry: part` in cytoloop.yaml"
        )
    try:
        data = store.segment(fact.segment)
    except (FindingError, UserError) as error:
        raise FindingError(f"{about} is missing or damaged: {error}") from error
    if sha256(data).hexdigest() != fact.sha256:
        raise FindingError(f"{about} was changed after it was sealed; restore {TELEMETRY} from a copy")
    told = next((each for each in store.segments(fact.batch) if each.name == fact.segment), None)
    if told is None or sealed(told) != fact or header(data)["segment"] != fact.segment:
        raise FindingError(f"{about} is filed under another description; restore {TELEMETRY} from a copy")
    return fact.readings


def _unprotected(store: TelemetryStore | None, known: set[str]) -> int:
    """Readings that no entry protects: open ones, and segments whose entry a crash kept out of the record."""
    if store is None:
        return 0
    batches = store.batches()
    waiting = (each.readings for batch in batches for each in store.segments(batch) if each.name not in known)
    return sum(store.unsealed(batch) for batch in batches) + sum(waiting)
