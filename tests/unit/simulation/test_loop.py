"""The simulated loop runs asyncio's own tasks: time jumps, equal moments are ordered by dice, the dead stay dead."""

import asyncio
from datetime import timedelta

import pytest

from cytoloop.app.simulation.loop import SimulatedLoop, StuckError
from cytoloop.core.time import Instant, after, hours_between

FAR = timedelta(days=100)


def test_time_jumps_to_whoever_waits_for_the_earliest_moment(start: Instant) -> None:
    loop, order = SimulatedLoop(start), list[tuple[str, float]]()

    async def waiter(name: str, hours: float) -> None:
        await loop.until(after(start, hours))
        order.append((name, hours_between(start, loop.now())))

    async def work() -> None:
        await asyncio.gather(waiter("late", 300.0), waiter("soon", 2.0), waiter("never mind", -1.0))

    assert loop.run(work(), start + FAR)
    assert order == [("never mind", 0.0), ("soon", 2.0), ("late", 300.0)]


def test_timeouts_of_asyncio_take_simulated_time(start: Instant) -> None:
    loop = SimulatedLoop(start)

    async def work() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(loop.until(after(start, 50.0)), 3600.0)

    assert loop.run(work(), start + FAR)
    assert loop.now() == after(start, 1.0)


@pytest.mark.parametrize(("tie", "expected"), [(float, "abc"), (lambda number: -float(number), "cba")])
def test_who_waits_for_one_moment_goes_on_in_the_order_of_the_dice(start: Instant, tie: object, expected: str) -> None:
    loop, order = SimulatedLoop(start, tie), list[str]()  # type: ignore[arg-type]  # one of the two above

    async def waiter(name: str) -> None:
        await loop.until(after(start, 1.0))
        order.append(name)

    async def work() -> None:
        await asyncio.gather(*(waiter(name) for name in "abc"))

    assert loop.run(work(), start + FAR)
    assert "".join(order) == expected


def test_a_killed_life_never_runs_again_not_even_to_clean_up(start: Instant) -> None:
    loop, said, born = SimulatedLoop(start), list[str](), list[asyncio.Future[None]]()

    async def mortal() -> None:
        try:
            said.append("lives")
            born.append(asyncio.ensure_future(child()))
            await loop.until(after(start, 5.0))
            said.append("goes on")
        finally:
            said.append("cleans up")

    async def child() -> None:
        await loop.until(after(start, 3.0))
        said.append("child goes on")

    async def work() -> None:
        loop.spawn(mortal(), 1)
        await loop.until(after(start, 1.0))
        loop.kill(1)
        await loop.until(after(start, 10.0))
        assert said == ["lives"]

    assert loop.run(work(), start + FAR)
    loop.bury()
    assert loop.now() == after(start, 10.0)


def test_first_returns_with_the_first_or_at_the_moment(start: Instant) -> None:
    loop = SimulatedLoop(start)

    async def work() -> None:
        doing = loop.begin(loop.until(after(start, 2.0)))
        await loop.first([doing], after(start, 1.0))
        assert (loop.now(), doing.done()) == (after(start, 1.0), False)
        await loop.first([doing], after(start, 9.0))
        assert (loop.now(), doing.done()) == (after(start, 2.0), True)
        await loop.first([doing])

    assert loop.run(work(), start + FAR)


def test_time_that_is_over_ends_the_run(start: Instant) -> None:
    loop = SimulatedLoop(start)
    assert loop.run(loop.until(start + FAR), start + timedelta(days=1)) is False
    assert loop.now() == start + timedelta(days=1)
    loop.bury()


def test_when_nobody_waits_for_a_moment_it_says_so(start: Instant) -> None:
    loop = SimulatedLoop(start)

    async def work() -> None:
        await loop.create_future()

    with pytest.raises(StuckError):
        loop.run(work(), start + FAR)
    loop.bury()


def test_what_a_task_fails_with_is_raised(start: Instant) -> None:
    loop = SimulatedLoop(start)

    async def work() -> None:
        raise ValueError("as asked")

    with pytest.raises(ValueError, match="as asked"):
        loop.run(work(), start + FAR)
