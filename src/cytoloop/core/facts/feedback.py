"""Facts of stage 4: twin, forecast, proposal, change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from cytoloop.core.signature import Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinFitted:
    """A twin was fitted to finished batches; this version is frozen."""

    NAME: ClassVar[str] = "twin-fitted/1"
    twin: str
    version: int
    sha256: str
    """Of everything that decides what this twin says: the figures below and the pack's fixed ones."""
    population: Mapping[str, tuple[float, float]] = field(hash=False)
    """Parameter -> mean and standard deviation between donors, on the twin's own (log) scale."""
    batches: tuple[str, ...] = ()
    error: float | None = None
    """Mean relative error of the final viable cell count, batches left out in turn; None with too few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinReleased:
    """A person released a frozen twin version for batches that start afterwards (a computerised-system change)."""

    NAME: ClassVar[str] = "twin-released/1"
    twin: str
    version: int
    sha256: str
    ground: str
    """On what evidence, in one sentence."""
    signature: Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A predicted quantity with its 90 % interval."""

    median: float
    low: float
    high: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastMade:
    """What the twin expects of a running batch."""

    NAME: ClassVar[str] = "forecast-made/1"
    twin: str
    elapsed: float
    """Hours since the culture began."""
    harvest_at: float
    """Hours since the culture began at which harvest is expected as parameters stand."""
    quantities: Mapping[str, Interval] = field(hash=False)
    """Attribute at harvest -> interval."""
    in_specification: float
    """Probability, 0 to 1, that every forecast attribute is in specification at harvest."""
    curve_hours: tuple[float, ...] = ()
    curve_low: tuple[float, ...] = ()
    curve_median: tuple[float, ...] = ()
    curve_high: tuple[float, ...] = ()
    """Viable cell density (1e6 cells/mL) expected at `curve_hours`: 90 % interval and median."""
    chances: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Attribute -> probability, 0 to 1, that it alone is in specification at harvest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterMove:
    """A target that a proposal wants to change."""

    parameter: str
    old: float
    new: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """One batch that a proposal rests on, as it was read."""

    batch: str
    recipe_version: int
    entries: int
    """Entries of the batch's stream that were read, from position 0."""
    sha256: str
    """Over the canonical documents of these entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalDrafted:
    """The optimiser's draft. It changes nothing until a person signs a change."""

    NAME: ClassVar[str] = "proposal-drafted/1"
    proposal: str
    recipe: str
    from_version: int
    moves: tuple[ParameterMove, ...]
    twin: str
    batches: tuple[str, ...]
    """Batches the evidence comes from."""
    predicted: Mapping[str, Interval] = field(hash=False)
    """Predicted change of each attribute against the version in force, with its 90 % interval."""
    risk: str
    gate_row: int
    filing: str
    """What the change means for the filing, in one sentence."""
    risk_zh: str = ""
    filing_zh: str = ""
    chance_before: float | None = None
    """Probability in specification on the version in force, 0 to 1; None when it was not computed."""
    chance_after: float | None = None
    expected_before: Mapping[str, tuple[float, ...]] = field(default_factory=dict, hash=False)
    """Attribute -> 5, 25, 50, 75 and 95 % quantiles over donors on the version in force."""
    expected_after: Mapping[str, tuple[float, ...]] = field(default_factory=dict, hash=False)
    lineage: tuple[Lineage, ...] = ()
    undoes: str = ""
    """The refuted claim whose change this proposal rolls back; empty for one that improves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSigned:
    """A person signed the proposal: it is a change."""

    NAME: ClassVar[str] = "change-signed/1"
    change: str
    proposal: str
    recipe: str
    to_version: int
    substantive: bool
    """The signer's answer to "does this touch purpose, methods, primary endpoint, statistics, subjects?"."""
    signature: Signature
    reason: str = ""
    """What the signer said to it: with what was shown, it is what the signature is over."""
    claim_sha256: str = ""
    """Digest of the claim's rule that was shown and signed; empty when the change claims nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalDeclined:
    """A person declined the proposal, or it may not be made."""

    NAME: ClassVar[str] = "proposal-declined/1"
    proposal: str
    reason: str


FACTS = (TwinFitted, TwinReleased, ForecastMade, ProposalDrafted, ChangeSigned, ProposalDeclined)
