"""The page of the line: every unit with its batch, who is waited for, what is held; drawn, and legible everywhere."""

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.asking import ask, begun, say
from tests.web.running_line import running_line
from tests.web.site import Site, running

from cytoloop.adapters.clocks import FolderClock, ScaledClock, SimulatedClock, kept_clock
from cytoloop.app.views_line import LinePicture, line_picture
from cytoloop.app.views_shelf import Shelf
from cytoloop.core.facts.monitoring import AlarmRaised
from cytoloop.record.ledger import Ledger
from cytoloop.testing.builders import START, Book
from cytoloop.web.app import make_app

SIZES = ((1024, 768), (1440, 900))


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ledger, SimulatedClock]:
    return running_line(tmp_path_factory.mktemp("line"))


@pytest.fixture(scope="module")
def site(line: tuple[Ledger, SimulatedClock]) -> Iterator[Site]:
    ledger, clock = line
    yield from running(make_app(lambda: ledger, clock=clock))


@pytest.fixture(scope="module")
def view(line: tuple[Ledger, SimulatedClock]) -> LinePicture:
    ledger, clock = line
    return line_picture(Shelf(ledger), clock.now())


def test_every_batch_in_production_has_its_place(view: LinePicture, line: tuple[Ledger, SimulatedClock]) -> None:
    tiles = [tile for lane in view.lanes for tile in lane.tiles]
    assert len(tiles) == 20
    present = [tile for tile in tiles if tile.state not in ("free", "kept")]
    running = [batch.number for batch in Shelf(line[0]).batches() if not batch.ended]
    assert len(running) == view.running + view.held == sum(1 + tile.more for tile in present)
    assert {tile.batch for tile in present} <= set(running)
    assert all(tile.doing and tile.operation and 0 <= tile.done <= 1 for tile in present)


def test_who_is_waited_for_and_what_is_held_is_seen_on_the_unit(view: LinePicture) -> None:
    by_batch = {tile.batch: tile for lane in view.lanes for tile in lane.tiles if tile.state != "kept"}
    assert view.deviations, "the picture has a batch that quality assurance has to decide on"
    for deviation in view.deviations:
        assert by_batch[deviation.batch].state == "held"
        assert by_batch[deviation.batch].deviations == 1
    (scan,) = [each for each in view.work if each.verb == "scan"]
    assert by_batch[scan.batch].state == "person"
    assert by_batch[scan.batch].unit == scan.unit == "receiving-station-01"


def test_a_batch_that_waits_for_its_time_says_when_it_is_looked_at_next(view: LinePicture) -> None:
    waiting = [tile for lane in view.lanes for tile in lane.tiles if tile.state == "waiting"]
    assert waiting
    assert all(tile.next_look and view.at < tile.next_look < view.at + timedelta(hours=24) for tile in waiting)


def test_alarms_stand_on_their_unit_until_they_are_over_and_acknowledged() -> None:
    book = Book()
    ask(book.ledger, begun(book.ledger))
    raised = AlarmRaised(
        alarm="receiving-station-01/temperature/high/2026-06-01", tag="receiving-station-01/temperature", kind="high",
        priority="high", since=START, at=START, value=31.0, unit="°C", low=None, high=25.0,
    )  # fmt: skip
    say(book.ledger, "batch/B-2", raised)
    view = line_picture(Shelf(book.ledger), START)
    assert [tile.unit for lane in view.lanes for tile in lane.tiles if tile.alarms] == ["receiving-station-01"]
    assert [(each.tag, each.state) for each in view.alarms] == [("receiving-station-01/temperature", "active")]
    for served in running(make_app(lambda: book.ledger)):
        assert "receiving-station-01/temperature" in served.get("/line?lang=zh").text


def test_a_silent_record_is_shown_as_of_its_newest_entry(line: tuple[Ledger, SimulatedClock]) -> None:
    ledger, clock = line
    later = clock.now() + timedelta(days=90)
    view = line_picture(Shelf(ledger), later)
    assert view.silent
    assert view.at <= clock.now()


def test_one_line_alone_is_shown_when_it_is_asked_for() -> None:
    book = Book()
    for number, name in (("B-2", "fixed"), ("B-3", "closed_loop")):
        begun(book.ledger, number, line=name)
        ask(book.ledger, number)
    whole = line_picture(Shelf(book.ledger), START)
    assert (whole.lines, len(whole.work)) == (("fixed", "closed_loop"), 2)
    alone = line_picture(Shelf(book.ledger), START, line="closed_loop")
    assert [each.batch for each in alone.work] == ["B-3"]


def test_an_empty_record_has_an_empty_line() -> None:
    view = line_picture(Shelf(Book().ledger), START)
    assert (view.lanes, view.work, view.running, view.silent) == ((), (), 0, False)


def test_pages_show_the_time_of_the_line_that_runs_on_the_folder(tmp_path: Path) -> None:
    """A line at a hundred times the wall's speed, a day ahead of it: others follow while it runs, and no longer."""
    clock, other = ScaledClock(ScaledClock().now() + timedelta(days=1), 100.0), FolderClock(tmp_path)
    assert not other.line_runs
    with kept_clock(tmp_path, clock):
        other = FolderClock(tmp_path)
        assert other.line_runs
        assert abs(other.now() - clock.now()) < timedelta(seconds=60)
    after = FolderClock(tmp_path)
    assert not after.line_runs, "the file of a line that ended, or was killed, is nobody's time"
    assert abs(after.now() - ScaledClock().now()) < timedelta(seconds=60)


def complaints_of(page: Page) -> list[str]:
    """What goes wrong on a page from now on."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


@pytest.mark.browser
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_documents_pictures_show_the_line(browser: Browser, site: Site, tmp_path: Path, lang: str) -> None:
    """Writes line-en.png and line-zh.png to CYTOLOOP_PICTURES_TO (docs/images) when it is named."""
    folder = Path(os.environ.get("CYTOLOOP_PICTURES_TO", tmp_path))
    for width, height in SIZES:
        context = browser.new_context(viewport={"width": width, "height": height})
        page = context.new_page()
        complaints = complaints_of(page)
        page.goto(f"{site.address}/line?lang={lang}")
        expect(page.locator("h1")).to_have_text("The line" if lang == "en" else "产线")
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        assert page.locator(".tile").count() == 20
        cut = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1 && e.checkVisibility()).length"
        assert page.locator(".tile-head, .tile-when span").evaluate_all(cut) == 0, "nothing on a unit is cut off"
        picture = (folder if width == SIZES[-1][0] else tmp_path) / f"line-{lang}.png"
        page.screenshot(path=picture)
        assert picture.stat().st_size > 20_000
        context.close()
        assert complaints == []


def test_the_page_leads_to_what_is_asked(site: Site) -> None:
    page = site.get("/line").text
    assert re.search(r'href="/request/B-C011/receipt/scan_leukapheresis~1"', page)
    assert site.get("/line?line=closed_loop").status == 200
    assert site.get("/api/line.json").json["entries"] == re.findall(r'data-seen="([^"]+)"', page)[0]
