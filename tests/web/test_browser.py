"""The pages in a real browser: drawn, quiet, at home on this machine only, legible on a tablet and at a desk."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect
from tests.web.site import Site, running
from tests.web.story import write_story

from cytoloop.app.bootstrap import readable_record
from cytoloop.core.facts.quality import DeviationOpened
from cytoloop.core.master import MasterRecipe
from cytoloop.testing.builders import Book, forecast
from cytoloop.web.app import make_app

pytestmark = pytest.mark.browser
TABLET, DESK = (1024, 768), (1440, 900)
WAIT = 20_000
"""Milliseconds after which something that was to appear has failed."""


@dataclass
class Visit:
    """A page in the browser with everything that went wrong or elsewhere."""

    page: Page
    site: Site
    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def to(self, path: str, lang: str = "en") -> Page:
        """Go to `path` and wait until it is drawn."""
        self.page.goto(f"{self.site.address}{path}?lang={lang}")
        if path.startswith("/batches/"):
            self.page.wait_for_selector("main[data-drawn]", timeout=WAIT)
        return self.page

    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


def visit(browser: Browser, site: Site, size: tuple[int, int]) -> tuple[BrowserContext, Visit]:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    made = Visit(context.new_page(), site)

    def asked(request: Request) -> None:
        if not request.url.startswith((site.address, "data:", "blob:")):
            made.elsewhere.append(request.url)

    made.page.on("request", asked)
    made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
    made.page.on(
        "console",
        lambda message: made.complaints.append(message.text) if message.type in ("error", "warning") else None,
    )
    return context, made


@pytest.fixture(params=[TABLET, DESK], ids=["tablet", "desk"])
def visitor(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[Visit]:
    context, made = visit(browser, site, request.param)
    yield made
    context.close()
    assert made.complaints == []
    assert made.elsewhere == []


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where screenshots go."""
    folder = Path(os.environ.get("CYTOLOOP_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


VISITS = [
    ("loop", "/", "The loop", "治疗闭环"),
    ("batches", "/batches", "Batches", "批次"),
    ("batch", "/batches/CL-002", "CL-002", "CL-002"),
    ("record", "/record", "The record", "记录"),
    ("entry", "/record/5", "Entry 5", "条目 5"),
    ("recipe", "/recipes/closed_loop", "Autologous anti-CD19 CAR-T", "自体抗 CD19 CAR-T"),
]


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(("name", "path", "english", "chinese"), VISITS, ids=[each[0] for each in VISITS])
def test_every_page_is_drawn_and_fits(
    visitor: Visit, pictures: Path, *, lang: str, name: str, path: str, english: str, chinese: str
) -> None:
    page = visitor.to(path, lang)
    expect(page.locator("h1")).to_contain_text(english if lang == "en" else chinese)
    assert visitor.overflow() <= 0
    size = page.viewport_size
    assert size is not None
    page.screenshot(path=pictures / f"{name}-{lang}-{size['width']}.png", full_page=name != "loop")


def test_the_four_stages_stand_in_a_row_above_the_fold(visitor: Visit) -> None:
    page = visitor.to("/")
    boxes = [page.locator(f".stage-{number}").bounding_box() for number in (1, 2, 3, 4)]
    found = [box for box in boxes if box]
    assert len(found) == 4
    assert [box["x"] for box in found] == sorted(box["x"] for box in found)
    assert len({round(box["y"]) for box in found}) == 1
    size = page.viewport_size
    assert size is not None
    assert page.locator(".arc-outcomes").evaluate("e => e.getBoundingClientRect().bottom") < size["height"]


def test_the_counts_are_the_same_in_both_languages(visitor: Visit) -> None:
    def counted(lang: str) -> list[str]:
        return visitor.to("/", lang).locator("[data-count]").all_inner_texts()

    assert counted("en") == counted("zh")
    assert len(counted("en")) == 24


def test_the_language_is_switched_by_a_click_and_stays(visitor: Visit) -> None:
    page = visitor.to("/")
    page.get_by_role("link", name="中文").click()
    expect(page.locator("h1")).to_have_text("治疗闭环")
    page.goto(f"{visitor.site.address}/record")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")


def test_the_batch_page_draws_every_chart(visitor: Visit) -> None:
    page = visitor.to("/batches/CL-002")
    places = page.locator("[data-chart]")
    assert places.count() == 12, "the culture, six in-process results, five signals"
    for index in range(places.count()):
        expect(places.nth(index).locator("canvas").first).to_be_attached(timeout=WAIT)


def test_an_operation_opens_to_its_steps_by_keyboard(visitor: Visit) -> None:
    page = visitor.to("/batches/CL-002")
    steps = page.locator("#fold-receipt table")
    expect(steps).to_be_hidden()
    page.locator("#fold-receipt > summary").focus()
    page.keyboard.press("Enter")
    expect(steps).to_be_visible()
    assert steps.locator("tbody tr").count() == 3


def test_the_first_tab_stop_skips_to_the_content(visitor: Visit) -> None:
    page = visitor.to("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    assert page.get_by_role("main").count() == page.get_by_role("banner").count() == 1


def test_a_page_on_a_missing_address_is_readable(visitor: Visit) -> None:
    page = visitor.to("/nothing", "zh")
    expect(page.locator("h1")).to_have_text("此处没有内容")
    expected = "Failed to load resource: the server responded with a status of 404 (Not Found)"
    assert visitor.complaints == [expected]
    visitor.complaints.clear()


def test_open_pages_follow_the_record(browser: Browser, master: MasterRecipe) -> None:
    book = Book()
    write_story(book, master)
    for site in running(make_app(lambda: book.ledger)):
        context, made = visit(browser, site, DESK)
        batch = made.to("/batches/CL-002")
        loop = context.new_page()
        loop.goto(site.address)
        batch.locator("#fold-receipt > summary").click()
        cause = book.end("batch/CL-002") - 1
        book.tell("batch/CL-002", forecast(elapsed=150.0, in_specification=0.71))
        opened = DeviationOpened(deviation="D-9", kind="excursion", what="pH was low for 3 h", cause=cause)
        book.tell("batch/CL-002", opened)
        expect(batch.locator("#region-forecast .lead")).to_contain_text("71 %", timeout=WAIT)
        expect(batch.locator("#region-deviations")).to_contain_text("pH was low for 3 h")
        expect(batch.locator("#fold-receipt table")).to_be_visible()
        days = "Bokeh.documents.map(d => d.get_model_by_name('forecast')).find(m => m).data.day[0]"
        assert batch.evaluate(days) == 150.0 / 24
        expect(loop.locator("[data-count='production.held']")).to_have_text("2", timeout=WAIT)
        assert made.complaints == []
        context.close()


DOCUMENTS = (("loop-en", "/", "en"), ("loop-zh", "/", "zh"), ("batch-en", "/batches/{}", "en"))
"""Pictures of the documents: name, address, language."""


@pytest.fixture(scope="session")
def demonstration(demo_folder: Path) -> Iterator[Site]:
    """The pages over a demonstration's record on disk; over the one in CYTOLOOP_PICTURES_OF when it is named."""
    with readable_record(Path(os.environ.get("CYTOLOOP_PICTURES_OF", demo_folder))) as ledger:
        yield from running(make_app(lambda: ledger))


@pytest.mark.parametrize("document", DOCUMENTS, ids=[each[0] for each in DOCUMENTS])
def test_the_documents_pictures_show_a_demonstration(
    browser: Browser, demonstration: Site, tmp_path: Path, document: tuple[str, str, str]
) -> None:
    """Writes them to CYTOLOOP_PICTURES_TO (docs/images) when it is named."""
    name, path, lang = document
    steered = re.findall(r"B-C\d{3}", demonstration.get("/batches?line=closed_loop").text)[-1]
    context, made = visit(browser, demonstration, DESK)
    page = made.to(path.format(steered), lang)
    expect(page.locator("h1")).to_be_visible()
    picture = Path(os.environ.get("CYTOLOOP_PICTURES_TO", tmp_path)) / f"{name}.png"
    page.screenshot(path=picture)
    context.close()
    assert picture.stat().st_size > 20_000
    assert made.complaints == []
    assert made.elsewhere == []
