"""Every store passes the one contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.postgres_server import PostgresServer

from cytoloop.adapters.memory import MemoryStore
from cytoloop.adapters.postgres import PostgresStore
from cytoloop.adapters.postgres import open_store as open_postgres
from cytoloop.adapters.sqlite import SqliteStore, open_store
from cytoloop.core.store import Row
from cytoloop.testing.store_contract import DurableStoreContract, MakeStore, StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def make_store(self) -> MakeStore:
        return MemoryStore


class TestSqliteStore(StoreContract, DurableStoreContract):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> Iterator[MakeStore]:
        opened: list[SqliteStore] = []

        def make() -> SqliteStore:
            opened.append(open_store(tmp_path / "record.db", create=True))
            return opened[-1]

        yield make
        for store in opened:
            store.close()

    def test_is_durable_at_every_append(self, make_store: MakeStore) -> None:
        store = make_store()
        assert isinstance(store, SqliteStore)
        (synchronous,) = store._connection.execute("PRAGMA synchronous").fetchone()
        (journal,) = store._connection.execute("PRAGMA journal_mode").fetchone()
        assert (synchronous, journal) == (2, "wal"), "FULL and WAL, or a power cut may take what was acknowledged"

    def test_who_reads_in_the_same_process_sees_nothing_that_is_not_durable_yet(self, make_store: MakeStore) -> None:
        store, seen = make_store(), list[list[Row]]()
        assert isinstance(store, SqliteStore)

        def insert() -> None:
            store._connection.execute("INSERT INTO entry VALUES (0, 'a', 0, 'tested/1', x'7b7d', zeroblob(32))")
            seen.append(list(store.rows()))

        store._write(insert, "")
        assert seen == [[]]
        assert len(list(store.rows())) == 1


class TestPostgresStore(StoreContract, DurableStoreContract):
    @pytest.fixture
    def make_store(self, postgres: PostgresServer) -> Iterator[MakeStore]:
        opened, url = list[PostgresStore](), postgres.fresh()

        def make() -> PostgresStore:
            opened.append(open_postgres(url, create=True))
            return opened[-1]

        yield make
        for store in opened:
            store.close()
