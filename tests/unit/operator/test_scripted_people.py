"""Scripted people answer inside limits, decide as their policy says, sign what is shown, and take their time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytoloop.adapters.operator.scripted import Choice, Person, ScriptedPeople, first_option
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.errors import RefusedError
from cytoloop.core.json import JSON
from cytoloop.core.signature import Meaning, Password, Proof, Signature
from cytoloop.core.signature import answered as signature_over
from cytoloop.core.time import Instant, after, instant

MORNING = instant("2026-06-01T08:00:00Z")


class Jumping:
    """A clock that is always where it is awaited."""

    def __init__(self, start: Instant) -> None:
        self._now = start

    def now(self) -> Instant:
        return self._now

    async def until(self, when: Instant) -> None:
        self._now = max(self._now, when)


class Signing:
    """Knows one secret."""

    def sign(self, *, signer: str, proof: Proof, role: str, meaning: Meaning, digest: str, at: Instant) -> Signature:
        if proof != Password(secret="right"):
            raise RefusedError(f"{signer}: the components do not match")
        return Signature(
            signer=signer, printed_name="Q. A.", role=role, meaning=meaning, signed_at=at, zone="UTC", digest=digest,
            components=("user-id", "password"),
        )  # fmt: skip


def people(secret: str = "right", slip: float = 0.0, seed: int = 0) -> ScriptedPeople:
    return ScriptedPeople(
        clock=Jumping(MORNING),
        signing=Signing(),
        people={"operator": Person(user="o.1", secret=secret), "qa": Person(user="q.1", secret=secret)},
        scanner=lambda command: f"code of {command.arguments['label']}",
        policy=lambda command: Choice(decision="terminate", reason="looks bad"),
        seed=seed,
        slip=slip,
    )


def asking(low: float | None, high: float | None, key: str = "B/ask#1") -> Command:
    answers: list[JSON] = [{"name": "temperature", "unit": "°C", "low": low, "high": high}]
    return Command(key=key, target="person:operator", verb="ask", arguments={"answers": answers})


async def answered(site: ScriptedPeople, command: Command) -> float:
    value = (await site.perform(command)).values["temperature"]
    assert isinstance(value, float)
    return value


def deciding(**arguments: JSON) -> Command:
    given: dict[str, JSON] = {"digest": "d" * 64, "meaning": "reviewed", "options": ["continue"], **arguments}
    return Command(key="B/decide#1", target="person:qa", verb="decide", arguments=given)


@given(low=st.floats(-50, 50), width=st.floats(0, 30), seed=st.integers(0, 1000))
async def test_answers_are_inside_their_limits(low: float, width: float, seed: int) -> None:
    value = await answered(people(seed=seed), asking(low, low + width))
    assert low <= value <= low + width


@pytest.mark.parametrize(("low", "high"), [(None, None), (3.0, None), (None, 5.0), (None, -5.0)])
async def test_an_open_limit_is_no_obstacle(low: float | None, high: float | None) -> None:
    value = await answered(people(), asking(low, high))
    assert low is None or value >= low
    assert high is None or value <= high


async def test_the_same_seed_gives_the_same_answers() -> None:
    first, again, other = [await answered(people(seed=seed), asking(0.0, 9.0)) for seed in (1, 1, 2)]
    assert first == again
    assert first != other


async def test_a_slip_is_outside_the_limits() -> None:
    assert await answered(people(slip=1.0), asking(2.0, 8.0)) > 8.0
    assert await answered(people(slip=1.0), asking(2.0, None)) < 2.0


async def test_a_scan_reads_what_the_scanner_reads() -> None:
    scan = Command(key="B/scan#1", target="person:operator", verb="scan", arguments={"label": "final_bag"})
    outcome = await people().perform(scan)
    assert outcome.values == {"code": "code of final_bag"}
    assert outcome.by == "person:o.1"


async def test_a_decision_is_the_policys_and_signs_what_was_shown_with_the_answer() -> None:
    outcome = await people().perform(deciding())
    assert outcome.at == after(MORNING, 4.0)
    assert (outcome.values["decision"], outcome.values["reason"]) == ("terminate", "looks bad")
    signature = outcome.values["signature"]
    assert isinstance(signature, dict)
    assert signature["digest"] == signature_over("d" * 64, "terminate", "looks bad")
    assert signature["meaning"] == "reviewed"
    assert signature["signed_at"] == outcome.at.isoformat()


async def test_a_signature_takes_eight_hours() -> None:
    sign = Command(key="B/sign#1", target="person:qa", verb="sign", arguments={"digest": "e", "meaning": "released"})
    outcome = await people().perform(sign)
    assert outcome.at == after(MORNING, 8.0)
    assert set(outcome.values) == {"signature"}


async def test_a_wrong_secret_signs_nothing() -> None:
    outcome: Outcome = await people(secret="wrong").perform(deciding())
    assert not outcome.ok
    assert "do not match" in outcome.note
    assert outcome.values == {}


async def test_a_person_is_no_machine() -> None:
    outcome = await people().perform(Command(key="B/p#1", target="person:qa", verb="program"))
    assert not outcome.ok
    assert "cannot program" in outcome.note


@pytest.mark.parametrize(
    ("kind", "options", "decision"),
    [
        ("step-failed", ["continue", "repeat", "terminate"], "repeat"),
        ("out-of-specification", ["continue", "repeat", "terminate"], "continue"),
        ("step-failed", ["continue", "terminate"], "continue"),
        (None, ["done", "not-done"], "done"),
    ],
)
def test_the_usual_policy(kind: str | None, options: list[JSON], decision: str) -> None:
    assert first_option(deciding(kind=kind, options=options)).decision == decision


def test_a_secret_is_never_printed() -> None:
    assert "right" not in repr(Person(user="o.1", secret="right"))
