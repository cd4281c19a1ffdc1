"""A planner has a batch created; whoever creates batches at once, no unit is allotted twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest
from tests.staff import CODEC, Staff, again, founded, pack

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.sqlite import open_store
from cytoloop.app.allotting import ToCreate, allot, allotments, batch_to_create, sign_creation
from cytoloop.app.production import SHARED, read_batch
from cytoloop.app.registrar import Registrar
from cytoloop.core.entry import Draft, Fact
from cytoloop.core.errors import RefusedError, UserError
from cytoloop.core.facts.clinic import MaterialCollected, OrderPlaced
from cytoloop.core.facts.production import BatchFinished
from cytoloop.record.ledger import Ledger
from cytoloop.testing.builders import START, approved, signature

REACTORS = 12


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Staff:
    staff = founded(tmp_path_factory.mktemp("staff"))
    staff.enrolled("pl.xu", "planner")
    staff.enrolled("op.zhou", "operator")
    return staff


@pytest.fixture
def staff(crew: Staff, tmp_path: Path) -> Staff:
    own = again(crew, tmp_path)
    ordered(own.ledger, "O-1", "O-2")
    return own


def ordered(ledger: Ledger, *orders: str) -> None:
    """Orders whose material was collected, on a line with the pack's recipe in force."""
    if ledger.position("recipe/fixed/car_t_cd19") == 0:
        say(ledger, "recipe/fixed/car_t_cd19", approved(pack().master, line="fixed"))
    for order in orders:
        placed = OrderPlaced(order=order, subject="S-1", study="ST-1", product="car_t_cd19", weight=70.0)
        say(ledger, f"order/{order}", placed, MaterialCollected(order=order, coi=f"COI-{order}", collection_site="x"))


def say(ledger: Ledger, stream: str, *facts: Fact) -> None:
    drafts = [Draft(fact=fact, actor="system:test", happened_at=START) for fact in facts]
    ledger.append(stream, drafts, expected=ledger.position(stream))


def test_a_planner_has_a_batch_created_with_equipment_of_its_own(staff: Staff) -> None:
    seen = batch_to_create(staff.ledger, "O-1", "fixed", None, None)
    assert (seen.number, seen.shown["coi"]) == ("B-O-1", "COI-O-1")
    batch = sign_creation(staff.people, staff.signer("pl.xu"), seen)
    (allotted,) = allotments(staff.ledger, pack().plant.plant)
    assert read_batch(staff.ledger, "B-O-1") == batch
    assert dict(batch.created.equipment) == dict(allotted.equipment)
    assert (allotted.signature.signer, allotted.signature.digest) == ("pl.xu", seen.digest)


def test_who_has_no_right_is_refused_and_gets_no_equipment(staff: Staff) -> None:
    seen = batch_to_create(staff.ledger, "O-1", "fixed", None, None)
    with pytest.raises(RefusedError, match="may not create-batch"):
        sign_creation(staff.people, staff.signer("op.zhou"), seen)
    assert allotments(staff.ledger, pack().plant.plant) == []
    assert staff.refusals()[-1].act == "create-batch"


@pytest.mark.parametrize(
    ("order", "line", "number", "said"),
    [
        ("O-9", "fixed", None, "there is no order O-9"),
        ("O-1", "other", None, "line other has no recipe"),
    ],
)
def test_what_is_not_there_is_named(staff: Staff, order: str, line: str, number: str | None, said: str) -> None:
    with pytest.raises(UserError, match=said):
        batch_to_create(staff.ledger, order, line, None, number)


def test_an_order_whose_material_was_not_collected_is_named(staff: Staff) -> None:
    say(staff.ledger, "order/O-3", OrderPlaced(order="O-3", subject="S-1", study="T", product="p", weight=70.0))
    with pytest.raises(UserError, match="no material was collected for order O-3"):
        batch_to_create(staff.ledger, "O-3", "fixed", None, None)


def test_an_order_has_one_batch_unless_another_is_named(staff: Staff) -> None:
    sign_creation(staff.people, staff.signer("pl.xu"), batch_to_create(staff.ledger, "O-1", "fixed", None, None))
    with pytest.raises(UserError, match="has its batch B-O-1 already"):
        batch_to_create(staff.ledger, "O-1", "fixed", None, None)
    with pytest.raises(UserError, match="there is a batch B-O-1 already"):
        batch_to_create(staff.ledger, "O-2", "fixed", None, "B-O-1")
    again_ = batch_to_create(staff.ledger, "O-1", "fixed", "car_t_cd19", "B-O-1-again")
    assert sign_creation(staff.people, staff.signer("pl.xu"), again_).number == "B-O-1-again"


def test_a_crash_between_allotment_and_batch_is_healed_by_asking_again(staff: Staff) -> None:
    seen = batch_to_create(staff.ledger, "O-1", "fixed", None, None)
    allotted = allot(staff.people.registrar, seen, signature(signer="pl.xu", role="planner"))
    batch = sign_creation(
        staff.people, staff.signer("pl.xu"), batch_to_create(staff.ledger, "O-1", "fixed", None, None)
    )
    assert dict(batch.created.equipment) == dict(allotted.equipment)
    assert len(allotments(staff.ledger, pack().plant.plant)) == 1


def test_a_plant_that_is_full_says_so_and_a_batch_that_ended_makes_room(staff: Staff) -> None:
    plant = replace(
        pack().plant,
        classes=tuple(replace(each, count=1) if each.equipment_class == "bioreactor" else each
                      for each in pack().plant.classes),
    )  # fmt: skip
    first, second = (
        replace(batch_to_create(staff.ledger, order, "fixed", None, None), plant=plant) for order in ("O-1", "O-2")
    )
    sign_creation(staff.people, staff.signer("pl.xu"), first)
    with pytest.raises(UserError, match=r"no equipment of .* is free: bioreactor-01 \(B-O-1\)"):
        sign_creation(staff.people, staff.signer("pl.xu"), second)
    say(staff.ledger, "batch/B-O-1", BatchFinished())
    batch = sign_creation(staff.people, staff.signer("pl.xu"), second)
    assert batch.created.equipment["bioreactor"] == "bioreactor-01"


@contextmanager
def ledgers(path: Path, count: int) -> Iterator[list[Ledger]]:
    """As many processes as wanted on one record."""
    stores = [open_store(path, create=True) for _ in range(count)]
    try:
        yield [Ledger(store, SimulatedClock(START), CODEC) for store in stores]
    finally:
        for store in stores:
            store.close()


def to_create(ledger: Ledger, number: int) -> ToCreate:
    return batch_to_create(ledger, f"O-{number}", "fixed", None, None)


def test_planners_on_several_hosts_at_once_never_get_one_unit_twice(tmp_path: Path) -> None:
    hosts = 4
    with closing(open_store(tmp_path / "record.db", create=True)) as store:
        ordered(Ledger(store, SimulatedClock(START), CODEC), *(f"O-{number}" for number in range(REACTORS)))
    with ledgers(tmp_path / "record.db", hosts) as desks, ThreadPoolExecutor(hosts) as threads:
        together = Barrier(hosts)

        def plan(host: int) -> None:
            together.wait()
            for number in range(host, REACTORS, hosts):
                seen = to_create(desks[host], number)
                allot(Registrar(desks[host], SimulatedClock(START)), seen, signature())

        for each in [threads.submit(plan, host) for host in range(hosts)]:
            each.result()
        found = allotments(desks[0], pack().plant.plant)
    own = [unit for each in found for kind, unit in each.equipment.items() if kind not in SHARED]
    assert len(found) == REACTORS
    assert len(own) == len(set(own)) == REACTORS
