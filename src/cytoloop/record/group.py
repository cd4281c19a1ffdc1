"""Group: several requests to append, judged one by one and written as one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import TypeAlias

from cytoloop.core.entry import Draft, Entry, Recorded
from cytoloop.core.errors import ConflictError
from cytoloop.core.json import JSON
from cytoloop.core.store import Row
from cytoloop.core.time import Instant
from cytoloop.record.codec import Codec
from cytoloop.record.edge import Edge
from cytoloop.record.rows import data_text, row_of


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody asks to append to one stream: all of `drafts`, where the stream ends at `expected`."""

    stream: str
    drafts: Sequence[Draft]
    expected: int


Answer: TypeAlias = tuple[Recorded, ...] | Exception
"""What became of a request: what was kept, or why nothing of it was."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request with its facts' data, as values and as canonical JSON."""

    request: Request
    data: list[dict[str, JSON]]
    texts: list[str]


def encoded(request: Request, codec: Codec) -> Encoded | Exception:
    """The request with its facts encoded, or what is wrong with one of them."""
    try:
        data = [codec.encode(draft.fact) for draft in request.drafts]
        return Encoded(request, data, [data_text(each) for each in data])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        return error


@dataclass(slots=True)
class Group:
    """The rows of one append, and an answer for each request."""

    edge: Edge
    now: Instant
    now_text: str = field(init=False)
    rows: list[Row] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    conflicts: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    """Where the streams end that this group appends to."""

    def __post_init__(self) -> None:
        self.now_text = self.now.isoformat()

    def judge(self, asked: Encoded | Exception) -> None:
        """Take the request in, when its stream ends where it expects."""
        if isinstance(asked, Exception):
            self.answers.append(asked)
            return
        stream, expected = asked.request.stream, asked.request.expected
        end = self.ends.get(stream)
        end = self.edge.ends.get(stream, 0) if end is None else end
        if asked.request.drafts and expected != end:
            self.conflicts += 1
            self.answers.append(
                ConflictError(f"{stream} ends at {end} and not at {expected}: read again, decide again")
            )
        else:
            self.answers.append(self.add(asked))

    def add(self, asked: Encoded) -> tuple[Recorded, ...]:
        """The request's facts as they will be recorded; their rows join the group."""
        told = [self._recorded(asked, place) for place in range(len(asked.data))]
        if told:
            self.ends[asked.request.stream] = asked.request.expected + len(told)
        return tuple(told)

    def _recorded(self, asked: Encoded, place: int) -> Recorded:
        draft = asked.request.drafts[place]
        entry = Entry(
            sequence=self.edge.tree.size + len(self.rows),
            stream=asked.request.stream,
            position=asked.request.expected + place,
            name=draft.fact.NAME,
            actor=draft.actor,
            happened_at=draft.happened_at.astimezone(UTC),
            recorded_at=self.now,
            data=asked.data[place],
        )
        self.rows.append(row_of(entry, asked.texts[place], self.now_text))
        return Recorded(entry, draft.fact)
