"""Account: what a suggestion rests on, said plainly."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cytoloop.feedback.optimise.guard import LET_GO
from cytoloop.feedback.optimise.history import Observation
from cytoloop.feedback.optimise.model import Model
from cytoloop.feedback.optimise.objectives import Objectives
from cytoloop.feedback.optimise.prior import Spread
from cytoloop.feedback.optimise.space import Space

FEW = 3
"""Experiments with a value below which nothing is known of any factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What the last suggestion rests on. `str()` gives the sentences."""

    rests_on: str
    """"design", "prior" or "model"; empty before the first suggestion."""
    prior: Mapping[str, float] = field(hash=False)
    """Objective -> weight of the prior, 0 to 1; what is left is the weight of the surrogate alone."""
    let_go: tuple[str, ...]
    """Objectives whose prior the guard let go, because the experiments speak against it."""
    noise: Mapping[str, float] = field(hash=False)
    """Objective -> standard deviation of one observation, as estimated, in the objective's units."""
    experiments: int
    earlier: int
    failed: int
    never_varied: tuple[str, ...]
    sentences: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.sentences)


def account(
    space: Space,
    objectives: Objectives,
    observations: Sequence[Observation],
    model: Model,
    *,
    spreads: Sequence[Spread | None],
    how: str,
) -> Account:
    """The account of a model and of how its last suggestion was chosen."""
    own = [each for each in observations if not each.campaign]
    valued = [each for each in observations if each.values]
    never = tuple(n for n in space.names if len(valued) >= FEW and len({o.parameters[n] for o in valued}) == 1)
    usable = {b.name: s for b, s in zip(model.beliefs, spreads, strict=True) if s is not None and s.usable}
    prior = {belief.name: belief.trust for belief in model.beliefs}
    let_go = tuple(name for name in usable if prior[name] < LET_GO)
    failed = sum(each.failed for each in observations)
    noise = {b.name: b.hypotheses[0].scale * b.hypotheses[0].fitted.noise for b in model.beliefs if len(valued) >= FEW}
    sentences = [
        _opening(how, len(valued), len(observations) - len(own)),
        *_of_prior(objectives, prior, usable, spreads, let_go),
        *_of_factors(space, never),
        *([f"{failed} experiments failed; their neighbourhood is avoided."] if failed else []),
        *_of_limits(objectives, model),
        "Every suggestion keeps to the proven acceptable ranges" + (" and the totals." if len(space.rows) else "."),
    ]
    return Account(
        rests_on=how,
        prior=prior,
        let_go=let_go,
        noise=noise,
        experiments=len(own),
        earlier=len(observations) - len(own),
        failed=failed,
        never_varied=never,
        sentences=tuple(sentences),
    )


def _opening(how: str, valued: int, earlier: int) -> str:
    rests = {
        "design": "The suggestion is a point of the first design, which fills the space; no model stands behind it.",
        "prior": "The suggestion is the best that the prior knows; no experiment stands behind it.",
        "model": f"The suggestion rests on {valued} experiments with values, {earlier} of earlier campaigns.",
    }.get(how, "Nothing was suggested yet.")
    few = f" {valued} experiments are too few to tell the effect of any factor." if 0 < valued < FEW else ""
    return rests + few


def _of_prior(
    objectives: Objectives,
    prior: Mapping[str, float],
    usable: Mapping[str, Spread],
    spreads: Sequence[Spread | None],
    let_go: tuple[str, ...],
) -> list[str]:
    out = []
    for name, spread in zip(objectives.names, spreads, strict=True):
        if spread is None:
            continue
        if name not in usable:
            out.append(f"The prior of {name} is not used: {spread.why_not}.")
        elif name in let_go:
            out.append(f"The prior of {name} was let go: the experiments speak against it.")
        else:
            out.append(f"The prior of {name} has weight {prior[name]:.2f}, the surrogate alone {1 - prior[name]:.2f}.")
    return out


def _of_factors(space: Space, never: tuple[str, ...]) -> list[str]:
    constant = [f"Factor {name} is constant: its range is one value." for name in space.constants]
    return constant + [
        f"Factor {name} never varied; its effect is not known from experiments."
        for name in never
        if name not in space.constants
    ]


def _of_limits(objectives: Objectives, model: Model) -> list[str]:
    if not objectives.limits or not len(model.tried):
        return []
    good = int((model.within_at(model.look(model.tried)) >= -0.6931471805599453).sum())
    return [f"{good} of {len(model.tried)} experiments probably keep every limit ({', '.join(objectives.limits)})."]
