"""Facts of stage 3b: findings of rules of law, verdicts of the change gate."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from cytoloop.core.json import JSON
from cytoloop.core.rule import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRecorded:
    """A rule of law was read against the record before an act."""

    NAME: ClassVar[str] = "finding-recorded/1"
    locus: str
    text_sha256: str
    verdict: Verdict
    severity: str
    reason: str
    act: str
    """The act that asked, "collection of order O-0001"."""
    evidence: Mapping[str, JSON] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateJudged:
    """The change gate judged a move or a change (DESIGN: what may change a validated process)."""

    NAME: ClassVar[str] = "gate-judged/1"
    row: int
    answer: Literal["apply", "refuse", "ask-a-person", "open-a-change", "trend"]
    subject: str
    """What was judged: a proposal's id or a parameter move in one sentence."""
    reason: str


FACTS = (FindingRecorded, GateJudged)
