"""Facts about the record itself: its keys, its telemetry, what was taken out of it and brought back."""

from dataclasses import dataclass
from typing import ClassVar

from cytoloop.core.signature import Signature
from cytoloop.core.time import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyIntroduced:
    """From here on checkpoints and bundles are signed with this key."""

    NAME: ClassVar[str] = "key-introduced/1"
    key: str
    """Verifier key as text, "<name>+<key id>+<base64>" (C2SP signed-note)."""
    algorithm: str
    """ "ed25519"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRetired:
    """The key signs no more. What it signed before stays good."""

    NAME: ClassVar[str] = "key-retired/1"
    key: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetrySealed:
    """Readings of a batch were closed as one segment beside the record; its hash stands here for good."""

    NAME: ClassVar[str] = "telemetry-sealed/1"
    segment: str
    """Name of the segment, "<batch>/<number>"."""
    batch: str
    format: str
    """Name and version of the segment's byte form, "cytoloop-segment/1"."""
    first: Instant
    last: Instant
    """Source times of the earliest and the latest reading in it."""
    readings: int
    tags: tuple[str, ...]
    """Names of the signals in it, "<equipment id>/<signal>", sorted."""
    sha256: str
    """Of the segment's bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleExported:
    """A batch was taken out as a bundle that anyone can verify."""

    NAME: ClassVar[str] = "bundle-exported/1"
    batch: str
    manifest_sha256: str
    tree_size: int
    """Entries under the checkpoint that the bundle stands on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupMade:
    """A copy of the record was made, proven and put away, perhaps while the record was in use."""

    NAME: ClassVar[str] = "backup-made/1"
    size: int
    """Entries in the copy; this entry is not among them, because it is true only once the copy is whole."""
    root: str
    """Tree head of the copy, hexadecimal."""
    sha256: str
    """Of the copy's file: a copy that is found years later can be told from any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRestored:
    """The record was brought back from a copy, and its tree head was proven."""

    NAME: ClassVar[str] = "record-restored/1"
    size: int
    root: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordUpgraded:
    """The store's schema was brought to a newer format. No entry was touched."""

    NAME: ClassVar[str] = "record-upgraded/1"
    from_format: int
    to_format: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStepped:
    """The machine's clock went back since the entry before: times near here need a second look."""

    NAME: ClassVar[str] = "clock-stepped/1"
    before: Instant
    """Recorded time of the entry before."""
    after: Instant
    """What the clock says now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityLookedUp:
    """Somebody looked up who a pseudonym is. Written before the identity is shown."""

    NAME: ClassVar[str] = "identity-looked-up/1"
    subject: str
    reason: str
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityErased:
    """Who a pseudonym is was erased at the person's wish or by law. The record keeps the pseudonym alone."""

    NAME: ClassVar[str] = "identity-erased/1"
    subject: str
    reason: str
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitiesRekeyed:
    """The identity map was encrypted again under a new key."""

    NAME: ClassVar[str] = "identities-rekeyed/1"
    identities: int
    reason: str
    signature: Signature


FACTS = (
    KeyIntroduced, KeyRetired, TelemetrySealed, BundleExported, BackupMade, RecordRestored, RecordUpgraded,
    ClockStepped, IdentityLookedUp, IdentityErased, IdentitiesRekeyed,
)  # fmt: skip
