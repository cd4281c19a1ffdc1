"""The audit trail as a page: asked in the address, sorted by its heads, taken out as it is shown."""

import csv
import json
import re
from html import unescape
from io import StringIO

import pytest
from playwright.sync_api import Browser, expect
from tests.web.site import Site

from cytoloop.app.views import Shelf
from cytoloop.app.views_audit import PAGE
from cytoloop.testing.builders import Book
from cytoloop.web.audit import query_of

HEADS = {"en": ("When", "Who", "What", "Old → new", "Why"), "zh": ("何时", "何人", "何事", "原值 → 新值", "何故")}


def sequences(text: str) -> list[int]:
    """The entries that the page shows, in order."""
    return [int(found) for found in re.findall(r'<th scope="row"><a href="/record/(\d+)"', text)]


@pytest.mark.parametrize(("lang", "tag"), [("en", "en"), ("zh", "zh-CN")])
def test_the_page_is_there_in_both_languages(site: Site, lang: str, tag: str) -> None:
    answer = site.get(f"/audit?lang={lang}")
    assert answer.status == 200
    assert f'<html lang="{tag}">' in answer.text
    for head in HEADS[lang]:
        assert head in answer.text


def test_the_english_page_holds_no_chinese(site: Site) -> None:
    assert re.findall("[\u4e00-\u9fff]+", site.get("/audit?changes=yes").text) == ["中文"]


def test_the_newest_entries_come_first_and_pages_follow(site: Site, told: Book) -> None:
    size = Shelf(told.ledger).size
    first, second = site.get("/audit").text, site.get("/audit?page=2").text
    assert sequences(first) == list(range(size - 1, size - 1 - PAGE, -1))
    assert sequences(second) == list(range(size - 1 - PAGE, size - 1 - 2 * PAGE, -1))
    assert 'rel="next"' in first
    assert "/audit?page=2" in unescape(first)


def test_a_move_shows_old_new_and_why(site: Site) -> None:
    text = site.get("/audit?batch=CL-002&changes=yes").text
    assert re.search(r"<del>0.5</del>.*<ins>0.8</ins>", text)
    assert "glucose falls below 5 mmol/L" in text
    assert len(sequences(text)) == 1


def test_states_are_in_the_readers_language(site: Site) -> None:
    text = site.get("/audit?name=disposition-signed/1&lang=zh").text
    assert re.search(r"<del>未处置</del>.*<ins>已放行</ins>", text)


def test_times_are_of_the_zone_asked_for_with_their_offset(site: Site) -> None:
    assert "+08:00</time>" in site.get("/audit").text
    assert "+02:00</time>" in site.get("/audit?zone=Europe/Berlin").text


@pytest.mark.parametrize("query", ["from=June", "zone=Mars", "role=king", "sort=colour", "batch=B-9"])
def test_what_cannot_be_asked_is_said_on_the_page(site: Site, query: str) -> None:
    answer = site.get(f"/audit?{query}")
    assert answer.status == 400
    assert 'role="alert"' in answer.text
    assert site.get(f"/audit.csv?{query}").status == 400


def test_a_forged_filter_is_shown_as_text(site: Site) -> None:
    text = site.get("/audit?text=<script>alert(1)</script>").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_what_is_taken_out_is_what_was_asked_for(site: Site) -> None:
    query = "batch=CL-002&name=set-point-moved/1&zone=UTC"
    taken = site.get(f"/audit.csv?{query}")
    assert taken.headers["content-type"].startswith("text/csv")
    assert taken.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    (line,) = csv.DictReader(StringIO(taken.text, newline=""))
    assert (line["changed"], line["old"], line["new"], line["zone"]) == (
        "expansion.perfusion_rate",
        "0.5",
        "0.8",
        "UTC",
    )
    (row,) = json.loads(site.get(f"/audit.json?{query}").text)
    assert str(row["sequence"]) == line["sequence"]


def test_an_empty_record_has_an_empty_trail(empty_site: Site) -> None:
    assert "No entry fits." in empty_site.get("/audit").text


def test_the_heads_sort_and_turn_round() -> None:
    query = query_of({"who": "qa.chen", "page": "3"})
    assert query.sorted_by("who") == "/audit?who=qa.chen&sort=who"
    assert query.sorted_by("time") == "/audit?who=qa.chen&sort=time&order=ascending"
    turned = query_of({"who": "qa.chen", "sort": "who", "order": "ascending"})
    assert turned.sorted_by("who") == "/audit?who=qa.chen&sort=who"
    assert turned.address(page=2) == "/audit?who=qa.chen&sort=who&order=ascending&page=2"


@pytest.mark.browser
@pytest.mark.parametrize("size", [(1024, 768), (1440, 900)], ids=["tablet", "desk"])
def test_somebody_filters_and_sorts_with_the_mouse(browser: Browser, site: Site, size: tuple[int, int]) -> None:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    try:
        page.goto(f"{site.address}/audit")
        page.locator("select[name=batch]").select_option("CL-002")
        page.get_by_label("Changes only").check()
        page.get_by_role("button", name="Show").click()
        expect(page.locator("table.trail tbody tr")).to_have_count(1)
        page.get_by_role("link", name="Show all").click()
        page.get_by_role("link", name="Who", exact=True).click()
        expect(page.locator("th[aria-sort]")).to_contain_text("Who")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    finally:
        page.close()
