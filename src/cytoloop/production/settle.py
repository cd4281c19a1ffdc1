"""Settle: what an outcome leaves in the record, and what a person's decision does. Pure."""

from collections.abc import Callable
from typing import Literal, cast, get_args

from cytoloop.core.batch import Batch, StepRecord
from cytoloop.core.entry import Draft, Fact
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.errors import RefusedError
from cytoloop.core.facts.production import BatchAborted, StepCompleted, StepFailed, StepResolved
from cytoloop.core.facts.quality import Decision, DeviationClosed
from cytoloop.core.json import JSON
from cytoloop.core.signature import Signature
from cytoloop.core.time import Instant
from cytoloop.production.signed import signed_by
from cytoloop.production.steps import facts_of
from cytoloop.production.walk import Planned, safe_steps

DECISION = "deviation/"
"""Prefix of the step in which a person decides on a deviation."""

May = Callable[[Literal["close-deviation", "resolve-step"], Signature], None]
"""Asks the table of rights whether a signature is good for an act; RefusedError when it is not."""


def settle(batch: Batch, planned: Planned, outcome: Outcome, *, recovered: bool = False) -> list[Draft]:
    """The drafts that end the step `planned` with `outcome`."""
    facts, failure = facts_of(batch, planned, outcome)
    attempt = batch.steps[planned.step].attempt
    end: Fact
    if failure is None:
        values = _kept_values(outcome)
        end = StepCompleted(step=planned.step, attempt=attempt, values=values, recovered=recovered)
    else:
        end = StepFailed(step=planned.step, attempt=attempt, reason=failure, values=outcome.values)
    return _drafts((end, *facts), outcome.by, outcome.at)


def anybody(act: Literal["close-deviation", "resolve-step"], signature: Signature) -> None:
    """Takes every signature that was made in the role asked: for a runner with no table of rights."""


def settle_decision(
    batch: Batch, step: StepRecord, outcome: Outcome, *, recovered: bool = False, may: May = anybody
) -> list[Draft]:
    """The drafts that a person's decision on a deviation leaves; RefusedError when it is not signed as shown.

    A batch that is terminated is aborted at once when no unit needs to be brought into a safe state.
    """
    _demand_answer(outcome)
    deviation = step.step.removeprefix(DECISION)
    decision, reason = _decision(deviation, outcome.values.get("decision")), str(outcome.values.get("reason") or "")
    signature = signed_by(step.target, outcome, step.arguments)
    may("close-deviation", signature)
    facts: list[Fact] = [
        StepCompleted(step=step.step, attempt=step.attempt, values={"decision": decision}, recovered=recovered),
        DeviationClosed(deviation=deviation, decision=decision, reason=reason, signature=signature),
    ]
    if decision == "terminate" and not any(safe_steps(batch)) and batch.underway == (step,):
        facts.append(BatchAborted(deviation=deviation, reason=reason))
    return _drafts(tuple(facts), f"person:{signature.signer}", outcome.at)


def settle_doubt(step: StepRecord, asked: Command, outcome: Outcome, *, may: May = anybody) -> list[Draft]:
    """The draft that a person's word on a step in doubt leaves; RefusedError when it is not signed as `asked`."""
    _demand_answer(outcome)
    signature = signed_by(asked.target, outcome, asked.arguments)
    may("resolve-step", signature)
    done = outcome.values.get("decision") == "done"
    fact = StepResolved(
        step=step.step,
        attempt=step.attempt,
        resolution="done" if done else "not-done",
        reason=str(outcome.values.get("reason") or ""),
        signature=signature,
    )
    return _drafts((fact,), f"person:{signature.signer}", outcome.at)


def _demand_answer(outcome: Outcome) -> None:
    if not outcome.ok:
        raise RefusedError(outcome.note or f"{outcome.by} gave no answer; ask again")


def _decision(deviation: str, given: JSON) -> Decision:
    for decision in get_args(Decision):
        if given == decision:
            return cast(Decision, decision)
    raise RefusedError(f"deviation {deviation}: {given!r} is no decision; choose one of {get_args(Decision)}")


def _kept_values(outcome: Outcome) -> dict[str, JSON]:
    """Results have entries of their own; the rest stays with the step."""
    return {name: value for name, value in outcome.values.items() if name != "results"}


def _drafts(facts: tuple[Fact, ...], actor: str, at: Instant) -> list[Draft]:
    return [Draft(fact=fact, actor=actor, happened_at=at) for fact in facts]
