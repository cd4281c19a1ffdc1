"""What the tests of the pages may ask for."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from tests.web.site import Site, running
from tests.web.story import write_story

from cytoloop.app.packs import read_pack
from cytoloop.core.master import MasterRecipe
from cytoloop.testing.builders import Book
from cytoloop.web.app import make_app


@pytest.fixture(scope="session")
def master() -> MasterRecipe:
    """The master recipe of the shipped pack."""
    return read_pack("car_t_cd19").master


@pytest.fixture(scope="session")
def told(master: MasterRecipe) -> Book:
    """The book with the story in it; tests only read it."""
    book = Book()
    write_story(book, master)
    return book


@pytest.fixture(scope="session")
def site(told: Book) -> Iterator[Site]:
    """The pages over the story."""
    yield from running(make_app(lambda: told.ledger))


@pytest.fixture
def empty_site() -> Iterator[Site]:
    """The pages over an empty record."""
    yield from running(make_app(lambda: Book().ledger))


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; its absence is a failure, because these pages are only proven in a browser."""
    found = os.environ.get("CYTOLOOP_BROWSER") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found or not Path(found).exists():
        pytest.fail("no Chromium is here: install the package `chromium`, or name one in CYTOLOOP_BROWSER")
    return found


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One Chromium for all tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()
