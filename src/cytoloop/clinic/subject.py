"""Subject: a person in a study, under a pseudonym from which nobody without the key can go back.

The pseudonym is a keyed hash (HMAC-SHA256, RFC 2104) of the source's identifier: the same person from the same
source is the same subject, and the record holds no name, birth date or hospital number.
"""

from base64 import b32encode
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from hmac import new as hmac

from cytoloop.core.entry import Recorded
from cytoloop.core.facts.clinic import ClinicalObservationRecorded, ConsentSigned, SubjectEnrolled
from cytoloop.core.time import Instant

LOINC = "http://loinc.org"
BODY_WEIGHT = "29463-7"
"""LOINC code of body weight."""
PSEUDONYM_LENGTH = 10
"""Characters of base32: 50 bits, so that 10 000 subjects collide with a chance below 1 in 20 million."""
MINIMUM_KEY = 16
"""Bytes of key below which a pseudonym could be guessed back."""


def pseudonym(identifier: str, key: bytes) -> str:
    """ "S-" and ten base32 characters for the source's `identifier` (with its system); ValueError for a short key."""
    # "subject:" keeps it apart from every other keyed hash of the same identifier.
    return f"S-{keyed_hash(f'subject:{identifier}', key)[:PSEUDONYM_LENGTH]}"


def keyed_hash(text: str, key: bytes) -> str:
    """A keyed hash of `text` in base32, 52 characters: a reference that means nothing without the key."""
    if len(key) < MINIMUM_KEY:
        raise ValueError(f"a pseudonym key has at least {MINIMUM_KEY} bytes, this one has {len(key)}")
    return b32encode(hmac(key, text.encode(), sha256).digest()).decode().rstrip("=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A subject and what is known of them."""

    enrolled: SubjectEnrolled
    enrolled_at: Instant
    weight: float | None
    """kg, the newest measured; None when nobody measured it."""
    consented_at: Instant | None = None
    observations: tuple[ClinicalObservationRecorded, ...] = ()


def subject(entries: Iterable[Recorded]) -> Subject | None:
    """The subject of a stream; None before enrolment."""
    found: Subject | None = None
    weighed_at: Instant | None = None
    for recorded in entries:
        fact, at = recorded.fact, recorded.entry.happened_at
        match fact:
            case SubjectEnrolled():
                found = Subject(enrolled=fact, enrolled_at=at, weight=fact.weight)
            case ConsentSigned() if found:
                found = replace(found, consented_at=at)
            case ClinicalObservationRecorded() if found:
                found = replace(found, observations=(*found.observations, fact))
                measured = weight_in(fact)
                if measured is not None and (weighed_at is None or at >= weighed_at):
                    found, weighed_at = replace(found, weight=measured), at
    return found


def weight_in(observation: ClinicalObservationRecorded) -> float | None:
    """The body weight in kg that the observation holds; None when it is about something else."""
    is_weight = observation.system == LOINC and observation.code == BODY_WEIGHT and observation.unit == "kg"
    return observation.value if is_weight and isinstance(observation.value, float) else None
