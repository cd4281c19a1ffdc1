"""The audit trail: who, what, old, new, when, why, of every entry; filtered, sorted, paged, taken out."""

import contextlib
import csv
import dataclasses
import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.web.story import write_story

from cytoloop.app.audit.asked import SORTS, Asked, moment, sort_named, stamp, zone_named
from cytoloop.app.audit.changes import CHANGING, reason_of
from cytoloop.app.audit.export import COLUMNS, to_csv, to_json
from cytoloop.app.audit.rows import AuditRow
from cytoloop.app.directory import ENROLLED
from cytoloop.app.packs import read_pack
from cytoloop.app.views import Shelf
from cytoloop.app.views_audit import audit_rows, audit_view
from cytoloop.core.entry import Fact
from cytoloop.core.errors import UserError
from cytoloop.core.facts.people import AccountClosed, ActRefused, EnrolmentCodeIssued, PersonEnrolled, RolesChanged
from cytoloop.core.facts.production import StepResolved, ValueCorrected
from cytoloop.core.facts.record import IdentityErased, RecordUpgraded
from cytoloop.core.time import after
from cytoloop.record.codec import ALL_FACTS
from cytoloop.testing.builders import START, Book, signature

SHANGHAI = ZoneInfo("Asia/Shanghai")


def by(user: str, role: str) -> Any:
    return signature(signer=user, role=role, meaning="performed")


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    """Two lines' story, and what people did besides."""
    book = Book()
    enrolled = PersonEnrolled(
        user="op.zhou", printed_name="Zhou Min 周敏", roles=("operator",), zone="Asia/Shanghai", signature=None
    )
    book.tell("person/op.zhou", enrolled, actor="system:access")
    resolved = StepResolved(step="a/b", attempt=1, resolution="done", reason="seen on the display")
    book.tell("batch-notes/1", resolved, actor="person:op.zhou")
    changed = RolesChanged(
        user="op.zhou", old=("operator",), new=("operator", "planner"), reason="new task", signature=by("ad.min", "qa")
    )
    book.tell("person/op.zhou", changed)
    book.tell("batch-notes/1", resolved, actor="person:op.zhou")
    write_story(book, read_pack("car_t_cd19").master)
    corrected = ValueCorrected(
        corrects=3, field="temperature", old=5.0, new=6.5, reason="=misread", signature=by("op.zhou", "operator")
    )
    book.tell("batch/FX-002", corrected, after(START, 1), actor="person:op.zhou")
    refused = ActRefused(act="dispose", subject="batch/FX-002", user="op.zhou", roles=("operator",), reason="no right")
    book.tell("access/refusals", refused, actor="system:access")
    erased = IdentityErased(subject="S-1", reason="asked", signature=by("pi.lead", "principal_investigator"))
    book.tell("identity/S-1", erased, actor="person:pi.lead")
    closed = AccountClosed(user="op.zhou", reason="left", signature=by("ad.min", "administrator"))
    book.tell("person/op.zhou", closed, actor="person:ad.min")
    book.tell("record", RecordUpgraded(from_format=2, to_format=3))
    return Shelf(book.ledger)


def rows(shelf: Shelf, **asked: Any) -> list[AuditRow]:
    return list(audit_rows(shelf, Asked(**asked)))


def one(shelf: Shelf, name: str, **asked: Any) -> AuditRow:
    return rows(shelf, name=name, **asked)[0]


def test_every_entry_is_a_row_newest_first(shelf: Shelf) -> None:
    assert [row.sequence for row in rows(shelf)] == list(reversed(range(shelf.size)))
    for row, recorded in zip(rows(shelf, descending=False), shelf.entries(), strict=True):
        entry = recorded.entry
        assert (row.name, row.stream, row.position) == (entry.name, entry.stream, entry.position)
        assert (row.happened_at, row.recorded_at) == (entry.happened_at, entry.recorded_at)
        assert row.what.en
        assert row.what.zh


def test_a_correction_says_who_old_new_and_the_reason_that_was_asked_for(shelf: Shelf) -> None:
    row = one(shelf, "value-corrected/1")
    assert (row.who.user, row.who.printed_name, row.who.roles) == ("op.zhou", "Chen Wei", ("operator",))
    assert (row.who.zone, row.who.meaning) == ("Asia/Shanghai", "performed")
    (change,) = row.changes
    assert (change.what, change.old, change.new) == ("temperature", 5.0, 6.5)
    assert (row.reason, row.prompted) == ("=misread", True)


def test_the_reason_of_a_first_code_is_the_programs_own_and_that_of_a_later_one_a_persons() -> None:
    first = EnrolmentCodeIssued(
        user="op.sun", issued_by="ad.min", reason=ENROLLED, signature=by("ad.min", "administrator")
    )
    assert reason_of(first) == (ENROLLED, False)
    assert reason_of(dataclasses.replace(first, reason="phone lost")) == ("phone lost", True)


def test_an_unsigned_entry_shows_the_name_and_the_roles_as_they_were_then(shelf: Shelf) -> None:
    second, first = rows(shelf, name="step-resolved/1")
    assert (first.who.printed_name, first.who.roles) == ("Zhou Min 周敏", ("operator",))
    assert (second.who.printed_name, second.who.roles) == ("Zhou Min 周敏", ("operator", "planner"))
    assert first.who.zone == "Asia/Shanghai"
    assert first.prompted is False, "nobody was asked: the read-back said it"


def test_a_machine_is_its_actor_and_nobody(shelf: Shelf) -> None:
    row = one(shelf, "readings-recorded/1")
    assert (row.who.user, row.who.printed_name, row.who.roles) == ("", "", ())
    assert row.who.actor.startswith("equipment:")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("set-point-moved/1", [("expansion.perfusion_rate", 0.5, 0.8, "1/d")]),
        ("roles-changed/1", [("roles", "operator", "operator, planner", "")]),
        ("account-closed/1", [("account", "open", "closed", "")]),
        ("identity-erased/1", [("S-1", "kept", "erased", "")]),
        ("record-upgraded/1", [("format", 2, 3, "")]),
        ("deviation-closed/1", [("D-FX-001-1", "open", "continue", "")]),
        ("change-signed/1", [("P-001", "open", "signed", "")]),
        ("batch-created/1", []),
    ],
)
def test_old_and_new_of(shelf: Shelf, name: str, changes: list[tuple[Any, ...]]) -> None:
    assert [(each.what, each.old, each.new, each.unit) for each in one(shelf, name).changes] == changes


def test_a_recipe_version_tells_every_parameter_that_differs_from_the_one_before(shelf: Shelf) -> None:
    newest, *first = rows(shelf, name="recipe-approved/1")
    assert [each.what for each in newest.changes] == ["recipe version", "expansion.il2 target", "expansion.il2 NOR"]
    assert ("100 IU/mL", "140 IU/mL") in [(each.old, each.new) for each in newest.changes]
    assert [row.changes for row in first] == [(), ()]


def test_a_disposition_says_what_stood_before(shelf: Shelf) -> None:
    (change,) = one(shelf, "disposition-signed/1").changes
    assert (change.old, change.new) == ("undecided", "released")


def test_changes_only(shelf: Shelf) -> None:
    shown = rows(shelf, changes=True)
    assert {row.name for row in shown} >= {"value-corrected/1", "set-point-moved/1", "roles-changed/1"}
    assert all(row.changes for row in shown)
    assert [row.sequence for row in shown] == [row.sequence for row in rows(shelf) if row.changes]


def test_filters_by_who_role_name_stream_batch_text_and_period(shelf: Shelf) -> None:
    assert {row.name for row in rows(shelf, who="op.zhou")} == {
        "act-refused/1", "step-resolved/1", "value-corrected/1",
    }  # fmt: skip
    assert {row.who.user for row in rows(shelf, role="planner")} == {"op.zhou"}
    assert {row.stream for row in rows(shelf, batch="FX-002")} == {"batch/FX-002", "order/O-FX-002"}
    assert {row.stream for row in rows(shelf, stream="identity/")} == {"identity/S-1"}
    assert [row.name for row in rows(shelf, text="ERASED")] == ["identity-erased/1"]
    assert [row.name for row in rows(shelf, text="删除")] == ["identity-erased/1"]
    assert rows(shelf, text="=misread")[0].name == "value-corrected/1"
    day = rows(shelf, batch="FX-002", since=START, until=after(START, 2))
    assert [row.name for row in day] == ["value-corrected/1"]
    assert rows(shelf, batch="FX-002", name="value-corrected/1", who="ad.min") == []
    with pytest.raises(UserError, match="no batch 'B-9'"):
        rows(shelf, batch="B-9")


@pytest.mark.parametrize("descending", [True, False])
def test_sorting_by_who_and_what_keeps_the_newest_first_among_equals(shelf: Shelf, descending: bool) -> None:
    shown = rows(shelf, sort="what", descending=descending)
    names = [row.name for row in shown]
    assert names == sorted(names, reverse=descending)
    same = [row.sequence for row in shown if row.name == "result-recorded/1"]
    assert same == sorted(same, reverse=True)
    people = [row.who.user or row.who.actor for row in rows(shelf, sort="who", descending=descending)]
    assert people == sorted(people, reverse=descending)


@settings(max_examples=25, deadline=None)
@given(st.integers(-3, 60), st.integers(1, 40), st.sampled_from(SORTS), st.booleans())
def test_the_pages_together_are_the_whole_trail(
    shelf: Shelf, page: int, per_page: int, sort: Any, descending: bool
) -> None:
    asked = Asked(sort=sort, descending=descending, batch="FX-002")
    view = audit_view(shelf, asked, page=page, per_page=per_page)
    whole = list(audit_rows(shelf, asked))
    assert view.found == len(whole)
    assert view.pages == -(-len(whole) // per_page)
    assert 1 <= view.page <= view.pages
    assert list(view.rows) == whole[(view.page - 1) * per_page : view.page * per_page]


def test_the_csv_reads_back_as_it_was_and_hides_no_change(shelf: Shelf) -> None:
    shown = rows(shelf)
    text = to_csv(shown, SHANGHAI)
    assert text.count("\r\n") >= len(shown)
    lines = list(csv.DictReader(StringIO(text, newline="")))
    assert tuple(lines[0]) == COLUMNS
    assert {int(line["sequence"]) for line in lines} == set(range(shelf.size))
    assert len(lines) == sum(max(1, len(row.changes)) for row in shown)
    line = next(line for line in lines if line["entry"] == "value-corrected/1")
    assert (line["old"], line["new"], line["reason_prompted"], line["zone"]) == ("5.0", "6.5", "yes", "Asia/Shanghai")
    assert line["happened_at"].endswith("+08:00")
    assert datetime.fromisoformat(line["happened_at_utc"]) == after(START, 1)


@pytest.mark.parametrize("beginning", [*"=+-@\t\r\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_a_reason_that_a_table_program_would_run_is_text(shelf: Shelf, beginning: str) -> None:
    row = dataclasses.replace(one(shelf, "value-corrected/1"), reason=f"{beginning}cmd|' /C calc'!A0")
    (line,) = csv.DictReader(StringIO(to_csv([row], SHANGHAI), newline=""))
    assert line["reason"] == f"'{row.reason}"


def test_no_cell_is_taken_for_a_formula(shelf: Shelf) -> None:
    lines = list(csv.DictReader(StringIO(to_csv(rows(shelf), SHANGHAI), newline="")))
    assert next(line["reason"] for line in lines if line["entry"] == "value-corrected/1") == "'=misread"
    assert not [cell for line in lines for cell in line.values() if cell[:1] in ("=", "+", "@")]


def test_the_json_says_the_same(shelf: Shelf) -> None:
    told = json.loads(json.dumps(to_json(rows(shelf), SHANGHAI)))
    corrected = next(each for each in told if each["entry"] == "value-corrected/1")
    assert corrected["changes"] == [{"what": "temperature", "old": 5.0, "new": 6.5, "unit": ""}]
    assert corrected["what"]["zh"] != corrected["what"]["en"]
    assert datetime.fromisoformat(corrected["recorded_at"]).utcoffset() == timedelta(hours=8)


@pytest.mark.parametrize(
    ("text", "end", "expected"),
    [
        ("2026-06-01", False, "2026-05-31T16:00:00+00:00"),
        ("2026-06-01", True, "2026-06-01T16:00:00+00:00"),
        ("2026-06-01T08:00", False, "2026-06-01T00:00:00+00:00"),
        ("2026-06-01T08:00:00Z", True, "2026-06-01T08:00:00+00:00"),
    ],
)
def test_a_day_is_a_day_of_the_zone_asked_for(text: str, end: bool, expected: str) -> None:
    found = moment(text, SHANGHAI, end=end)
    assert found is not None
    assert found.astimezone(UTC).isoformat() == expected


def test_times_are_shown_with_their_offset_in_summer_and_winter() -> None:
    berlin = zone_named("Europe/Berlin")
    assert stamp(datetime(2026, 7, 1, tzinfo=UTC), berlin) == "2026-07-01 02:00:00 +02:00"
    assert stamp(datetime(2026, 1, 1, tzinfo=UTC), berlin) == "2026-01-01 01:00:00 +01:00"
    assert stamp(datetime(2026, 1, 1, tzinfo=UTC), zone_named("America/St_Johns")) == "2025-12-31 20:30:00 -03:30"


@pytest.mark.parametrize("ask", [lambda: moment("June", SHANGHAI), lambda: moment("9999-12-31", SHANGHAI, end=True)])
def test_a_day_that_is_none_is_said(ask: Any) -> None:
    with pytest.raises(UserError, match="is no day or time"):
        ask()


@pytest.mark.parametrize("name", ["Mars/Base", "../../etc/passwd", "Europe"])
def test_a_zone_that_is_none_is_said(name: str) -> None:
    with pytest.raises(UserError, match="is no time zone"):
        zone_named(name)


def test_an_order_that_is_none_is_said() -> None:
    with pytest.raises(UserError, match="choose from time, who, what"):
        sort_named("colour")


@pytest.mark.parametrize("kind", ALL_FACTS, ids=lambda kind: str(kind.NAME))
def test_a_fact_that_gives_a_reason_shows_it(kind: type[Fact]) -> None:
    fields = {"reason", "remarks", "ground"} & {each.name for each in dataclasses.fields(cast(Any, kind))}
    fact = object.__new__(kind)
    for name in fields:
        object.__setattr__(fact, name, "because")
    with contextlib.suppress(AttributeError):
        object.__setattr__(fact, "signature", None)
    if fields:
        assert reason_of(fact)[0] == "because"


def test_only_facts_of_the_house_change_something() -> None:
    assert set(CHANGING) <= set(ALL_FACTS)
