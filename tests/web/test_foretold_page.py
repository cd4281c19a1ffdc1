"""What was foretold of orders, and the outcome report, as the pages give them."""

import re
from collections.abc import Iterator

import pytest
from tests.web.site import Site, running
from tests.web.story import write_story

from cytoloop.app.packs import read_pack
from cytoloop.core.facts.feedback import Interval
from cytoloop.core.facts.foresight import PlanB, RiskAssessed
from cytoloop.testing.builders import Book
from cytoloop.web.app import make_app

RISK = Interval(median=0.31, low=0.12, high=0.55, unit="fraction")


def told(order: str, probability: float | None) -> RiskAssessed:
    """What was foretold of an order: something, or that it is not enough."""
    plan = PlanB(plan="reserved-slot", en="keep a slot free", zh="预留时段")
    return RiskAssessed(
        order=order, known="before-collection", probability=probability, interval=RISK if probability else None,
        reason_en="rests on 12 ended batches" if probability else "not enough: 2 batches", reason_zh="依据：已结束批次",
        factors={"weight": 70.0}, batches=("B-1",), failed=1, twin=None, twin_failure=None,
        plan_b=(plan,) if probability else (),
    )  # fmt: skip


@pytest.fixture(scope="module")
def page() -> Iterator[Site]:
    book = Book()
    write_story(book, read_pack("car_t_cd19").master)
    book.tell("order/O-FX-001", told("O-FX-001", 0.33))
    book.tell("order/O-CL-002", told("O-CL-002", None))
    yield from running(make_app(lambda: book.ledger))


def test_the_loop_shows_what_was_foretold_beside_what_came_of_it(page: Site) -> None:
    shown = page.get("/").text
    part = re.sub(r"<[^>]+>|\s+", " ", shown[shown.index('id="region-foretold"') :])
    assert "not enough: 2 batches" in part
    assert re.search(r"O-FX-001\s+33 %\s+12 … 55 %\s+keep a slot free\s+failed", part)
    assert "预留时段" in page.get("/?lang=zh").text
    assert re.findall("[\u4e00-\u9fff]+", shown) == ["中文"]


def test_the_outcome_report_is_there_as_json(page: Site) -> None:
    report = page.get("/api/outcome.json").json
    assert report["patients"] == 1
    assert {each["verdict"] for each in report["effects"]} == {"not-enough"}
    assert page.get("/api/outcome.json?line=third").status == 404
