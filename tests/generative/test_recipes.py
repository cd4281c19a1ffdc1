"""Any recipe, killed anywhere: no step twice, none skipped, none before its turn, the same entries every time."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.flows import CODEC, W, World, master

from cytoloop.adapters.memory import MemoryStore
from cytoloop.core.batch import Batch, fold
from cytoloop.core.errors import StoreError
from cytoloop.core.json import JSON
from cytoloop.core.recipe import Branch, Hold, Item, Loop, Parallel, Program, Repeat, Sample, Selection, Way
from cytoloop.core.store import Row, TreeHead
from cytoloop.production.replay import replay
from cytoloop.production.walk import next_steps, unrolled
from cytoloop.record.ledger import Ledger

RESULT: dict[str, JSON] = {"viability": {"value": 0.5, "unit": "fraction", "method": "count"}}


def steps(depth: int) -> st.SearchStrategy[tuple[Item, ...]]:
    """Sequences of one to three items, whose names are made unique afterwards."""
    plain = st.sampled_from(["program", "hold", "sample"]).map(_plain)
    items = plain if depth == 0 else st.one_of(plain, _forms(depth))
    return st.lists(items, min_size=1, max_size=2).map(tuple)


def _plain(kind: str) -> Item:
    match kind:
        case "hold":
            return Hold(phase="x", words=W, duration="hours")
        case "sample":
            return Sample(phase="x", words=W, plan="daily")
        case _:
            return Program(phase="x", words=W, program="run")


def _forms(depth: int) -> st.SearchStrategy[Item]:
    inner = steps(depth - 1)
    loop = st.just(
        Loop(loop="x", words=W, every=2.0, until="hours", steps=(Program(phase="in_loop", words=W, program="run"),))
    )
    parallel = st.lists(inner, min_size=2, max_size=2).map(
        lambda each: Parallel(
            parallel="x", words=W, branches=tuple(Branch(branch=f"b{n}", words=W, steps=s) for n, s in enumerate(each))
        )
    )
    selection = st.tuples(inner, inner, st.booleans()).map(
        lambda each: Selection(
            selection="x",
            words=W,
            ways=(
                Way(way="a", words=W, when=f'result("viability") {"<" if each[2] else ">"} 0.7', steps=each[0]),
                Way(way="b", words=W, when="otherwise", steps=each[1]),
            ),
        )
    )
    repeat = st.tuples(inner, st.integers(1, 2)).map(
        lambda each: Repeat(repeat="x", words=W, until='result("viability") > 0.7', at_most=each[1], steps=each[0])
    )
    return st.one_of(loop, parallel, selection, repeat)


def named(items: Sequence[Item], numbers: "count[int]") -> tuple[Item, ...]:
    """The same with a name of its own for each item."""
    return tuple(_named(item, numbers) for item in items)


def _named(item: Item, numbers: "count[int]") -> Item:
    name = f"x{next(numbers)}"
    match item:
        case Loop():
            return replace(item, loop=name)
        case Repeat():
            return replace(item, repeat=name, steps=named(item.steps, numbers))
        case Parallel():
            branches = tuple(replace(each, steps=named(each.steps, numbers)) for each in item.branches)
            return replace(item, parallel=name, branches=branches)
        case Selection():
            ways = tuple(replace(each, steps=named(each.steps, numbers)) for each in item.ways)
            return replace(item, selection=name, ways=ways)
        case _:
            return replace(item, phase=name)


RECIPES = steps(2).map(lambda found: named((Sample(phase="x", words=W, plan="daily"), *found), count()))


def world(items: tuple[Item, ...]) -> World:
    made = World(master(*items))
    made.door.results = dict(RESULT)
    return made


class Failing(MemoryStore):
    """Fails at one of its appends, before or after it kept what it was given."""

    def __init__(self, at: int, *, kept: bool) -> None:
        super().__init__()
        self.left, self.kept = at, kept

    def append(self, rows: Sequence[Row], head: TreeHead) -> None:
        self.left -= 1
        if self.left == 0 and not self.kept:
            raise StoreError("killed before the append")
        super().append(rows, head)
        if self.left == 0:
            raise StoreError("killed after the append")


async def _whole(items: tuple[Item, ...]) -> None:
    made = world(items)
    batch = await made.carry()
    assert batch.finished_at is not None or batch.aborted is not None
    if any(deviation.opened.fact.kind != "rounds-exhausted" for deviation in batch.deviations.values()):
        pytest.fail(f"an unexpected deviation: {batch.deviations}")
    assert set(made.door.effects.values()) <= {1}
    asked = [planned.step for planned in unrolled(batch) if planned.step not in batch.ways]
    assert {step for step in batch.steps if not step.startswith("deviation/")} == set(asked), (
        "none skipped, none made up"
    )
    assert not next_steps(batch)
    assert replay(list(made.ledger.stream("batch/B-1")), made.master).differs == ""


@settings(max_examples=40, deadline=None, database=None)
@given(RECIPES)
def test_every_step_of_any_recipe_is_done_once_and_decided_the_same_again(items: tuple[Item, ...]) -> None:
    asyncio.run(_whole(items))


async def _killed(items: tuple[Item, ...], at: int, kept: bool) -> None:
    whole, made = world(items), world(items)
    expected = await whole.carry()
    store = Failing(at, kept=kept)
    made.store, made.ledger = store, Ledger(store, made.clock, CODEC)
    made.door.clock = made.clock
    first = next(iter(whole.ledger.stream("batch/B-1")))
    try:
        made.say(first.fact)
        await made.carry()
    except StoreError:
        store.left = -1
        if not list(store.rows()):
            made.say(first.fact)
        made.ledger = Ledger(store, made.clock, CODEC)
        await made.carry()
    batch = fold(made.ledger.stream("batch/B-1"), made.master)
    assert set(made.door.effects.values()) <= {1}
    assert batch.ended
    assert _work(batch) == _work(expected)


def _work(batch: Batch) -> set[str]:
    """Steps of the recipe that are done; decisions on deviations are named after places in the record."""
    return {name for name, step in batch.steps.items() if step.state == "done" and not name.startswith("deviation/")}


@settings(max_examples=30, deadline=None, database=None)
@given(RECIPES, st.integers(2, 40), st.booleans())
def test_a_kill_at_any_write_of_any_recipe_doubles_and_skips_nothing(
    items: tuple[Item, ...], at: int, kept: bool
) -> None:
    asyncio.run(_killed(items, at, kept))
