"""Equipment in the app: what the runner and the person's door ask, and acts that people sign."""

from pathlib import Path

import pytest
from tests.staff import Staff, again, founded, typed_batch

from cytoloop.adapters.clocks import ScaledClock
from cytoloop.app import equipment_acts as acts
from cytoloop.app.audit import asked as audit
from cytoloop.app.equipment import UNVERIFIED, Fitness, fit, qualified, unit_named, units, unverified
from cytoloop.app.equipment_acts import Asked, sign_entry, until_named
from cytoloop.app.production import read_batch
from cytoloop.app.telling import tell
from cytoloop.app.views import Shelf
from cytoloop.app.views_audit import audit_rows
from cytoloop.core.device import DeviceType
from cytoloop.core.entry import Draft, Recorded
from cytoloop.core.equipment import Command
from cytoloop.core.errors import ConflictError, RefusedError, UserError
from cytoloop.core.facts.equipment import EquipmentRegistered
from cytoloop.core.facts.production import StepStarted
from cytoloop.core.time import after, instant
from cytoloop.core.words import Words
from cytoloop.production.runner import Runner
from cytoloop.testing.doors import CountingDoor

REACTOR = "bioreactor-01"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Staff:
    made = founded(tmp_path_factory.mktemp("house"))
    made.enrolled("op.zhou", "operator")
    made.enrolled("qa.two", "qa")
    typed_batch(made.ledger, finished=False)
    return made


@pytest.fixture
def staff(house: Staff, tmp_path: Path) -> Staff:
    return again(house, tmp_path)


def registering(staff: Staff, *needs: str, equipment: str = REACTOR) -> Asked:
    return acts.registration(
        staff.ledger, equipment, equipment_class="", device_type="perfusion_bioreactor", serial="SN-7", door="",
        needs=needs,
    )  # fmt: skip


def sign(staff: Staff, user: str, asked: Asked) -> Recorded:
    return sign_entry(staff.people, staff.signer(user), asked)


def program(target: str = REACTOR) -> Command:
    return Command(key="B-1/x#1", target=target, verb="program", arguments={"program": "seed"})


def asked_of_runner(staff: Staff, command: Command) -> str | None:
    return fit(staff.ledger, read_batch(staff.ledger, "B-1"), command, staff.clock.now())


def test_a_unit_is_gated_from_its_registration_on_until_it_is_fit(staff: Staff) -> None:
    assert asked_of_runner(staff, program()) is None
    sign(staff, "qa.two", registering(staff, "calibration", "cleaning-between-batches", "qualification"))
    later = after(staff.clock.now(), 24 * 30)
    assert "no calibration" in str(asked_of_runner(staff, program()))
    now = staff.clock.now()
    sign(staff, "qa.two", acts.calibration(staff.ledger, REACTOR, certificate="C-1", valid_until=later, now=now))
    assert "no cleaning" in str(asked_of_runner(staff, program()))
    sign(staff, "op.zhou", acts.cleaning(staff.ledger, REACTOR, procedure="SOP-9", valid_until=None, now=now))
    assert "nobody is qualified" in str(asked_of_runner(staff, program()))
    asked = acts.qualification(staff.people, "op.zhou", "bioreactor", evidence="T-1", valid_until=later, now=now)
    sign(staff, "qa.two", asked)
    assert asked_of_runner(staff, program()) is None
    sign(staff, "op.zhou", acts.taking_out(staff.ledger, REACTOR, "the pump leaks"))
    assert "out of service" in str(asked_of_runner(staff, program()))
    reading = Command(key="k", target=REACTOR, verb="read", arguments={"signals": ["ph"]})
    assert asked_of_runner(staff, reading) is None, "a reading touches nothing"
    assert asked_of_runner(staff, program("bioreactor-02")) is None, "nobody registered it"
    adding = Command(key="k", target="person:operator", verb="add", arguments={"material": "vector", "to": REACTOR})
    assert "out of service" in str(asked_of_runner(staff, adding)), "a person adds to it"
    sign(staff, "qa.two", acts.returning(staff.ledger, REACTOR, "new pump"))
    assert asked_of_runner(staff, program()) is None


def test_what_another_batch_used_meanwhile_is_seen_by_who_asked_before(staff: Staff) -> None:
    sign(staff, "qa.two", registering(staff, "cleaning-between-batches"))
    now = staff.clock.now()
    sign(staff, "op.zhou", acts.cleaning(staff.ledger, REACTOR, procedure="SOP-9", valid_until=None, now=now))
    fitness, batch = Fitness(staff.ledger), read_batch(staff.ledger, "B-1")
    assert fitness.fit(batch, program(), now) is None
    started = StepStarted(step="a", attempt=1, key="B-7/a#1", target=REACTOR, verb="set", arguments={})
    draft = Draft(fact=started, actor="system:runner", happened_at=after(now, 1.0))
    staff.ledger.append("batch/B-7", [draft], expected=0)
    why = fitness.why("B-1", program(), after(now, 2.0))
    assert why is not None
    assert "used for batch B-7" in why.en
    assert "用于批次 B-7" in why.zh


async def test_the_runner_blocks_the_step_and_starts_it_once_the_unit_is_fit(staff: Staff) -> None:
    """The hook in the runner: nothing is commanded while the unit is out of service."""
    batch = read_batch(staff.ledger, "B-1")
    for unit in set(batch.created.equipment.values()):
        sign(staff, "qa.two", _plain_unit(staff, unit))
        sign(staff, "op.zhou", acts.taking_out(staff.ledger, unit, "shut down"))
    clock = ScaledClock(staff.clock.now(), factor=2.0)
    door = CountingDoor(clock=clock, coi=batch.created.coi)
    runner = Runner(ledger=staff.ledger, door=door, clock=clock, fit=Fitness(staff.ledger).fit, patience=0.1)
    left = await runner.carry(batch)
    assert not left.ended
    names = [each.entry.name for each in staff.ledger.stream("batch/B-1")]
    assert "step-blocked/1" in names
    assert all(key.startswith("B-1/receipt") for key in door.effects), "only what people do at no unit was asked"
    for unit in set(batch.created.equipment.values()):
        sign(staff, "qa.two", acts.returning(staff.ledger, unit, "looked at"))
    await runner.carry(read_batch(staff.ledger, "B-1"))
    assert not all(key.startswith("B-1/receipt") for key in door.effects), "it goes on"


def _plain_unit(staff: Staff, unit: str) -> Asked:
    return acts.registration(
        staff.ledger, unit, equipment_class=unit.rpartition("-")[0], device_type="", serial="", door="", needs=()
    )


def test_an_unverified_driver_is_said_loudly_in_the_register(staff: Staff) -> None:
    fact = sign(staff, "qa.two", registering(staff)).fact
    assert isinstance(fact, EquipmentRegistered)
    assert fact.unverified == UNVERIFIED
    assert fact.equipment_class == "bioreactor"
    met = DeviceType(
        device_type="x", words=Words(en="x", zh="x"), equipment_class="x", met="serial 7, bench of the house, 2026-05"
    )
    assert unverified(met) == ""


def test_who_may_not_is_refused_and_nothing_is_written(staff: Staff) -> None:
    with pytest.raises(RefusedError, match="may not register-equipment"):
        sign(staff, "op.zhou", registering(staff))
    assert staff.ledger.position(f"equipment/{REACTOR}") == 0
    assert staff.refusals()[-1].act == "register-equipment"
    later = after(staff.clock.now(), 24.0)
    asked = acts.qualification(
        staff.people, "qa.two", "bioreactor", evidence="T", valid_until=later, now=staff.clock.now()
    )
    with pytest.raises(RefusedError, match="own account or qualification"):
        sign(staff, "qa.two", asked)
    assert sign(staff, "qa.founder", asked).entry.stream == "qualification/qa.two"


def test_what_was_shown_is_good_once(staff: Staff) -> None:
    asked = registering(staff)
    sign(staff, "qa.two", asked)
    with pytest.raises(ConflictError):
        sign(staff, "qa.two", asked)


def test_the_signature_stands_over_what_was_shown(staff: Staff) -> None:
    asked = registering(staff, "calibration")
    fact = sign(staff, "qa.two", asked).fact
    assert isinstance(fact, EquipmentRegistered)
    assert fact.signature.digest == asked.digest
    assert asked.shown["needs"] == ["calibration"]
    assert asked.shown["stream"] == f"equipment/{REACTOR}"


def test_what_cannot_be_is_said_before_anybody_signs(staff: Staff) -> None:
    now = staff.clock.now()
    ledger = staff.ledger

    def register(**changed: str | tuple[str, ...]) -> Asked:
        usual = {"equipment_class": "", "device_type": "", "serial": "", "door": "", "needs": ()}
        return acts.registration(ledger, "u-1", **{**usual, **changed})  # type: ignore[arg-type]

    for wrong, said in (
        (register, "an id and an equipment class"),
        (lambda: register(device_type="toaster"), "there is no device type 'toaster'"),
        (lambda: register(device_type="incubator", equipment_class="bioreactor"), "stands for the class incubator"),
        (lambda: register(device_type="incubator", needs=("love",)), "'love' is nothing that equipment can need"),
        (lambda: acts.calibration(ledger, "u-1", certificate="C", valid_until=now, now=now), "u-1 is not registered"),
        (lambda: acts.returning(ledger, "u-1", "why"), "u-1 is not registered"),
        (
            lambda: acts.qualification(staff.people, "no.body", "x", evidence="T", valid_until=now, now=now),
            "nobody has the user id 'no.body'",
        ),
        (lambda: acts.withdrawal(staff.people, "op.zhou", "x", "why"), "op.zhou has no qualification for 'x'"),
        (lambda: until_named("soon", "UTC"), "'soon' is no day"),
        (lambda: until_named("2026-06-01T08:00:00", "UTC"), "no offset"),
        (lambda: unit_named(ledger, "u-1", now), "u-1 is not registered"),
    ):
        with pytest.raises(UserError, match=said):
            wrong()
    sign(staff, "qa.two", registering(staff))
    for wrong, said in (
        (lambda: acts.returning(ledger, REACTOR, "why"), "is in service"),
        (lambda: acts.taking_out(ledger, REACTOR, "  "), "the reason must not be empty"),
        (lambda: acts.calibration(ledger, REACTOR, certificate="C", valid_until=now, now=now), "has passed"),
        (
            lambda: acts.cleaning(ledger, REACTOR, procedure="", valid_until=None, now=now),
            "procedure must not be empty",
        ),
    ):
        with pytest.raises(UserError, match=said):
            wrong()
    sign(staff, "op.zhou", acts.taking_out(ledger, REACTOR, "leak"))
    with pytest.raises(UserError, match="out of service already"):
        acts.taking_out(ledger, REACTOR, "again")


def test_a_day_lasts_to_its_end_where_the_site_is() -> None:
    assert until_named("2026-12-31", "Asia/Shanghai") == instant("2027-01-01T00:00:00+08:00")
    assert until_named("2026-12-31T12:00:00+00:00", "Asia/Shanghai") == instant("2026-12-31T12:00:00Z")


def test_a_persons_qualification_is_asked_where_they_answer(staff: Staff) -> None:
    now = staff.clock.now()
    assert qualified(staff.ledger, "op.zhou", "bioreactor", now) is None
    sign(staff, "qa.two", registering(staff, "qualification"))
    assert "op.zhou is not qualified for bioreactor" in str(qualified(staff.ledger, "op.zhou", "bioreactor", now))
    asked = acts.qualification(
        staff.people, "op.zhou", "bioreactor", evidence="T-1", valid_until=after(now, 48.0), now=now
    )
    sign(staff, "qa.two", asked)
    assert qualified(staff.ledger, "op.zhou", "bioreactor", now) is None
    assert "ran out" in str(qualified(staff.ledger, "op.zhou", "bioreactor", after(now, 49.0)))
    sign(staff, "qa.two", acts.withdrawal(staff.people, "op.zhou", "bioreactor", "was away for a year"))
    assert "is not qualified" in str(qualified(staff.ledger, "op.zhou", "bioreactor", now))


def test_every_fact_is_told_in_both_languages_and_the_register_lists_the_unit(staff: Staff) -> None:
    now, later = staff.clock.now(), after(staff.clock.now(), 24 * 30)
    sign(staff, "qa.two", registering(staff, "calibration", "cleaning"))
    sign(staff, "qa.two", acts.calibration(staff.ledger, REACTOR, certificate="C-1", valid_until=later, now=now))
    sign(staff, "op.zhou", acts.cleaning(staff.ledger, REACTOR, procedure="SOP-9", valid_until=later, now=now))
    sign(staff, "op.zhou", acts.taking_out(staff.ledger, REACTOR, "leak"))
    sign(staff, "qa.two", acts.returning(staff.ledger, REACTOR, "mended"))
    unit, why, log = unit_named(staff.ledger, REACTOR, now)
    assert (unit.registered.serial, why) == ("SN-7", None)
    told = [tell(each.fact) for each in log]
    assert [REACTOR in words.en and REACTOR in words.zh for words in told] == [True] * 5
    assert "its driver is unverified" in told[0].en
    assert "valid until" in told[2].en
    ((listed, reason),) = units(Fitness(staff.ledger).register(), after(later, 1.0))
    assert listed == unit
    assert reason is not None
    assert "calibration of bioreactor-01 ran out" in reason.en


def test_the_audit_trail_says_what_changed_and_why(staff: Staff) -> None:
    sign(staff, "qa.two", registering(staff))
    sign(staff, "qa.two", registering(staff, "calibration"))
    sign(staff, "op.zhou", acts.taking_out(staff.ledger, REACTOR, "leak"))
    sign(staff, "qa.two", acts.returning(staff.ledger, REACTOR, "mended"))
    rows = list(audit_rows(Shelf(staff.ledger), audit.Asked(stream=f"equipment/{REACTOR}", descending=False)))
    changes = [[(each.what, each.old, each.new) for each in row.changes] for row in rows]
    assert changes == [
        [],
        [("needs", "", "calibration")],
        [(REACTOR, "in-service", "out-of-service")],
        [(REACTOR, "out-of-service", "in-service")],
    ]
    assert [row.reason for row in rows] == ["", "", "leak", "mended"]
