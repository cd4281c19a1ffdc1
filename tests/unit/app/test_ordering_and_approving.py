"""Orders on a batch and approvals of recipe versions: shown, signed by who may, entered; refusals are entries."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.staff import Staff, again, founded, pack, typed_batch

from cytoloop.app.approving import approve_signed, sign_approval, to_approve
from cytoloop.app.ordering import enter, sign_order, to_order
from cytoloop.app.production import in_force, read_batch, recipe_stream
from cytoloop.core.errors import RefusedError, UserError
from cytoloop.core.facts.production import AbortOrdered, HoldLifted, HoldOrdered, RecipeApproved
from cytoloop.core.master import MasterRecipe
from cytoloop.core.signature import Meaning
from cytoloop.core.time import Instant
from cytoloop.production.recipe_text import content_sha256

LINE = "main"
RUNNING = "B-2"
"""A batch of the house whose production is not over."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Staff:
    """A batch B-1 in production, an operator, a qualified person, a clinician."""
    made = founded(tmp_path_factory.mktemp("house"))
    made.enrolled("op.zhou", "operator")
    made.enrolled("qp.lin", "qualified_person")
    made.enrolled("dr.who", "clinician")
    typed_batch(made.ledger)
    typed_batch(made.ledger, RUNNING, finished=False)
    return made


@pytest.fixture
def staff(house: Staff, tmp_path: Path) -> Staff:
    return again(house, tmp_path)


# -- orders ---------------------------------------------------------------------------------------


def test_a_hold_is_ordered_by_an_operator_and_lifted_by_quality(staff: Staff) -> None:
    number = RUNNING
    held = sign_order(staff.people, staff.signer("op.zhou"), to_order(staff.ledger, number, "hold", "leak"))
    assert isinstance(held.fact, HoldOrdered)
    assert held.entry.actor == "person:op.zhou"
    assert read_batch(staff.ledger, number).on_hold is not None
    lifted = sign_order(staff.people, staff.signer("qa.founder"), to_order(staff.ledger, number, "resume", "mended"))
    assert isinstance(lifted.fact, HoldLifted)
    assert read_batch(staff.ledger, number).on_hold is None


def test_an_operator_may_not_lift_a_hold_and_the_refusal_is_an_entry(staff: Staff) -> None:
    number = RUNNING
    sign_order(staff.people, staff.signer("op.zhou"), to_order(staff.ledger, number, "hold", "leak"))
    before = len(staff.refusals())
    with pytest.raises(RefusedError, match="may not lift-hold"):
        sign_order(staff.people, staff.signer("op.zhou"), to_order(staff.ledger, number, "resume", "mended"))
    assert len(staff.refusals()) == before + 1
    assert read_batch(staff.ledger, number).on_hold is not None


def test_an_abort_is_ordered_once_and_nothing_else_after_it(staff: Staff) -> None:
    number = RUNNING
    entered = sign_order(
        staff.people, staff.signer("qa.founder"), to_order(staff.ledger, number, "abort", "no patient")
    )
    assert isinstance(entered.fact, AbortOrdered)
    for order in ("abort", "hold"):
        with pytest.raises(RefusedError, match="is being aborted already"):
            to_order(staff.ledger, number, order, "again")


@pytest.mark.parametrize(
    ("order", "reason", "said"),
    [("stop", "x", "is no order"), ("hold", "  ", "needs a reason"), ("resume", "x", "is not on hold")],
)
def test_an_order_that_makes_no_sense_is_refused_in_one_sentence(
    staff: Staff, order: str, reason: str, said: str
) -> None:
    with pytest.raises((UserError, RefusedError), match=said):
        to_order(staff.ledger, RUNNING, order, reason)


def test_an_order_stands_behind_what_came_while_it_was_signed(staff: Staff) -> None:
    number = RUNNING
    seen = to_order(staff.ledger, number, "hold", "leak")
    signature = staff.people.sign_for(
        "hold-batch", staff.signer("op.zhou"), meaning="approved", shown=seen.shown, subject=f"batch/{number}"
    )
    other = sign_order(staff.people, staff.signer("qa.founder"), to_order(staff.ledger, number, "hold", "first"))
    assert enter(staff.people.registrar, seen, signature).entry.position > other.entry.position


def test_a_signature_over_another_order_is_none(staff: Staff) -> None:
    number = RUNNING
    seen = to_order(staff.ledger, number, "hold", "leak")
    signature = staff.people.sign_for(
        "hold-batch", staff.signer("op.zhou"), meaning="approved", shown=seen.shown, subject=f"batch/{number}"
    )
    with pytest.raises(RefusedError, match="signed something else"):
        enter(staff.people.registrar, replace(seen, reason="another"), signature)


# -- approvals ------------------------------------------------------------------------------------


def version(number: int, il2: float = 100.0) -> MasterRecipe:
    """The pack's master recipe as another version, with another IL-2 target."""
    master = pack().master
    units = []
    for unit in master.recipe.procedure:
        operations = []
        for operation in unit.operations:
            il2_there = operation.parameters.get("il2")
            parameters = dict(operation.parameters)
            if il2_there is not None and operation.operation == "expansion":
                parameters["il2"] = replace(il2_there, target=il2)
            operations.append(replace(operation, parameters=parameters))
        units.append(replace(unit, operations=tuple(operations)))
    return replace(master, recipe=replace(master.recipe, version=number, procedure=tuple(units)))


def approved(
    staff: Staff, master: MasterRecipe, *, change: str | None = None, at: Instant | None = None
) -> RecipeApproved:
    seen = to_approve(staff.ledger, LINE, master, now=staff.clock.now(), change=change, effective_from=at)
    return sign_approval(staff.people, staff.signer("qp.lin"), seen)


def test_a_version_is_signed_over_its_hash_and_is_in_force(staff: Staff) -> None:
    made = approved(staff, version(1))
    assert made.content_sha256 == content_sha256(version(1))
    assert in_force(staff.ledger, LINE, made.recipe, staff.clock.now()).version == 1


def test_a_later_version_shows_its_differences_and_names_its_change(staff: Staff) -> None:
    approved(staff, version(1))
    with pytest.raises(UserError, match="name the change"):
        approved(staff, version(2, il2=105.0))
    seen = to_approve(
        staff.ledger, LINE, version(2, il2=105.0), now=staff.clock.now(), change="CH-1", effective_from=None
    )
    assert "~ expansion.il2 target: 100 IU/mL -> 105 IU/mL" in seen.differences
    assert sign_approval(staff.people, staff.signer("qp.lin"), seen).change == "CH-1"


def test_a_version_comes_into_force_on_its_date_and_not_before(staff: Staff) -> None:
    recipe = approved(staff, version(1)).recipe
    later = staff.clock.now() + timedelta(days=7)
    approved(staff, version(2), change="CH-1", at=later)
    assert in_force(staff.ledger, LINE, recipe, staff.clock.now()).version == 1
    assert in_force(staff.ledger, LINE, recipe, later).version == 2


def test_before_the_first_date_no_version_is_in_force(staff: Staff) -> None:
    later = staff.clock.now() + timedelta(days=7)
    recipe = approved(staff, version(1), at=later).recipe
    with pytest.raises(UserError, match="no version of recipe car_t_cd19 is in force on line main before"):
        in_force(staff.ledger, LINE, recipe, staff.clock.now())


@pytest.mark.parametrize(
    ("number", "days", "said"), [(3, 1, "write version 2"), (2, -1, "is past: a recipe version comes into force")]
)
def test_a_version_out_of_turn_or_in_the_past_is_refused(staff: Staff, number: int, days: int, said: str) -> None:
    approved(staff, version(1))
    with pytest.raises(UserError, match=said):
        approved(staff, version(number), change="CH-1", at=staff.clock.now() + timedelta(days=days))


@pytest.mark.parametrize("user", ["op.zhou", "qa.founder", "dr.who"])
def test_only_a_qualified_person_approves(staff: Staff, user: str) -> None:
    seen = to_approve(staff.ledger, LINE, version(1), now=staff.clock.now(), change=None, effective_from=None)
    with pytest.raises(RefusedError, match="may not approve-recipe"):
        sign_approval(staff.people, staff.signer(user), seen)
    assert not list(staff.ledger.stream(recipe_stream(LINE, "car_t_cd19")))


@pytest.mark.parametrize("meaning", ["approved", "reviewed"])
def test_a_signature_over_another_version_or_meaning_is_none(staff: Staff, meaning: Meaning) -> None:
    seen = to_approve(staff.ledger, LINE, version(1), now=staff.clock.now(), change=None, effective_from=None)
    other = replace(seen, line="other") if meaning == "approved" else seen
    signature = staff.people.sign_for(
        "approve-recipe", staff.signer("qp.lin"), meaning=meaning, shown=other.shown, subject="recipe"
    )
    with pytest.raises(RefusedError, match="signed something else"):
        approve_signed(staff.people.registrar, seen, signature)
