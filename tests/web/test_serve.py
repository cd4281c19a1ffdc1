"""Serving: which address is told, and what is demanded before other machines reach the pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from tests.staff import Wall
from tests.web.staffed import House, house

from cytoloop.adapters.sqlite import open_store
from cytoloop.core.errors import UserError
from cytoloop.record.ledger import Ledger
from cytoloop.web import serve
from cytoloop.web.app import demand_people, make_app


@pytest.fixture
def here(tmp_path: Path) -> Iterator[House]:
    """A house of its own."""
    yield from house(tmp_path)


def test_an_address_is_told_as_a_browser_takes_it() -> None:
    assert serve.address_of("::1", 8818) == "http://[::1]:8818/"
    assert serve.address_of("127.0.0.1", 8818) == "http://127.0.0.1:8818/"


def test_who_serves_to_other_machines_is_told_that_nothing_is_encrypted() -> None:
    assert [serve.caution(host) for host in ("127.0.0.1", "::1", "localhost")] == [""] * 3
    assert "TLS" in serve.caution("0.0.0.0")


def app_of(folder: Path, clock: Wall) -> Starlette:
    """The pages of a folder, opened at each look."""
    return make_app(lambda: Ledger(open_store(folder / "record.db", read_only=True), clock), folder, clock)


def test_nobody_serves_a_record_to_other_machines_before_people_are_enrolled(here: House, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    open_store(empty / "record.db", create=True).close()
    with pytest.raises(UserError, match="enrol people first"):
        demand_people(app_of(empty, here.clock), empty, "0.0.0.0")
    demand_people(app_of(empty, here.clock), empty, "::1")
    demand_people(app_of(here.folder, here.clock), here.folder, "0.0.0.0")
