"""Between an entry and the row that a store keeps of it."""

from json import JSONEncoder
from json.encoder import encode_basestring

from pydantic_core import from_json

from cytoloop.core.entry import Entry
from cytoloop.core.errors import FindingError
from cytoloop.core.json import JSON
from cytoloop.core.store import Row
from cytoloop.core.time import instant
from cytoloop.record.merkle import leaf_hash

_DATA = JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def data_text(data: dict[str, JSON]) -> str:
    """An entry's data as canonical JSON; ValueError when they hold NaN or infinity."""
    return _DATA.encode(data)


def row_of(entry: Entry, data: str, recorded_at: str) -> Row:
    """The row of an entry whose data are `data` as canonical JSON, and which was recorded at `recorded_at`.

    The body is `canonical(document(entry))`, put together here key by key: every append waits for it.
    """
    quoted = encode_basestring
    body = (
        f'{{"actor":{quoted(entry.actor)},"data":{data},"happened_at":"{entry.happened_at.isoformat()}",'
        f'"name":{quoted(entry.name)},"position":{entry.position},"recorded_at":"{recorded_at}",'
        f'"sequence":{entry.sequence},"stream":{quoted(entry.stream)}}}'
    ).encode()
    return Row(entry.sequence, entry.stream, entry.position, entry.name, body, leaf_hash(body))


def entry_of(row: Row) -> Entry:
    """The entry that a row keeps; FindingError when the row's body is not an entry."""
    try:
        data = from_json(row.body, allow_inf_nan=False)
        if not isinstance(data, dict) or not isinstance(data["data"], dict):
            raise ValueError("not an entry")
        return Entry(
            sequence=int(str(data["sequence"])),
            stream=str(data["stream"]),
            position=int(str(data["position"])),
            name=str(data["name"]),
            actor=str(data["actor"]),
            happened_at=instant(str(data["happened_at"])),
            recorded_at=instant(str(data["recorded_at"])),
            data=data["data"],
        )
    except (KeyError, ValueError) as error:
        raise FindingError(
            f"entry {row.sequence} cannot be read ({error}); it was changed after it was written"
        ) from error


def sound_entry_of(row: Row) -> Entry:
    """The entry that a row keeps, when it is what was written, where it was written; else FindingError."""
    body: object = row.body  # a flipped bit may have made a text of it
    if not isinstance(body, bytes) or leaf_hash(body) != row.leaf_hash:
        raise FindingError(
            f"entry {row.sequence} ({row.name} in {row.stream}) was changed after it was written; run `cytoloop "
            "verify` and restore the record from a copy"
        )
    entry = entry_of(row)
    if (entry.sequence, entry.stream, entry.position, entry.name) != (
        row.sequence, row.stream, row.position, row.name,
    ):  # fmt: skip
        raise FindingError(
            f"entry {row.sequence} ({row.name} in {row.stream}) is not at the place it was written to; run "
            "`cytoloop verify` and restore the record from a copy"
        )
    return entry
