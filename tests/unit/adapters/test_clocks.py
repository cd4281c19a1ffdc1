"""Clocks: simulated time jumps in order, one waiter at a time; the wall can be made faster."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytoloop.adapters.clocks import ScaledClock, SimulatedClock
from cytoloop.app.demo import START
from cytoloop.core.time import after, hours_between


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=20))
def test_waiters_go_on_in_order_of_time(hours: list[int]) -> None:
    clock, seen = SimulatedClock(START), list[int]()

    async def wait(for_hours: int) -> None:
        await clock.until(after(START, for_hours))
        seen.append(for_hours)

    asyncio.run(clock.together(*(wait(each) for each in hours)))
    assert sorted(seen) == sorted(hours)
    assert seen == sorted(seen)
    assert clock.now() >= after(START, max(hours))


async def test_the_first_failure_ends_the_rest_and_is_raised() -> None:
    clock, done = SimulatedClock(START), list[str]()

    async def fail() -> None:
        await clock.until(after(START, 1.0))
        raise RuntimeError("tested")

    async def long() -> None:
        await clock.until(after(START, 100.0))
        done.append("long")

    with pytest.raises(RuntimeError, match="tested"):
        await clock.together(fail(), long())
    assert done == []


async def test_a_moment_that_has_passed_is_not_waited_for() -> None:
    clock = SimulatedClock(START)
    await clock.until(after(START, -5.0))
    assert clock.now() == START


async def test_the_wall_can_be_made_faster() -> None:
    clock = ScaledClock(START, 3_600_000.0)
    await clock.together(clock.until(after(START, 100.0)), clock.until(after(START, 50.0)))
    assert hours_between(START, clock.now()) >= 100.0


async def test_time_does_not_pass_for_somebody_who_was_cancelled() -> None:
    clock = SimulatedClock(START)

    async def give_up() -> None:
        waiting = asyncio.create_task(clock.until(after(START, 50.0)))
        await clock.until(after(START, 10.0))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    await clock.together(give_up())
    assert clock.now() == after(START, 10.0)
