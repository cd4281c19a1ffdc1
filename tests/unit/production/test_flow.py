"""How steps follow one another: branches, ways, rounds, waits, reworks, holds, aborts."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.flows import COI, SAFE, START, W, World, master

from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.facts.production import (
    AbortOrdered,
    BatchAborted,
    BatchCarried,
    DeadlineMissed,
    DecisionSigned,
    HoldLifted,
    HoldOrdered,
    LabelsPrinted,
    MaterialAdded,
    MaterialTransferred,
    StepBlocked,
    StepSigned,
    WayTaken,
)
from cytoloop.core.json import JSON
from cytoloop.core.recipe import (
    Answer,
    Branch,
    Calculation,
    Decision,
    Hold,
    Incubation,
    Instruction,
    Item,
    LabelPrint,
    MaterialAddition,
    Option,
    Parallel,
    Program,
    Ramp,
    Read,
    Repeat,
    Rework,
    Sample,
    Selection,
    Sign,
    Transfer,
    Wait,
    Way,
    Within,
)
from cytoloop.core.signature import Signature
from cytoloop.core.time import after, hours_between
from cytoloop.production.replay import replay
from cytoloop.testing.doors import CountingDoor, decided

RUN = Program(phase="run", words=W, program="run")
HOLD = Hold(phase="rest", words=W, duration="hours")
COUNT = Instruction(
    phase="count", words=W, answers=(Answer(name="viability", words=W, unit="fraction", low=0.0, high=1.0),)
)
SIGNATURE = Signature(
    signer="qa.1", printed_name="Quality One", role="qa", meaning="approved", signed_at=START, zone="Asia/Shanghai",
    digest="0" * 64, components=("user-id", "password"),
)  # fmt: skip


def answers(*values: float | str, name: str = "viability") -> Callable[[Command], dict[str, JSON]]:
    """Answers one value after the other, the last for ever."""
    left = list(values)
    return lambda _: {name: left.pop(0) if len(left) > 1 else left[0]}


def facts_of(world: World, kind: type) -> list[object]:
    return [each.fact for each in world.ledger.stream("batch/B-1") if isinstance(each.fact, kind)]


class Slow(CountingDoor):
    """Programs take hours, by the step's name."""

    hours: dict[str, float]

    async def perform(self, command: Command) -> Outcome:
        await self.clock.until(after(self.clock.now(), self.hours.get(command.key.rpartition("/")[2], 0.0)))
        return await CountingDoor.perform(self, command)


def slow(world: World, **hours: float) -> None:
    world.door = Slow(world.clock, COI)
    world.door.hours = {f"{name}#1": each for name, each in hours.items()}


# -- parallel branches --------------------


def both(*left: Item, right: tuple[Item, ...]) -> Parallel:
    return Parallel(
        parallel="both",
        words=W,
        branches=(Branch(branch="left", words=W, steps=left), Branch(branch="right", words=W, steps=right)),
    )


async def test_branches_run_at_the_same_time_and_what_follows_waits_for_all() -> None:
    long, short = replace(RUN, phase="long"), replace(RUN, phase="short")
    world = World(master(both(long, right=(short, HOLD)), replace(RUN, phase="end")))
    slow(world, long=10.0, short=1.0)
    batch = await world.carry()
    steps = batch.steps
    assert steps["work/both/left/long"].started_at == steps["work/both/right/short"].started_at == START
    assert steps["work/both/right/rest"].started_at == after(START, 1.0)
    assert steps["work/end"].started_at == after(START, 10.0)
    assert batch.finished_at is not None
    assert set(world.door.effects.values()) == {1}


async def test_a_crash_leaves_both_branches_in_doubt_and_each_is_read_back() -> None:
    world = World(master(both(replace(RUN, phase="a"), right=(replace(RUN, phase="b"),))))
    slow(world, a=5.0, b=7.0)
    door = world.door

    class Lost(Slow):
        async def perform(self, command: Command) -> Outcome:
            await CountingDoor.perform(door, command)
            raise RuntimeError("killed")

    world.door = Lost(world.clock, COI)
    world.door.hours = {}
    with pytest.raises(RuntimeError, match="killed"):
        await world.carry()
    assert {step.state for step in world.batch().underway} == {"running"}
    world.door = door
    batch = await world.carry()
    assert batch.finished_at is not None
    assert set(door.effects.values()) == {1}


async def test_an_open_deviation_stops_the_other_branch_at_its_next_step() -> None:
    world = World(master(both(replace(RUN, phase="fails"), right=(replace(RUN, phase="a"), replace(RUN, phase="b")))))
    slow(world, a=2.0)
    world.door.refuse["B-1/work/both/left/fails#1"] = "jammed"
    decision = "B-1/deviation/B-1-D0003#1"

    class Thinking(Slow):
        async def perform(self, command: Command) -> Outcome:
            if command.verb == "decide":
                await self.clock.until(after(self.clock.now(), 8.0))
            return await Slow.perform(self, command)

    thinking = Thinking(world.clock, COI, refuse=world.door.refuse)
    thinking.hours, world.door = {"a#1": 2.0}, thinking
    batch = await world.carry()
    assert decision in world.door.effects
    assert batch.steps["work/both/right/a"].ended_at == after(START, 2.0), "what is underway goes on"
    assert batch.steps["work/both/right/b"].started_at == after(START, 8.0), "nothing starts while it is open"


# -- selections and repeats --------------------


def selection(*ways: tuple[str, str]) -> Selection:
    listed = tuple(Way(way=way, words=W, when=when, steps=(replace(RUN, phase=way),)) for way, when in ways)
    return Selection(selection="which", words=W, ways=listed)


@pytest.mark.parametrize(("viability", "way"), [(0.9, "good"), (0.7, "fair"), (0.1, "otherwise_way")])
async def test_the_first_way_whose_condition_holds_is_taken_and_entered(viability: float, way: str) -> None:
    which = selection(
        ("good", 'value("work/count", "viability") >= 0.8'),
        ("fair", 'value("work/count", "viability") >= 0.6'),
        ("otherwise_way", "otherwise"),
    )
    world = World(master(COUNT, which))
    world.door.answers["B-1/work/count#1"] = answers(viability)
    batch = await world.carry()
    assert batch.finished_at is not None
    assert [key for key in world.door.effects if "/which/" in key] == [f"B-1/work/which/{way}/{way}#1"]
    (taken,) = facts_of(world, WayTaken)
    assert isinstance(taken, WayTaken)
    assert (taken.step, taken.way) == ("work/which", way)


async def test_a_way_that_was_taken_stays_taken_when_the_value_is_corrected_later() -> None:
    world = World(master(COUNT, selection(("good", 'value("work/count", "viability") >= 0.8'), ("rest", "otherwise"))))
    world.door.answers["B-1/work/count#1"] = answers(0.9)
    await world.carry()
    assert replay(list(world.ledger.stream("batch/B-1")), world.master).differs == ""


async def test_a_way_that_cannot_be_decided_asks_a_person_and_is_never_passed_over() -> None:
    world = World(master(selection(("good", 'result("viability") >= 0.8'), ("rest", "otherwise"))))
    shown: list[JSON] = []

    def decide(command: Command) -> dict[str, JSON]:
        shown.append(command.arguments["options"])
        return decided(command, "reviewed", world.clock, "terminate", "no result")

    world.door.answers["B-1/deviation/B-1-D0002#1"] = decide
    batch = await world.carry()
    assert shown == [["repeat", "terminate"]]
    assert batch.aborted is not None


async def test_a_repeat_goes_on_until_its_condition_holds() -> None:
    repeat = Repeat(
        repeat="wash", words=W, until='value("work/wash/count", "viability") >= 0.8', at_most=5, steps=(RUN, COUNT)
    )
    world = World(master(repeat, replace(RUN, phase="end")))
    for index, value in enumerate((0.5, 0.7, 0.9)):
        world.door.answers[f"B-1/work/wash[{index}]/count#1"] = answers(value)
    batch = await world.carry()
    assert batch.finished_at is not None
    assert [step for step in world.done() if step.endswith("count")] == [
        f"work/wash[{index}]/count" for index in range(3)
    ]
    assert list(batch.ways.values()) == ["again", "again", "enough"]


async def test_a_repeat_that_is_never_enough_ends_in_a_deviation() -> None:
    repeat = Repeat(
        repeat="wash", words=W, until='value("work/wash/count", "viability") >= 0.8', at_most=2, steps=(COUNT,)
    )
    world = World(master(repeat, replace(RUN, phase="end")))
    for index in range(2):
        world.door.answers[f"B-1/work/wash[{index}]/count#1"] = answers(0.1)
    batch = await world.carry()
    (deviation,) = batch.deviations.values()
    assert deviation.opened.fact.kind == "rounds-exhausted"
    assert world.done()[-1] == "work/end", "a person decided to go on"


# -- waits --------------------


async def test_a_step_that_starts_too_late_is_noted_at_the_moment_its_wait_ends() -> None:
    freeze = replace(RUN, phase="freeze", within=Within(hours=3.0, after="work/run"))
    world = World(master(RUN, HOLD, freeze))
    batch = await world.carry()
    (missed,) = facts_of(world, DeadlineMissed)
    assert missed == DeadlineMissed(step="work/freeze", deadline=after(START, 3.0))
    (deviation,) = batch.deviations.values()
    assert (deviation.opened.fact.kind, deviation.opened.happened_at) == ("late-start", after(START, 3.0))
    assert batch.finished_at is not None


async def test_a_step_in_time_is_not_late() -> None:
    freeze = replace(RUN, phase="freeze", within=Within(hours=6.5, after="work/run"))
    batch = await (world := World(master(RUN, HOLD, freeze))).carry()
    assert not batch.deviations
    assert not facts_of(world, DeadlineMissed)


async def test_a_wait_ends_when_its_condition_holds_in_another_branch() -> None:
    wait = Wait(phase="until_sampled", words=W, until='result("viability") > 0.5', at_most=20.0)
    world = World(master(both(wait, right=(HOLD, Sample(phase="take", words=W, plan="daily")))))
    world.door.answers["B-1/work/both/right/take#1"] = lambda _: {
        "results": {"viability": {"value": 0.9, "unit": "fraction", "method": "count"}}
    }
    batch = await world.carry()
    assert batch.steps["work/both/left/until_sampled"].ended_at == after(START, 6.0)


async def test_a_wait_that_is_in_vain_fails_after_its_most_hours() -> None:
    wait = Wait(phase="in_vain", words=W, until='result("viability") > 0.5', at_most=20.0)
    world = World(master(wait))
    batch = await world.carry()
    (deviation,) = batch.deviations.values()
    assert deviation.opened.happened_at == after(START, 20.0)
    assert "did not hold within 20 h" in deviation.opened.fact.what


# -- reworks --------------------


async def test_a_rework_is_done_before_the_failed_step_is_tried_again_and_only_so_often() -> None:
    rework = Rework(words=W, at_most=1, steps=(replace(RUN, phase="rinse"),))
    world = World(master(replace(RUN, rework="clean"), reworks={"clean": rework}))
    world.door.refuse = {"B-1/work/run#1": "clogged", "B-1/work/run#2": "clogged"}
    offered: list[JSON] = []

    def decide(command: Command) -> dict[str, JSON]:
        offered.append(command.arguments["options"])
        chosen = "rework" if len(offered) == 1 else "repeat"
        return decided(command, "reviewed", world.clock, chosen, "tested")

    world.door.answers = {f"B-1/deviation/B-1-D{n:04d}#1": decide for n in range(100)}
    batch = await world.carry()
    assert offered == [["continue", "repeat", "rework", "terminate"], ["continue", "repeat", "terminate"]]
    work = [key for key in world.door.effects if key.split("/")[1] == "work"]
    assert work == ["B-1/work/run#1", "B-1/work/run~clean[1]/rinse#1", "B-1/work/run#2", "B-1/work/run#3"]
    assert batch.finished_at is not None


# -- hold, resume, abort --------------------


async def test_a_hold_starts_nothing_more_until_it_is_lifted() -> None:
    world = World(master(RUN, HOLD, replace(RUN, phase="end")))
    world.say(HoldOrdered(reason="power works", signature=SIGNATURE))
    batch = await world.carry()
    assert (batch.ended, world.door.effects) == (False, {})
    world.say(HoldLifted(reason="done", signature=SIGNATURE))
    assert (await world.carry()).finished_at is not None


async def test_a_hold_that_comes_while_a_program_runs_lets_it_end() -> None:
    world = World(master(RUN, replace(RUN, phase="end")))
    slow(world, run=4.0)

    async def order() -> None:
        await world.clock.until(after(START, 1.0))
        world.say(HoldOrdered(reason="check", signature=SIGNATURE))

    await world.clock.together(world.runner.carry(world.batch()), order())
    batch = world.batch()
    assert world.done() == ["work/run"]
    assert batch.on_hold is not None
    assert not batch.ended


async def test_an_abort_brings_the_unit_into_its_safe_state_first() -> None:
    world = World(master(RUN, HOLD, replace(RUN, phase="never"), safe=SAFE))

    async def order() -> None:
        await world.clock.until(after(START, 2.0))
        world.say(AbortOrdered(reason="patient withdrew", signature=SIGNATURE))

    runner = replace(world.runner, look_every=0.5)
    await world.clock.together(runner.carry(world.batch()), order())
    assert list(world.door.effects) == ["B-1/work/run#1", "B-1/safe/make_safe/cool#1"]
    batch = world.batch()
    assert batch.aborted is not None
    assert batch.aborted.fact == BatchAborted(deviation="", reason="patient withdrew")
    assert batch.aborted.happened_at == after(START, 2.0)


async def test_a_terminated_batch_is_made_safe_too_and_a_safe_step_that_fails_is_told() -> None:
    world = World(master(RUN, replace(RUN, phase="never"), safe=SAFE))
    world.door.refuse = {"B-1/work/run#1": "jammed", "B-1/safe/make_safe/cool#1": "no coolant"}
    shown: list[JSON] = []

    def decide(command: Command) -> dict[str, JSON]:
        shown.append(command.arguments["options"])
        return decided(command, "reviewed", world.clock, "terminate" if len(shown) == 1 else "continue", "tested")

    world.door.answers = {f"B-1/deviation/B-1-D{n:04d}#1": decide for n in range(100)}
    batch = await world.carry()
    assert shown == [["continue", "repeat", "terminate"], ["continue"]]
    assert batch.aborted is not None
    assert not batch.open_deviations
    assert [deviation.opened.fact.step for deviation in batch.deviations.values()] == [
        "work/run",
        "safe/make_safe/cool",
    ]


async def test_a_unit_that_was_never_begun_on_needs_no_safe_state() -> None:
    world = World(master(RUN, safe=SAFE))
    world.say(AbortOrdered(reason="no order", signature=SIGNATURE))
    batch = await world.carry()
    assert batch.aborted is not None
    assert not world.door.effects


# -- fitness --------------------


async def test_a_step_whose_equipment_is_not_fit_waits_and_says_so_once() -> None:
    world = World(master(RUN))
    clean_at = after(START, 2.0)
    batch = await world.carry(
        fit=lambda _b, command, now: None if now >= clean_at else f"{command.target} is not clean"
    )
    assert facts_of(world, StepBlocked) == [StepBlocked(step="work/run", reason="bioreactor-01 is not clean")]
    assert batch.steps["work/run"].started_at == clean_at
    assert not batch.blocked


# -- what steps leave --------------------


async def test_an_incubation_sets_holds_and_reads() -> None:
    incubation = Incubation(
        phase="incubate", words=W, parameters=("temperature",), duration="hours", signals=("temperature",)
    )
    world = World(master(incubation))
    batch = await world.carry()
    assert world.done() == ["work/incubate/set", "work/incubate/hold", "work/incubate/read"]
    assert hours_between(START, batch.steps["work/incubate/read"].started_at) == pytest.approx(6.0)


async def test_a_ramp_moves_in_equal_steps_over_its_hours() -> None:
    ramp = Ramp(phase="warm", words=W, parameter="temperature", begin=33.0, over="long", moves=4)
    world = World(master(ramp))
    batch = await world.carry()
    set_to = [step.arguments["temperature"] for step in batch.steps.values()]
    started = [hours_between(START, step.started_at) for step in batch.steps.values()]
    assert set_to == pytest.approx([33.0, 34.0, 35.0, 36.0, 37.0])
    assert started == pytest.approx([0.0, 6.0, 12.0, 18.0, 24.0])


ADDITION = MaterialAddition(phase="add", words=W, material="vector", quantity="volume")


async def test_an_added_material_is_entered_with_lot_expiry_and_rest() -> None:
    world = World(master(ADDITION))
    batch = await world.carry()
    assert batch.finished_at is not None
    assert facts_of(world, MaterialAdded) == [
        MaterialAdded(
            step="work/add", material="vector", lot="LOT-1", expiry="2099-12-31", quantity=5.0, unit="mL", left=10.0
        )
    ]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"expiry": "2026-05-31"}, "expired on 2026-05-31"),
        ({"expiry": "soon"}, "no expiry date that can be read"),
        ({"material": "buffer"}, "lot LOT-1 is buffer, this step takes vector"),
        ({"quantity": 4.0}, "4 mL of vector were added, 5 mL were asked for"),
        ({"left": -1.0}, "did not hold 5 mL"),
        ({"lot": ""}, "no lot"),
    ],
)
async def test_a_lot_that_must_not_be_used_fails_the_step(wrong: dict[str, JSON], says: str) -> None:
    world = World(master(ADDITION))
    good: dict[str, JSON] = {
        "lot": "LOT-1",
        "material": "vector",
        "expiry": "2099-12-31",
        "quantity": 5.0,
        "left": 10.0,
    }
    world.door.answers["B-1/work/add#1"] = lambda _: {**good, **wrong}
    (deviation,) = (await world.carry()).deviations.values()
    assert says in deviation.opened.fact.what


@pytest.mark.parametrize(
    ("second", "says"), [("", "no second person"), ("operator.1", "confirmed their own answers"), ("other.1", None)]
)
async def test_a_verified_answer_needs_another_person(second: str, says: str | None) -> None:
    world = World(master(replace(COUNT, verified=True)))
    world.door.answers["B-1/work/count#1"] = lambda _: {"viability": 0.9, "verified_by": second}
    whats = [each.opened.fact.what for each in (await world.carry()).deviations.values()]
    assert (says is None and not whats) or (says is not None and says in whats[0])


@pytest.mark.parametrize(
    ("answer", "given", "says"),
    [
        (Answer(name="a", words=W, type="yes_no", expected=("yes",)), "no", "expected yes"),
        (Answer(name="a", words=W, type="yes_no", expected=("yes",)), "yes", None),
        (Answer(name="a", words=W, type="choice", choices=("clear", "turbid")), "green", "none of clear, turbid"),
        (Answer(name="a", words=W, type="text"), " ", "was not answered"),
        (Answer(name="a", words=W, type="text"), "as seen", None),
        (Answer(name="a", words=W), "7", "not answered with a number"),
    ],
)
async def test_answers_of_every_type_are_held_against_what_is_expected(
    answer: Answer, given: str, says: str | None
) -> None:
    world = World(master(replace(COUNT, answers=(answer,))))
    world.door.answers["B-1/work/count#1"] = lambda _: {"a": given}
    whats = [each.opened.fact.what for each in (await world.carry()).deviations.values()]
    assert (says is None and not whats) or (says is not None and says in whats[0])


async def test_a_transfer_scans_both_labels() -> None:
    world = World(master(move := Transfer(phase="move", words=W, to="qc_laboratory")))
    await world.carry()
    assert facts_of(world, MaterialTransferred) == [
        MaterialTransferred(step="work/move", source="bioreactor-01", destination="qc-laboratory-01")
    ]
    other = World(master(move))
    other.door.answers["B-1/work/move#1"] = lambda _: {"code": COI, "to_code": "COI-OTHER"}
    (deviation,) = (await other.carry()).deviations.values()
    assert deviation.opened.fact.kind == "identity-mismatch"


async def test_every_label_is_accounted_for() -> None:
    labels = LabelPrint(phase="print", words=W, label="final_bag", copies=2)
    await (world := World(master(labels))).carry()
    assert facts_of(world, LabelsPrinted) == [
        LabelsPrinted(step="work/print", label="final_bag", printed=2, used=2, destroyed=0)
    ]
    other = World(master(labels))
    other.door.answers["B-1/work/print#1"] = lambda _: {"code": COI, "printed": 3, "used": 2, "destroyed": 0}
    (deviation,) = (await other.carry()).deviations.values()
    assert "3 printed, 2 used of 2 asked for, 0 destroyed" in deviation.opened.fact.what


async def test_a_calculation_computes_with_units_and_is_held_against_its_range() -> None:
    rest = Calculation(phase="rest", words=W, value='parameter("work.volume") - quantity(1, "mL")', unit="mL", low=3.0)
    world = World(master(rest))
    assert (await world.carry()).steps["work/rest"].values["rest"] == pytest.approx(4.0)
    (deviation,) = (await World(master(replace(rest, low=4.5))).carry()).deviations.values()
    assert "rest is 4 mL, outside 4.5 to None mL" in deviation.opened.fact.what


async def test_a_decision_and_a_signature_of_a_step_are_entries() -> None:
    decision = Decision(
        phase="which", words=W, role="qa", options=(Option(option="go", words=W), Option(option="stop", words=W))
    )
    sign = Sign(phase="sign", words=W, role="qa", meaning="verified")
    world = World(master(RUN, decision, sign))
    batch = await world.carry()
    (made,) = facts_of(world, DecisionSigned)
    assert isinstance(made, DecisionSigned)
    assert (made.decision, made.signature.meaning) == ("go", "answered")
    (signed,) = facts_of(world, StepSigned)
    assert isinstance(signed, StepSigned)
    assert signed.signature.digest == batch.steps["work/sign"].arguments["digest"]


async def test_a_signature_over_something_else_is_no_signature() -> None:
    world = World(master(Sign(phase="sign", words=W, role="qa", meaning="verified")))
    plain = CountingDoor(world.clock, COI)

    def other(command: Command) -> dict[str, JSON]:
        shown = Command(
            **{name: getattr(command, name) for name in ("key", "target", "verb")}, arguments={"digest": "1" * 64}
        )
        good = plain._values(replace(command, arguments={**command.arguments, **shown.arguments}))
        return dict(good)

    world.door.answers["B-1/work/sign#1"] = other
    (deviation,) = (await world.carry()).deviations.values()
    assert "signed something else" in deviation.opened.fact.what


# -- upgrades --------------------


async def test_a_release_that_decides_alike_takes_a_batch_over_and_says_how_much_it_asked_again() -> None:
    world = World(master(RUN, HOLD, replace(RUN, phase="end")))
    world.say(HoldOrdered(reason="upgrade", signature=SIGNATURE))
    await world.carry(release="1.0")
    world.say(HoldLifted(reason="go", signature=SIGNATURE))
    await world.carry(release="1.0", patience=1.0)
    batch = await world.carry(release="2.0")
    assert batch.finished_at is not None
    first, second = facts_of(world, BatchCarried)
    assert first == BatchCarried(release="1.0", decisions=0)
    assert second == BatchCarried(release="2.0", decisions=2), "the program and the hold"


async def test_a_release_that_decides_otherwise_leaves_the_batch_and_says_where() -> None:
    world = World(master(RUN, HOLD, replace(RUN, phase="end")))
    await world.carry(release="1.0", patience=1.0)
    world.master = master(Read(phase="read", words=W, signals=()), RUN, HOLD, replace(RUN, phase="end"))
    batch = await world.carry(release="2.0")
    assert batch.held is not None
    assert "begun by 1.0, and release 2.0 would not decide the same" in batch.held.fact.reason
    assert "step-started/1 of work/run" in batch.held.fact.reason
    assert list(world.door.effects) == ["B-1/work/run#1"]
    before = batch.position
    assert (await world.carry(release="2.0")).position == before, "it is said once"


async def test_patience_leaves_a_later_moment_to_who_calls_again() -> None:
    world = World(master(RUN, HOLD, replace(RUN, phase="end")))
    batch = await world.carry(patience=1.0)
    assert not batch.ended
    assert world.clock.now() == START
    assert (await world.carry(patience=10.0)).finished_at == after(START, 6.0)
