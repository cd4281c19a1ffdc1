"""Codec: between a fact and its permanent name and canonical data.

The names that a codec knows are handed in (`Codec(ALL_FACTS)`): nothing registers itself. A name it does not know
is read as it is and never dropped, so that a record outlives the program that wrote it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from pydantic import TypeAdapter, ValidationError

from cytoloop.core.entry import Entry, Fact, Recorded
from cytoloop.core.errors import FindingError
from cytoloop.core.facts import (
    allotment,
    answer,
    claim,
    clinic,
    compliance,
    equipment,
    feedback,
    foresight,
    monitoring,
    people,
    production,
    quality,
    shadow,
)
from cytoloop.core.facts import record as record_facts
from cytoloop.core.json import JSON

ALL_FACTS: tuple[type[Fact], ...] = (
    *clinic.FACTS,
    *production.FACTS,
    *allotment.FACTS,
    *equipment.FACTS,
    *quality.FACTS,
    *compliance.FACTS,
    *feedback.FACTS,
    *claim.FACTS,
    *shadow.FACTS,
    *foresight.FACTS,
    *monitoring.FACTS,
    *people.FACTS,
    *record_facts.FACTS,
    *answer.FACTS,
)
"""Every fact of the house."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A fact whose name this program does not know: kept, shown as it is, of no consequence."""

    NAME: ClassVar[str] = "unread/0"
    name: str
    data: dict[str, JSON]


class Codec:
    """Encodes and decodes facts by their permanent names."""

    def __init__(self, facts: Iterable[type[Fact]] = ALL_FACTS) -> None:
        self._adapters: dict[str, TypeAdapter[Any]] = {}
        for fact in facts:
            if fact.NAME in self._adapters:
                raise ValueError(f"two facts are named {fact.NAME!r}; a name is permanent and belongs to one")
            self._adapters[fact.NAME] = TypeAdapter(fact)

    def encode(self, fact: Fact) -> dict[str, JSON]:
        """The fact's data as plain JSON; KeyError when its name is not known here."""
        return cast(dict[str, JSON], self._adapters[fact.NAME].serializer.to_python(fact, mode="json"))

    def decode(self, entry: Entry) -> Recorded:
        """The entry with its fact; FindingError when the data do not fit the name."""
        adapter = self._adapters.get(entry.name)
        if adapter is None:
            return Recorded(entry, Unread(name=entry.name, data=dict(entry.data)))
        try:
            return Recorded(entry, adapter.validate_python(entry.data))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise FindingError(
                f"entry {entry.sequence} ({entry.name} in {entry.stream}) does not fit its name at "
                f"{place or 'its top'}: {first['msg']}; run `cytoloop verify` on this folder"
            ) from error
