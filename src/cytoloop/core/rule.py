"""Rule and finding: law as a named, cited, pure function of a view of the record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from cytoloop.core.json import JSON


class Verdict(StrEnum):
    """What a rule can say. Missing data is never PASS; open-ended law is NEEDS_HUMAN, never a guess."""

    PASS = "PASS"
    FAIL = "FAIL"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"
    NEEDS_HUMAN = "NEEDS_HUMAN"


Severity = Literal["S1", "S2", "S3", "S4"]
"""S1 blocks the act, S2 must be closed before the next gate, S3 alerts, S4 informs."""

Status = Literal["in_force", "draft", "guideline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """Where a rule comes from."""

    locus: str
    """ "CN-SC818:14", "US-21CFR:11.10(e)"."""
    duty: str
    """The duty in our own words."""
    duty_zh: str
    """The same in Chinese."""
    status: Status
    severity: Severity
    text_sha256: str
    """SHA-256 of the article's line in the text that the rule was written against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule found."""

    clause: Clause
    verdict: Verdict
    reason: str
    """One sentence: what was read and why it leads to the verdict."""
    evidence: Mapping[str, JSON] = field(default_factory=dict, hash=False)

    @property
    def blocks(self) -> bool:
        """Whether the act that asked must not go on: a severity-1 rule in force that did not pass."""
        passed = self.verdict in (Verdict.PASS, Verdict.NOT_APPLICABLE)
        return self.clause.severity == "S1" and self.clause.status == "in_force" and not passed
