"""Signatures the app takes: over exactly what was shown, by a role that may, by somebody who did not take part."""

import pytest

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.memory import MemoryStore
from cytoloop.app.acts import REFUSALS
from cytoloop.app.demo import START
from cytoloop.app.learning import Learner
from cytoloop.app.packs import read_pack
from cytoloop.app.production import in_force
from cytoloop.app.proposing import Proposer, approve_version
from cytoloop.app.quality import dispose
from cytoloop.app.registrar import Registrar
from cytoloop.app.signing import ask_signature
from cytoloop.compliance.view import StudyView
from cytoloop.core.batch import Batch
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.errors import RefusedError
from cytoloop.core.facts.feedback import ParameterMove, ProposalDrafted
from cytoloop.core.facts.people import ActRefused
from cytoloop.core.facts.production import BatchCreated, RecipeApproved
from cytoloop.core.json import JSON
from cytoloop.core.master import MasterRecipe
from cytoloop.core.signature import answered
from cytoloop.feedback.twin import Twin
from cytoloop.production.recipe_text import from_content
from cytoloop.record.ledger import Ledger


class Signer:
    """A door behind which one person signs whatever is shown."""

    def __init__(self, role: str, user: str = "x.y", digest: str | None = None, decision: str = "no") -> None:
        self.role, self.user, self.digest, self.decision = role, user, digest, decision

    async def perform(self, command: Command) -> Outcome:
        signature: JSON = {
            "signer": self.user, "printed_name": "X Y", "role": self.role,
            "meaning": command.arguments["meaning"], "signed_at": START.isoformat(), "zone": "UTC",
            "digest": self.digest or self._bound(command), "components": ["user-id", "password"],
        }  # fmt: skip
        values: dict[str, JSON] = {"signature": signature, "decision": self.decision}
        return Outcome(key=command.key, ok=True, at=START, by=f"person:{self.user}", values=values)

    def _bound(self, command: Command) -> str:
        shown = str(command.arguments["digest"])
        return answered(shown, self.decision, "") if command.verb == "decide" else shown

    async def recall(self, key: str) -> Outcome | None:
        return None


@pytest.fixture(scope="module")
def master() -> MasterRecipe:
    return read_pack("car_t_cd19").master


@pytest.fixture
def registrar() -> Registrar:
    clock = SimulatedClock(START)
    return Registrar(Ledger(MemoryStore(), clock), clock)


def refusals(registrar: Registrar) -> list[ActRefused]:
    facts = [each.fact for each in registrar.ledger.stream(REFUSALS)]
    return [fact for fact in facts if isinstance(fact, ActRefused)]


def finished_batch(master: MasterRecipe) -> Batch:
    created = BatchCreated(
        batch="B-1", order="O-1", subject="S-1", study="ST", coi="COI", product="car_t_cd19", line="fixed",
        recipe="car_t_cd19", recipe_version=1, recipe_sha256="0" * 64, weight=70.0, equipment={},
    )  # fmt: skip
    return Batch(
        number="B-1", created=created, created_at=START, master=master, position=5, parameters={},
        people=frozenset({"op.zhou"}), finished_at=START,
    )  # fmt: skip


async def test_a_disposition_is_taken_from_the_qualified_person(master: MasterRecipe, registrar: Registrar) -> None:
    seen, draft = await dispose(registrar, finished_batch(master), Signer("qualified_person"), ())
    assert seen.obstacles, "a batch without results has obstacles"
    assert draft.actor == "person:x.y"


@pytest.mark.parametrize("role", ["operator", "qa", "principal_investigator"])
async def test_nobody_else_signs_a_disposition_and_the_refusal_is_an_entry(
    master: MasterRecipe, registrar: Registrar, role: str
) -> None:
    with pytest.raises(RefusedError, match="may not dispose"):
        await dispose(registrar, finished_batch(master), Signer(role), ())
    (refusal,) = refusals(registrar)
    assert (refusal.act, refusal.subject, refusal.user, refusal.roles) == ("dispose", "batch/B-1", "x.y", (role,))


async def test_nobody_signs_the_disposition_of_a_batch_they_worked_on(
    master: MasterRecipe, registrar: Registrar
) -> None:
    with pytest.raises(RefusedError, match="took part in this batch"):
        await dispose(registrar, finished_batch(master), Signer("qualified_person", user="op.zhou"), ())
    (refusal,) = refusals(registrar)
    assert (refusal.user, refusal.reason) == (
        "op.zhou",
        "op.zhou took part in this batch and may not dispose; ask somebody else",
    )


async def test_a_disposition_signed_over_something_else_is_refused_and_the_refusal_is_an_entry(
    master: MasterRecipe, registrar: Registrar
) -> None:
    with pytest.raises(RefusedError, match="signed something else"):
        await dispose(registrar, finished_batch(master), Signer("qualified_person", digest="0" * 64), ())
    (refusal,) = refusals(registrar)
    assert (refusal.act, refusal.subject) == ("dispose", "batch/B-1")


async def test_a_signature_over_something_else_is_refused() -> None:
    with pytest.raises(RefusedError, match="signed something else"):
        await ask_signature(
            Signer("qa", digest="0" * 64), key="k", role="qa", meaning="approved", what="test", shown={"a": 1}
        )


async def test_an_answer_that_was_not_offered_is_refused() -> None:
    with pytest.raises(RefusedError, match="is none of yes, maybe"):
        await ask_signature(
            Signer("qa", decision="no"), key="k", role="qa", meaning="approved", what="test", shown={},
            options=("yes", "maybe"),
        )  # fmt: skip


@pytest.mark.parametrize("role", ["qa", "operator", "principal_investigator"])
async def test_only_the_qualified_person_approves_a_recipe(
    master: MasterRecipe, registrar: Registrar, role: str
) -> None:
    with pytest.raises(RefusedError, match="may not approve-recipe"):
        await approve_version(registrar, Signer(role), "fixed", master, None)
    assert registrar.ledger.streams() == [REFUSALS]
    assert [(each.act, each.subject) for each in refusals(registrar)] == [("approve-recipe", "recipe/fixed/car_t_cd19")]


async def test_only_quality_releases_a_twin(registrar: Registrar) -> None:
    twin = Twin.from_data(dict(read_pack("car_t_cd19").twin))
    learner = Learner(registrar, Signer("operator"), "closed_loop", twin, 1)
    with pytest.raises(RefusedError, match="may not release-model"):
        await learner.release(twin, "tested")
    assert [each.act for each in refusals(registrar)] == ["release-model"]


async def test_an_approved_recipe_can_be_read_back_whole(master: MasterRecipe, registrar: Registrar) -> None:
    await approve_version(registrar, Signer("qualified_person"), "fixed", master, None)
    (recorded,) = registrar.ledger.stream("recipe/fixed/car_t_cd19")
    assert isinstance(recorded.fact, RecipeApproved)
    assert from_content(recorded.fact.content) == master


def drafted() -> ProposalDrafted:
    moves = (ParameterMove(parameter="transduction.moi", old=3.0, new=3.5, unit="TU/cell"),)
    return ProposalDrafted(
        proposal="PROP-1", recipe="car_t_cd19", from_version=1, moves=moves, twin="t@0", batches=("B-1",),
        predicted={}, risk="none known", gate_row=9, filing="inside the filed ranges",
    )  # fmt: skip


async def carried(registrar: Registrar, door: Signer) -> None:
    def unknown(key: str) -> Twin:
        raise AssertionError(key)

    proposer = Proposer(registrar=registrar, door=door, line="closed_loop", knows=unknown)
    study = StudyView(study="ST", pathway="newtech", filed_scope="ranges")
    await proposer.carry(drafted(), None, proposer.ground("car_t_cd19"), study)


@pytest.mark.parametrize(
    ("role", "decision", "left"),
    [
        ("qualified_person", "no", ["change-signed/1", "recipe-approved/1"]),
        ("qualified_person", "yes", ["proposal-declined/1"]),
        ("qualified_person", "decline", ["proposal-declined/1"]),
    ],
    ids=["not substantive: it is a change", "substantive: reviews come first", "declined"],
)
async def test_a_proposal_changes_nothing_unless_it_is_signed(
    master: MasterRecipe, registrar: Registrar, role: str, decision: str, left: list[str]
) -> None:
    await approve_version(registrar, Signer("qualified_person"), "closed_loop", master, None)
    await carried(registrar, Signer(role, decision=decision))
    entries = list(registrar.ledger.stream("recipe/closed_loop/car_t_cd19"))
    assert [each.entry.name for each in entries] == ["recipe-approved/1", "proposal-drafted/1", "gate-judged/1", *left]
    if isinstance(entries[-1].fact, RecipeApproved):
        approved = from_content(entries[-1].fact.content).recipe
        moved = approved.parameters()["transduction.moi"]
        assert (approved.version, moved.target) == (2, 3.5)
        assert moved.nor == pytest.approx((3.2, 3.8))


async def test_a_change_is_not_signed_by_a_role_that_may_not(master: MasterRecipe, registrar: Registrar) -> None:
    await approve_version(registrar, Signer("qualified_person"), "closed_loop", master, None)
    with pytest.raises(RefusedError, match="may not sign-change"):
        await carried(registrar, Signer("operator"))
    assert in_force(registrar.ledger, "closed_loop", "car_t_cd19").version == 1
    assert [each.act for each in refusals(registrar)] == ["sign-change"]
