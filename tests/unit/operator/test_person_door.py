"""The person's door waits for an answer, wherever it is given, and knows which requests stand."""

import asyncio
from datetime import timedelta
from threading import Thread

import pytest

from cytoloop.adapters.clocks import ScaledClock, SimulatedClock
from cytoloop.adapters.operator.door import PersonDoor
from cytoloop.core.equipment import Command, Outcome
from cytoloop.core.time import Instant, after

KEY = "B-1/receipt/scan#1"
SCAN = Command(key=KEY, target="person:operator", verb="scan", arguments={"label": "bag"})


class Answers:
    """A record with answers in it, and how often it was asked."""

    def __init__(self) -> None:
        self.given: dict[str, Outcome] = {}
        self.asked: set[str] = set()
        self.looks = 0

    def find(self, key: str) -> Outcome | None:
        self.looks += 1
        return self.given.get(key)

    def stands(self, key: str) -> bool:
        return key in self.asked

    def give(self, at: Instant) -> Outcome:
        self.given[KEY] = Outcome(key=KEY, ok=True, at=at, by="person:op.sun", values={"code": "COI-1"})
        return self.given[KEY]


@pytest.fixture
def answers() -> Answers:
    return Answers()


def door(answers: Answers, clock: SimulatedClock | ScaledClock, poll: float) -> PersonDoor:
    return PersonDoor(clock=clock, find=answers.find, stands=answers.stands, poll=poll)


async def test_it_gives_the_answer_once_it_is_in_the_record(answers: Answers, start: Instant) -> None:
    clock, told = SimulatedClock(start), []
    asked = door(answers, clock, 0.25)

    async def wait() -> None:
        told.append(await asked.perform(SCAN))

    async def give() -> None:
        await clock.until(after(start, 3.1))
        answers.give(clock.now())

    await clock.together(wait(), give())
    assert told == [answers.given[KEY]]
    assert clock.now() - start < timedelta(hours=3.1 + 0.25 + 0.01), "found at the next look"


async def test_it_hears_at_once_of_an_answer_given_in_the_same_process(answers: Answers) -> None:
    clock = ScaledClock()
    asked = door(answers, clock, poll=1000.0)
    waiting = asyncio.create_task(asked.perform(SCAN))
    await asyncio.sleep(0)
    outcome = answers.give(clock.now())
    thread = Thread(target=asked.wake, args=(KEY,))
    thread.start()
    assert await asyncio.wait_for(waiting, 20) == outcome
    thread.join()
    asked.wake(KEY)  # nobody waits any more: nothing happens


async def test_who_waits_twice_gets_the_same_answer(answers: Answers) -> None:
    clock = ScaledClock()
    asked = door(answers, clock, poll=1000.0)
    both = [asyncio.create_task(asked.perform(SCAN)), asyncio.create_task(asked.perform(SCAN))]
    await asyncio.sleep(0)
    outcome = answers.give(clock.now())
    asked.wake(KEY)
    assert await asyncio.wait_for(asyncio.gather(*both), 20) == [outcome, outcome]


async def test_recall_waits_while_the_request_stands(answers: Answers) -> None:
    clock = ScaledClock()
    asked = door(answers, clock, poll=1000.0)
    assert await asked.recall(KEY) is None, "nobody was asked"
    answers.asked.add(KEY)
    waiting = asyncio.create_task(asked.recall(KEY))
    await asyncio.sleep(0)
    assert not waiting.done()
    outcome = answers.give(clock.now())
    asked.wake(KEY)
    assert await asyncio.wait_for(waiting, 20) == outcome
    assert await asked.recall(KEY) == outcome


async def test_a_wait_that_is_cancelled_leaves_nothing_behind(answers: Answers) -> None:
    asked = door(answers, ScaledClock(), poll=1000.0)
    waiting = asyncio.create_task(asked.perform(SCAN))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    looks = answers.looks
    asked.wake(KEY)
    await asyncio.sleep(0)
    assert answers.looks == looks


async def test_what_no_person_can_do_is_answered_at_once(answers: Answers) -> None:
    asked = door(answers, ScaledClock(), poll=1000.0)
    program = Command(key="B-1/x#1", target="person:operator", verb="program")
    refused = await asked.perform(program)
    assert (refused.ok, refused.note) == (False, "person:operator: a person cannot program")
    assert await asked.perform(program) == await asked.recall("B-1/x#1") == refused
