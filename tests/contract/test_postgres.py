"""The server store where only a real server shows it: rights, durability, and connections that are lost."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from random import Random
from threading import Thread
from typing import TypeAlias

import psycopg
import pytest
from tests.contract.postgres_server import APP, OWNER, PostgresServer, running_server

from cytoloop.adapters.postgres import PostgresStore, address, grant_to, make_record, open_store, session
from cytoloop.adapters.postgres.address import Address
from cytoloop.adapters.postgres.session import LostError
from cytoloop.core.errors import ConflictError, StoreError, UserError
from cytoloop.core.store import Attestation, Row, TreeHead
from cytoloop.record.merkle import Tree
from cytoloop.testing.store_contract import head_over, row


@pytest.fixture(scope="module")
def shared_database(postgres: PostgresServer) -> str:
    return postgres.database()


@pytest.fixture
def database(postgres: PostgresServer, shared_database: str) -> Iterator[str]:
    """A database without any record in it; to make one for each test takes longer than all that they do."""
    yield shared_database
    with postgres.connect(shared_database, "postgres") as administrator:
        administrator.execute("DROP SCHEMA IF EXISTS cytoloop CASCADE")
        administrator.execute("DROP SCHEMA IF EXISTS other CASCADE")


@pytest.fixture
def store(postgres: PostgresServer, database: str) -> Iterator[PostgresStore]:
    """A record of one entry."""
    opened, first = open_store(postgres.url(database), create=True), row(0, "a", 0)
    opened.append([first], head_over(first))
    opened.attest(Attestation(1, "checkpoint", b"note"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def rough() -> Iterator[PostgresServer]:
    """A server that is killed and started otherwise."""
    with running_server() as server:
        yield server


Connection: TypeAlias = "psycopg.Connection[tuple[object, ...]]"

TAMPERING = [
    "UPDATE cytoloop.entry SET body = 'x'",
    "DELETE FROM cytoloop.entry",
    "TRUNCATE cytoloop.entry",
    "UPDATE cytoloop.tree_head SET root = 'x'",
    "DELETE FROM cytoloop.tree_head",
    "TRUNCATE cytoloop.tree_head",
    "UPDATE cytoloop.attestation SET body = 'x'",
    "DELETE FROM cytoloop.attestation",
    "TRUNCATE cytoloop.attestation",
]
SWITCHING_OFF = [
    "DROP TABLE cytoloop.entry",
    "DROP SCHEMA cytoloop CASCADE",
    "ALTER TABLE cytoloop.entry DISABLE TRIGGER ALL",
    "ALTER TABLE cytoloop.entry RENAME TO other",
    "DROP TRIGGER entry_is_final ON cytoloop.entry",
    "CREATE OR REPLACE FUNCTION cytoloop.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE RULE r AS ON INSERT TO cytoloop.entry DO INSTEAD NOTHING",
    "SET session_replication_role = replica",
    "UPDATE cytoloop.schema_version SET format = 9",
    "INSERT INTO cytoloop.schema_version VALUES (9)",
    "ALTER SCHEMA cytoloop RENAME TO other",
]


@pytest.mark.parametrize("statement", TAMPERING)
def test_even_the_owner_changes_nothing_by_a_slip(
    postgres: PostgresServer, database: str, store: PostgresStore, statement: str
) -> None:
    before = (list(store.rows()), list(store.heads()), list(store.attestations()))
    with postgres.connect(database, OWNER) as owner, pytest.raises(psycopg.errors.RaiseException, match="is never"):
        owner.execute(statement)
    assert (list(store.rows()), list(store.heads()), list(store.attestations())) == before


@pytest.mark.parametrize("statement", TAMPERING)
def test_a_session_that_plays_a_replica_changes_nothing_either(
    postgres: PostgresServer, database: str, store: PostgresStore, statement: str
) -> None:
    """Ordinary triggers do not fire there (CREATE TRIGGER: `session_replication_role`)."""
    assert store.end("a") == 1
    with postgres.connect(database, "postgres") as administrator:
        administrator.execute("SET session_replication_role = replica")
        with pytest.raises(psycopg.errors.RaiseException, match="is never"):
            administrator.execute(statement)


@pytest.mark.parametrize("statement", [*TAMPERING, *SWITCHING_OFF])
def test_the_products_role_may_not(
    postgres: PostgresServer, database: str, store: PostgresStore, statement: str
) -> None:
    grant_to(APP, address(postgres.url(database)))
    with postgres.connect(database, APP) as line, pytest.raises(psycopg.errors.InsufficientPrivilege):
        line.execute(statement)
    assert len(list(store.rows())) == 1


def test_the_products_role_reads_and_appends(postgres: PostgresServer, database: str, store: PostgresStore) -> None:
    grant_to(APP, address(postgres.url(database)))
    line = open_store(postgres.url(database, APP))
    both = [*store.rows(), row(1, "b", 0)]
    line.append(both[1:], head_over(*both))
    line.attest(Attestation(2, "checkpoint", b"line's note"))
    assert list(store.rows()) == both
    assert len(list(line.attestations())) == 2
    line.close()


def test_a_role_without_rights_is_told_who_gives_them(
    postgres: PostgresServer, database: str, store: PostgresStore
) -> None:
    assert store.end("a") == 1
    with pytest.raises(UserError, match=r"may not read the record in .*cytoloop store init URL --app-role"):
        open_store(postgres.url(database, APP))


def test_a_role_that_may_not_make_a_schema_is_told_who_may(postgres: PostgresServer, database: str) -> None:
    with pytest.raises(UserError, match=r"may not do that in .*cytoloop store init URL --app-role"):
        open_store(postgres.url(database, APP), create=True)


@pytest.mark.parametrize(
    ("role", "said"), [(OWNER, "no right binds it"), ("postgres", "no right binds it"), ("nobody_here", "has no role")]
)
def test_rights_are_given_only_to_a_role_that_they_bind(
    postgres: PostgresServer, database: str, store: PostgresStore, role: str, said: str
) -> None:
    assert store.end("a") == 1
    with pytest.raises(UserError, match=said):
        grant_to(role, address(postgres.url(database)))


def test_making_a_record_twice_leaves_it_as_it_is(
    postgres: PostgresServer, database: str, store: PostgresStore
) -> None:
    assert not make_record(address(postgres.url(database)))
    assert len(list(store.rows())) == 1


def test_two_that_make_the_same_record_at_once_both_find_it(postgres: PostgresServer, database: str) -> None:
    url = postgres.url(database)
    with ThreadPoolExecutor(6) as threads:
        stores = list(threads.map(lambda _: open_store(url, create=True), range(6)))
    assert [each.head() for each in stores] == [None] * 6
    for each in stores:
        each.close()


def test_records_of_one_database_are_strangers(postgres: PostgresServer, database: str, store: PostgresStore) -> None:
    other = open_store(postgres.url(database, schema="other"), create=True)
    assert other.head() is None
    assert store.head() is not None
    other.close()


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["INSERT INTO cytoloop.schema_version VALUES (7)"], "a record of format 7, and this version reads format 1"),
        (["DROP SCHEMA cytoloop CASCADE", "CREATE SCHEMA cytoloop", "CREATE TABLE cytoloop.entry (x int)"],
         "holds something else"),
        (["DROP SCHEMA cytoloop CASCADE"], "there is no record in schema 'cytoloop'"),
    ],
)  # fmt: skip
def test_what_is_no_record_of_ours_is_named(
    postgres: PostgresServer, database: str, store: PostgresStore, statements: list[str], said: str
) -> None:
    store.close()
    with postgres.connect(database, OWNER) as owner:
        for statement in statements:
            owner.execute(statement)
    with pytest.raises(UserError, match=said):
        open_store(postgres.url(database))


def test_a_server_that_is_not_there_is_named_without_a_password() -> None:
    with pytest.raises(StoreError, match=r"database plant at 127.0.0.1:1 cannot be reached") as told:
        open_store("postgresql://line:secret@127.0.0.1:1/plant")
    assert "secret" not in str(told.value)


def test_a_commit_is_durable_even_where_the_database_defaults_to_less(postgres: PostgresServer) -> None:
    database = postgres.database()
    with postgres.connect("postgres", OWNER) as owner:
        owner.execute(f"ALTER DATABASE {database} SET synchronous_commit = off")
    store = open_store(postgres.url(database), create=True)
    assert store._session.ask("SHOW synchronous_commit") == [("on",)]
    store.close()


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_may_lose_what_it_acknowledged_is_refused(rough: PostgresServer, setting: str) -> None:
    database = rough.database()
    open_store(rough.url(database), create=True).close()
    rough.stop()
    rough.start(f"{setting}=off")
    try:
        with pytest.raises(UserError, match=rf"{setting} off.* a power cut may take what was acknowledged"):
            open_store(rough.url(database))
    finally:
        rough.stop()
        rough.start()


def test_a_database_that_cannot_keep_every_letter_is_refused(postgres: PostgresServer) -> None:
    with postgres.connect("postgres", OWNER) as owner:
        owner.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1'")
    with pytest.raises(UserError, match="keeps text as LATIN1; make a database with ENCODING 'UTF8'"):
        open_store(postgres.url("latin"), create=True)


def test_a_server_that_is_too_old_is_refused(
    postgres: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "OLDEST", 990000)
    with pytest.raises(UserError, match=r"is PostgreSQL \d\d; the record needs 99"):
        open_store(postgres.url(database), create=True)


READING: list[Callable[[PostgresStore], object]] = [
    lambda store: list(store.rows()),
    lambda store: list(store.problems()),
    lambda store: store.end("a"),
]


@pytest.mark.parametrize("read", READING)
@pytest.mark.parametrize(
    "spoil",
    [("DROP TABLE cytoloop.entry", "does not exist"), ("REVOKE SELECT ON cytoloop.entry FROM line", "permission")],
    ids=["dropped", "revoked"],
)
def test_what_the_server_refuses_to_read_is_told_in_one_sentence(
    postgres: PostgresServer, database: str, store: PostgresStore, read: Callable[[PostgresStore], object],
    spoil: tuple[str, str],
) -> None:  # fmt: skip
    assert store.end("a") == 1
    grant_to(APP, address(postgres.url(database)))
    with closing(open_store(postgres.url(database, APP))) as line:
        with postgres.connect(database, OWNER) as owner:
            owner.execute(spoil[0])
        with pytest.raises(StoreError, match=rf"could not be (read|counted) \(.*{spoil[1]}"):
            read(line)


def test_a_server_that_goes_down_twice_in_a_row_is_asked_once_more(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell, cuts = store._session.tell, [LostError("once"), LostError("twice")]

    def cut(query: str, values: object = (), **options: bool) -> list[tuple[object, ...]]:
        if cuts:
            raise cuts.pop()
        return tell(query, values, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(store._session, "tell", cut)
    assert store.end("a") == 1


def test_a_connection_that_is_lost_again_and_again_is_told_in_one_sentence(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(query: str, values: object = (), **options: bool) -> list[tuple[object, ...]]:
        raise LostError("cable pulled")

    monkeypatch.setattr(store._session, "tell", cut)
    for act in (store.head, lambda: store.attest(Attestation(1, "checkpoint", b"more")), lambda: [*store.problems()]):
        with pytest.raises(StoreError, match="cable pulled"):
            act()


def test_a_server_that_goes_down_while_it_is_asked_for_its_settings_is_waited_for(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_durable, answers = session._make_durable, iter([psycopg.errors.AdminShutdown("going down"), None])

    def going_down(connection: Connection, where: Address) -> None:
        if (error := next(answers)) is not None:
            raise error
        make_durable(connection, where)

    monkeypatch.setattr(session, "_make_durable", going_down)
    store._session.connect_again()
    assert store.end("a") == 1
    assert next(answers, "asked twice") == "asked twice"


@pytest.mark.parametrize("url", ["mysql://line:secret@host/plant", "postgresql://line:secret@[::1/plant"])
def test_an_address_that_is_none_is_named_without_its_password(url: str) -> None:
    with pytest.raises(UserError, match=r"is no address .*write postgresql://role@host:port/database") as told:
        address(url)
    assert "secret" not in str(told.value)


def test_a_read_goes_on_over_a_lost_connection(postgres: PostgresServer, database: str, store: PostgresStore) -> None:
    _end_sessions(postgres, database)
    assert len(list(store.rows())) == 1
    _end_sessions(postgres, database)
    second = row(1, "a", 1)
    try:
        store.append([second], head_over(*store.rows(), second))  # the read reconnects, the append goes through
    finally:
        assert [each.sequence for each in store.rows()] == [0, 1]


def test_an_append_whose_answer_was_lost_is_looked_up_and_not_done_twice(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = store._session.tell

    def deaf(query: str, values: object = (), **options: bool) -> list[tuple[object, ...]]:
        answer = tell(query, values, **options)  # type: ignore[arg-type]
        if "INSERT" in query:
            store._session.connection.close()
            raise LostError("cable pulled")
        return answer

    monkeypatch.setattr(store._session, "tell", deaf)
    first, second = next(store.rows()), row(1, "a", 1, b"mine")
    store.append([second], head_over(first, second))
    assert list(store.rows()) == [first, second]


def test_an_append_that_the_server_still_works_on_is_ended_before_it_is_judged(
    postgres: PostgresServer, database: str, store: PostgresStore
) -> None:
    """The cable is pulled while the statement waits; it must not be done later, when everybody has decided again."""
    first, second = next(store.rows()), row(1, "a", 1, b"mine")
    said = list[Exception]()

    def append() -> None:
        try:
            store.append([second], head_over(first, second))
        except StoreError as error:
            said.append(error)

    with postgres.connect(database, OWNER) as owner:
        with owner.transaction():
            owner.execute("LOCK TABLE cytoloop.entry IN SHARE ROW EXCLUSIVE MODE")
            appending = Thread(target=append)
            appending.start()
            while owner.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() != (1,):
                time.sleep(0.005)
            line = socket.socket(fileno=os.dup(store._session.connection.fileno()))
            line.shutdown(socket.SHUT_RDWR)
            line.close()
            appending.join(30)
        assert not appending.is_alive()
    assert "nothing of this append was kept" in str(said[0])
    assert list(store.rows()) == [first]
    store.append([second], head_over(first, second))
    assert list(store.rows()) == [first, second]


def test_nothing_acknowledged_is_lost_or_doubled_when_the_server_is_killed(rough: PostgresServer) -> None:
    """kill -9 of every process of the server while two clients append, five times."""
    url, random, stop = rough.url(rough.database()), Random(8), list[bool]()
    acknowledged: list[list[bytes]] = [[], []]
    refused = list[str]()
    open_store(url, create=True).close()

    def write(number: int) -> None:
        store, tree, count = open_store(url), Tree(), 0
        while not stop:
            rows = list(store.rows(tree.size))
            tree = tree.extend(each.leaf_hash for each in rows)
            body, stream = b"%d/%d" % (number, count), f"writer/{number}"
            mine = row(tree.size, stream, store.end(stream), body)
            after = tree.append(mine.leaf_hash)
            try:
                store.append([mine], TreeHead(after.size, after.root))
                acknowledged[number].append(body)
                count += 1
            except ConflictError:
                continue
            except StoreError as error:
                refused.append(str(error))
        store.close()

    with ThreadPoolExecutor(2) as threads:
        writing = [threads.submit(write, number) for number in range(2)]
        try:
            for _ in range(5):
                wanted = sum(map(len, acknowledged)) + random.randint(5, 60)
                while sum(map(len, acknowledged)) < wanted and not any(each.done() for each in writing):
                    time.sleep(0.005)
                rough.kill()
                rough.start()
        finally:
            stop.append(True)
        for each in writing:
            each.result(60)
    assert [each for each in refused if "nothing of this append was kept" not in each] == []
    store = open_store(url)
    kept: list[Row] = list(store.rows())
    for number in range(2):
        bodies = [each.body for each in kept if each.stream == f"writer/{number}"]
        assert bodies == acknowledged[number], "an append was lost, doubled or put out of order"
    assert store.head() == head_over(*kept)
    assert list(store.problems()) == []
    store.close()


def _end_sessions(postgres: PostgresServer, database: str) -> None:
    with postgres.connect("postgres", "postgres") as administrator:
        ended = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = %s"
        assert administrator.execute(ended, (database,)).fetchone() != (0,)
