"""P1: proposals made up at random, none of which may run unsafely. P2: what becomes of claims, true and false.

The peer of P2 is the usual test of two groups (Mann & Whitney 1947; scipy) at the same level, looked at after every
batch as a line would: what looking costs where a test does not allow for it.
"""

from collections.abc import Callable
from time import perf_counter

import numpy as np
from scipy.stats import mannwhitneyu

from cytoloop.app.packs import read_pack
from cytoloop.bench.claim_fuzz import fuzzed
from cytoloop.bench.frame import Goal, Options, Row, row
from cytoloop.core.facts.claim import ClaimedAttribute, ClaimRule
from cytoloop.core.facts.feedback import Interval
from cytoloop.feedback.proposal.claim import TEST, Tried, standing
from cytoloop.feedback.proposal.claim_draft import ERROR_KEPT, ERROR_REFUTED, MOST_BATCHES, ODDS

REFERENCES = 6
"""Batches of the version before."""
SPREAD = 0.35
"""Standard deviation of a dose's logarithm between donors."""
FAILS = 0.05
"""Share of batches that fail and give no result."""
CLAIMED = 0.4
"""Logarithm of the ratio that is claimed; true claims hold twice as much."""

History = list[Tried]


def rows(options: Options) -> list[Row]:
    """P1 and P2."""
    return [*_fuzz(options), *_claims(options)]


def _fuzz(options: Options) -> list[Row]:
    cases = 2_000 if options.quick else 1_000_000
    options.tick(f"{cases:,} proposals made up at random")
    master = read_pack("car_t_cd19").master
    began = perf_counter()
    ran, wrong = fuzzed(master, cases, options.seed)
    seconds = perf_counter() - began
    what = f"of {cases:,} fuzzed proposals ({ran:,} ran), those that ran unapproved or outside their ranges"
    return [
        row("P1", what, [float(len(wrong))], "", goal=Goal(bound=0, better="less")),
        row("P1 speed", "fuzzed proposals judged a second, oracle included, one process", [cases / seconds], "/s"),
    ]


def _claims(options: Options) -> list[Row]:
    runs = 40 if options.quick else 1000
    options.tick(f"{runs} changes of each kind, tested batch by batch")
    generator = np.random.default_rng([options.seed, 62])
    kinds = {name: _histories(generator, runs, shift) for name, shift in _KINDS.items()}
    ours = {name: [_sequential(history) for history in histories] for name, histories in kinds.items()}
    theirs = {name: [_peeked(history) for history in histories] for name, histories in kinds.items()}
    rows_: list[Row] = []
    for name, wanted, bound, better in _SHARES:
        share, peer = _share(ours[name], wanted), _share(theirs[name], wanted)
        goal = Goal(bound=bound, better="less") if better == "less" else None
        what = f"{_WORDS[name]}: share {wanted}, {REFERENCES} batches before, at most {MOST_BATCHES} after"
        rows_.append(
            row(
                f"P2 {name} {wanted}", what, [share], "", goal=goal, better="more" if better == "more" else "less",
                peer="Mann-Whitney after every batch", peer_values=[] if wanted == "undecided" else [peer],
            )
        )  # fmt: skip
    needed = [count for verdict, count in ours["true"] if verdict == "kept"]
    rows_.append(row("P2 batches", "batches of the new version until a true claim is kept", needed, ""))
    return rows_


_KINDS = {"true": 2 * CLAIMED, "none": 0.0, "harmful": -2 * CLAIMED}
_WORDS = {
    "true": "the improvement is twice the one claimed",
    "none": "there is no improvement",
    "harmful": "the change does harm",
}
_SHARES = (
    ("true", "kept", 0.0, "more"), ("true", "refuted", ERROR_REFUTED, "less"), ("true", "undecided", 0.0, ""),
    ("none", "kept", ERROR_KEPT, "less"), ("none", "refuted", 0.0, "more"), ("none", "undecided", 0.0, ""),
    ("harmful", "kept", ERROR_KEPT, "less"), ("harmful", "refuted", 0.0, "more"),
)  # fmt: skip


def _histories(generator: np.random.Generator, runs: int, shift: float) -> list[History]:
    found = []
    for _ in range(runs):
        doses = np.exp(6.0 + SPREAD * generator.standard_normal(REFERENCES + MOST_BATCHES))
        doses[REFERENCES:] *= np.exp(shift)
        failed = generator.random(len(doses)) < FAILS
        found.append([_tried(n, None if failed[n] else float(doses[n])) for n in range(len(doses))])
    return found


def _tried(number: int, dose: float | None) -> Tried:
    arm = "before" if number < REFERENCES else "after"
    return Tried(batch=f"B-{number}", arm="after" if arm == "after" else "before", results={"dose": dose})


_RULE = ClaimRule(
    test=TEST, line="bench", recipe="bench", from_version=1, to_version=2,
    claimed=ClaimedAttribute(
        attribute="dose", unit="1e6 cells", better="more", scale="log", effect=CLAIMED,
        predicted=Interval(median=0.0, low=0.0, high=0.0, unit="1e6 cells"),
    ),
    guarded=(), odds=ODDS, error_kept=ERROR_KEPT, error_refuted=ERROR_REFUTED, most_batches=MOST_BATCHES,
    references=(), twin="", expected_from=0.0, power={},
)  # fmt: skip


def _sequential(history: History) -> tuple[str, int]:
    """The rule's verdict and after how many batches of the new version."""
    for count in range(1, MOST_BATCHES + 1):
        stands = standing(_RULE, history[: REFERENCES + count])
        if stands.verdict is not None:
            return stands.verdict, count
    return "undecided", MOST_BATCHES


def _peeked(history: History) -> tuple[str, int]:
    """The same question to a test for one look, asked after every batch."""
    values = [np.log(each.results["dose"] or 1e-9) for each in history]
    before = values[:REFERENCES]
    for count in range(2, MOST_BATCHES + 1):
        after = values[REFERENCES : REFERENCES + count]
        if _rejects(before, [value - CLAIMED for value in after], "less", ERROR_REFUTED):
            return "refuted", count
        if _rejects(before, after, "greater", ERROR_KEPT):
            return "kept", count
    return "undecided", MOST_BATCHES


def _rejects(before: list[float], after: list[float], way: str, level: float) -> bool:
    test: Callable[..., tuple[float, float]] = mannwhitneyu
    return bool(test(after, before, alternative=way)[1] <= level)


def _share(found: list[tuple[str, int]], wanted: str) -> float:
    return sum(verdict == wanted for verdict, _ in found) / len(found)
