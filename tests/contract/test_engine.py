"""What the engine promises: a batch is woken at its time, by one worker at a time, and again if that one died."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from time import monotonic

import psycopg
import pytest
from tests.contract.postgres_server import APP, OWNER, PostgresServer

from cytoloop.adapters import postgres as record
from cytoloop.adapters.engine import Engine, EngineAddress, Pulse, check_engine, make_engine, wake
from cytoloop.app.working import engine_address
from cytoloop.core.errors import StoreError, UserError

PULSE = Pulse(beat=0.2, dead=0.8, poll=0.1, sweep=60.0)


@pytest.fixture
def urls(postgres: PostgresServer) -> tuple[str, str]:
    """Addresses of one record as its owner and as the application names it."""
    database = postgres.database()
    return postgres.url(database, OWNER, "plant"), postgres.url(database, APP, "plant")


@pytest.fixture
def address(urls: tuple[str, str]) -> EngineAddress:
    """An engine that the application's role may use."""
    owner, app = (engine_address(each) for each in urls)
    assert make_engine(owner, APP)
    return app


class Line:
    """Turns that were taken: (worker, batch, when begun, when ended)."""

    def __init__(self) -> None:
        self.turns: list[tuple[str, str, float, float]] = []

    def worker(
        self, name: str, lasts: float, then: Callable[[str, int], float | None] = lambda batch, before: None
    ) -> Callable[[str], Awaitable[float | None]]:
        """Takes turns of `lasts` seconds; `then` says when the batch wants the next, from the turns it has had."""

        async def turn(batch: str) -> float | None:
            begun = monotonic()
            await asyncio.sleep(lasts)
            self.turns.append((name, batch, begun, monotonic()))
            return then(batch, sum(each[1] == batch for each in self.turns))

        return turn


@asynccontextmanager
async def working(
    address: EngineAddress, *turns: Callable[[str], Awaitable[float | None]], wanted: tuple[str, ...] = ()
) -> AsyncIterator[list[str]]:
    """Workers until the block ends; what they said."""
    stop, said = asyncio.Event(), list[str]()
    engines = [Engine(address, tell=said.append, pulse=PULSE) for _ in turns]
    works = [
        asyncio.create_task(each.work(turn, lambda: wanted, most=20, stop=stop))
        for each, turn in zip(engines, turns, strict=True)
    ]
    await asyncio.sleep(0.3)
    try:
        yield said
    finally:
        stop.set()
        await asyncio.gather(*works)


async def until(reached: Callable[[], bool], seconds: float = 10.0) -> None:
    ends = monotonic() + seconds
    while not reached():
        assert monotonic() < ends, "it does not come"
        await asyncio.sleep(0.02)


async def test_a_batch_is_woken_at_its_time_and_no_more_once_it_is_over(address: EngineAddress) -> None:
    line = Line()
    turn = line.worker("one", 0.0, lambda batch, before: 0.7 if before == 1 else None)
    async with working(address, turn):
        await asyncio.to_thread(wake, address, "B-1")
        await until(lambda: len(line.turns) == 2)
        await asyncio.sleep(0.5)
    (_, _, _, first), (_, _, second, _) = line.turns
    assert second - first >= 0.69
    with psycopg.connect(address.url, options=f"-c search_path={address.schema}") as connection:
        assert connection.execute("SELECT count(*) FROM procrastinate_jobs").fetchone() == (0,)


async def test_a_batch_that_waits_can_be_woken_before_its_time(address: EngineAddress) -> None:
    line = Line()
    turn = line.worker("one", 0.0, lambda batch, before: 3600.0)
    async with working(address, turn):
        for count in (1, 2, 3):
            await asyncio.to_thread(wake, address, "B-1")
            await until(lambda count=count: len(line.turns) == count)  # type: ignore[misc]
        await asyncio.sleep(0.3)
    with psycopg.connect(address.url, options=f"-c search_path={address.schema}") as connection:
        assert connection.execute("SELECT count(*) FROM procrastinate_jobs").fetchone() == (1,), "one job is enough"


async def test_two_workers_never_have_one_batch_at_once(address: EngineAddress) -> None:
    line = Line()
    turns = [line.worker(name, 0.05, lambda batch, before: 0.0 if before < 8 else None) for name in ("one", "two")]
    async with working(address, *turns):
        for batch in ("B-1", "B-2", "B-3"):
            for _ in range(3):
                await asyncio.to_thread(wake, address, batch)
        await until(lambda: len(line.turns) >= 24)
        await asyncio.sleep(0.3)
    for batch in ("B-1", "B-2", "B-3"):
        turns_of = sorted((begun, ended) for _, each, begun, ended in line.turns if each == batch)
        assert all(ended <= begun for (_, ended), (begun, _) in pairwise(turns_of))
    assert {name for name, *_ in line.turns} == {"one", "two"}


async def test_what_the_record_wants_and_the_engine_does_not_know_is_woken(address: EngineAddress) -> None:
    line = Line()
    async with working(address, line.worker("one", 0.0), wanted=("B-7", "B-8")):
        await until(lambda: {batch for _, batch, _, _ in line.turns} == {"B-7", "B-8"})


async def test_the_applications_role_uses_the_engine_and_owns_nothing_of_it(address: EngineAddress) -> None:
    await asyncio.to_thread(wake, address, "B-1")
    with psycopg.connect(address.url, autocommit=True, options=f"-c search_path={address.schema}") as connection:
        for statement in (
            "DROP TABLE procrastinate_jobs", "TRUNCATE procrastinate_jobs", "CREATE TABLE other (it int)",
            f"DROP SCHEMA {address.schema} CASCADE",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_an_engine_that_is_not_there_is_named_with_what_to_do(urls: tuple[str, str]) -> None:
    owner, app = (engine_address(each) for each in urls)
    with pytest.raises(UserError, match=r"no engine for workers in schema 'plant_engine'.*--workers"):
        check_engine(app)
    with pytest.raises(UserError, match="let the database's owner run"):
        make_engine(app)
    assert make_engine(owner, APP)
    assert not make_engine(owner, APP), "called again it changes nothing"
    check_engine(app)


def test_an_engine_of_another_version_is_made_anew_by_its_owner_only(urls: tuple[str, str]) -> None:
    owner, app = (engine_address(each) for each in urls)
    make_engine(owner, APP)
    with psycopg.connect(owner.url, autocommit=True) as connection:
        connection.execute("COMMENT ON SCHEMA plant_engine IS 'cytoloop engine, procrastinate tables of old'")
    with pytest.raises(UserError, match="was made for another version"):
        check_engine(app)
    assert make_engine(owner, APP)
    check_engine(app)


def test_a_schema_that_is_something_else_is_left_alone(urls: tuple[str, str]) -> None:
    owner, _ = (engine_address(each) for each in urls)
    with psycopg.connect(owner.url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA plant_engine")
    with pytest.raises(UserError, match="holds something else than an engine"):
        make_engine(owner)
    record.make_record(record.address(urls[0]))
    with suppress(UserError):
        make_engine(owner)


def test_who_wakes_a_batch_where_nothing_is_hears_that_workers_find_it_themselves(urls: tuple[str, str]) -> None:
    with pytest.raises(StoreError, match="no worker could be told of batch B-1"):
        wake(engine_address(urls[1]), "B-1")
