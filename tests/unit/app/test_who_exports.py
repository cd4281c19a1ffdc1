"""Who may take a batch out of the house."""

from pathlib import Path

import pytest
from tests.staff import Staff, founded

from cytoloop.adapters.clocks import SimulatedClock
from cytoloop.adapters.credentials import Credentials
from cytoloop.adapters.memory import MemoryStore
from cytoloop.app.bundle import exporter
from cytoloop.app.people import People
from cytoloop.app.registrar import Registrar
from cytoloop.core.errors import RefusedError, UserError
from cytoloop.record.ledger import Ledger
from cytoloop.testing.builders import START


@pytest.fixture(scope="module")
def staff(tmp_path_factory: pytest.TempPathFactory) -> Staff:
    return founded(tmp_path_factory.mktemp("staff"))


def test_where_nobody_is_enrolled_the_console_exports(tmp_path: Path) -> None:
    clock = SimulatedClock(START)
    people = People(Registrar(Ledger(MemoryStore(), clock), clock), Credentials(tmp_path))
    assert exporter(people, "B-1", None) == "system:record"


def test_in_a_record_with_people_somebody_says_who_they_are(staff: Staff) -> None:
    with pytest.raises(UserError, match="--as USER"):
        exporter(staff.people, "B-1", None)


def test_quality_assurance_exports_and_the_entry_names_them(staff: Staff) -> None:
    assert exporter(staff.people, "B-1", staff.signer("qa.founder")) == "person:qa.founder"


def test_who_may_not_is_refused_and_that_is_an_entry(staff: Staff) -> None:
    with pytest.raises(RefusedError, match="may not export-bundle"):
        exporter(staff.people, "B-1", staff.signer("ad.min"))
    assert (staff.refusals()[-1].act, staff.refusals()[-1].subject) == ("export-bundle", "batch/B-1")


def test_a_wrong_password_exports_nothing(staff: Staff) -> None:
    wrong = staff.signer("ad.min")
    with pytest.raises(RefusedError, match="do not match"):
        exporter(staff.people, "B-1", type(wrong)(user="qa.founder", proof=wrong.proof))
