"""The page of a proposal: what a reviewer reads before signing, and how its claim stands, in a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from tests.web.site import Site, running
from tests.web.story import write_story
from tests.web.test_browser import DESK, TABLET, Visit, visit

from cytoloop.core.facts.claim import (
    ChangeClaimed,
    ClaimDecided,
    ClaimedAttribute,
    ClaimRule,
    ClaimTested,
    ProposalWithheld,
)
from cytoloop.core.facts.compliance import GateJudged
from cytoloop.core.facts.feedback import ChangeSigned, Interval, Lineage, ParameterMove, ProposalDrafted
from cytoloop.core.master import MasterRecipe
from cytoloop.core.time import after
from cytoloop.feedback.proposal.claim import TEST, rule_sha256
from cytoloop.testing.builders import START, Book, signature
from cytoloop.web.app import make_app

pytestmark = pytest.mark.browser
STREAM = "recipe/closed_loop/car_t_cd19"
DOSE = Interval(median=40.0, low=10.0, high=70.0, unit="1e6 cells")
VIABILITY = (0.7, 0.75, 0.8, 0.85, 0.9)
FLAT = Interval(median=0.0, low=-0.01, high=0.01, unit="fraction")


def claim() -> ChangeClaimed:
    dose = ClaimedAttribute(
        attribute="viable_car_cells", unit="1e6 cells", better="more", scale="log", effect=0.1, predicted=DOSE
    )
    viability = ClaimedAttribute(
        attribute="viability", unit="fraction", better="more", scale="linear", effect=0.03, predicted=FLAT
    )
    rule = ClaimRule(
        test=TEST, line="closed_loop", recipe="car_t_cd19", from_version=1, to_version=2, claimed=dose,
        guarded=(viability,), odds=(2.0, 6.0), error_kept=0.1, error_refuted=0.1, most_batches=12,
        references=("CL-001",), twin="", expected_from=48.0,
        power={"kept": 0.6, "refuted": 0.02, "undecided": 0.38},
    )  # fmt: skip
    return ChangeClaimed(claim="CLAIM-9", proposal="PROP-9", rule=rule, rule_sha256=rule_sha256(rule))


def write_claim(book: Book, master: MasterRecipe) -> None:
    """The story, and a proposal whose claim was refuted and for which the way back is drafted."""
    write_story(book, master)
    at, stated = after(START, 24 * 40), claim()
    draft = ProposalDrafted(
        proposal="PROP-9", recipe="car_t_cd19", from_version=1,
        moves=(ParameterMove(parameter="transduction.moi", old=3.0, new=4.0, unit="TU/cell"),), twin="culture@12ab",
        batches=("CL-001",), predicted={"viable_car_cells": DOSE, "viability": FLAT, "in_specification": FLAT},
        risk="the effect is inferred", risk_zh="效果为推断", gate_row=9, filing="inside the filed ranges",
        filing_zh="在备案范围之内", chance_before=0.7, chance_after=0.8,
        expected_before={"viable_car_cells": (150.0, 220.0, 300.0, 380.0, 520.0), "viability": VIABILITY},
        expected_after={"viable_car_cells": (170.0, 250.0, 340.0, 430.0, 580.0), "viability": VIABILITY},
        lineage=(Lineage(batch="CL-001", recipe_version=1, entries=10, sha256="0" * 64),),
    )  # fmt: skip
    book.tell(STREAM, draft, at)
    book.tell(STREAM, stated, at)
    book.tell(STREAM, GateJudged(row=9, answer="open-a-change", subject="PROP-9", reason="one parameter"), at)
    signed = ChangeSigned(
        change="CHG-9", proposal="PROP-9", recipe="car_t_cd19", to_version=2, substantive=False,
        signature=signature(role="principal_investigator", at=at), claim_sha256=stated.rule_sha256,
    )  # fmt: skip
    book.tell(STREAM, signed, at)
    for count, (result, kept, against) in enumerate([(380.0, 1.4, 0.6), (None, 0.5, 2.0), (120.0, 0.1, 24.0)], 1):
        tested = ClaimTested(
            claim="CLAIM-9", rule_sha256=stated.rule_sha256, batch=f"CL-{count + 1:03d}", arm="after", position=9,
            result=result, expected=None, before=1, after=count, moved=count, evidence_kept=kept,
            evidence_refuted=against, evidence_harm={"viability": 0.4},
        )  # fmt: skip
        book.tell(STREAM, tested, after(at, 24.0 * count))
    decided = ClaimDecided(
        claim="CLAIM-9", rule_sha256=stated.rule_sha256, verdict="refuted", reason="less than claimed",
        reason_zh="改进小于声明",
        batches=("CL-002",),
    )  # fmt: skip
    book.tell(STREAM, decided, after(at, 80))
    back = ProposalDrafted(
        proposal="PROP-9-BACK", recipe="car_t_cd19", from_version=2,
        moves=(ParameterMove(parameter="transduction.moi", old=4.0, new=3.0, unit="TU/cell"),), twin="culture@12ab",
        batches=("CL-001", "CL-002"), predicted={"viable_car_cells": DOSE}, risk="back", gate_row=9, filing="f",
        undoes="CLAIM-9",
    )  # fmt: skip
    book.tell(STREAM, back, after(at, 90))
    withheld = ProposalWithheld(
        recipe="car_t_cd19", from_version=2, batches=("CL-001",), reason="too few batches", reason_zh="批次过少"
    )
    book.tell(STREAM, withheld, after(at, 91))


@pytest.fixture(scope="module")
def claimed(master: MasterRecipe) -> Iterator[Site]:
    book = Book()
    write_claim(book, master)
    yield from running(make_app(lambda: book.ledger))


@pytest.fixture(params=[TABLET, DESK], ids=["tablet", "desk"])
def reviewer(request: pytest.FixtureRequest, browser: Browser, claimed: Site) -> Iterator[Visit]:
    context, made = visit(browser, claimed, request.param)
    yield made
    context.close()
    assert made.complaints == []
    assert made.elsewhere == []


@pytest.mark.parametrize(("lang", "refuted"), [("en", "Change claim refuted"), ("zh", "变更声明：被否定")])
def test_a_proposal_is_drawn_and_fits(reviewer: Visit, lang: str, refuted: str) -> None:
    page = reviewer.to("/proposals/PROP-9", lang)
    page.wait_for_selector("main[data-drawn]", timeout=20_000)
    assert page.locator("main").get_attribute("data-drawn") == "3"
    expect(page.locator("h1")).to_contain_text(refuted)
    assert reviewer.overflow() <= 0
    expect(page.locator("#chart-evidence")).to_be_visible()
    expect(page.get_by_text("PROP-9-BACK")).to_be_visible()
    if lang == "zh":
        expect(page.get_by_text("效果为推断")).to_be_visible()


def test_the_way_back_names_what_it_takes_back(reviewer: Visit) -> None:
    page = reviewer.to("/proposals/PROP-9-BACK")
    page.wait_for_selector("main[data-drawn]", timeout=20_000)
    page.locator("dd").get_by_role("link", name="PROP-9", exact=True).click()
    expect(page).to_have_url(f"{reviewer.site.address}/proposals/PROP-9")
    page.wait_for_selector("main[data-drawn]", timeout=20_000)


def test_the_loop_leads_to_the_proposals(reviewer: Visit) -> None:
    page = reviewer.to("/")
    expect(page.locator("#region-proposals tbody tr")).to_have_count(3)
    page.get_by_role("link", name="All proposals and claims").click()
    expect(page.get_by_text("too few batches")).to_be_visible()
    assert reviewer.overflow() <= 0


def test_evidence_that_is_not_as_it_was_read_is_told(claimed: Site) -> None:
    text = claimed.get("/proposals/PROP-9").text
    assert "not as it was read" in text
    assert "In the claim" in text
    assert "In the claim" not in claimed.get("/proposals/PROP-9-BACK").text
    assert claimed.get("/proposals/NOWHERE").status == 404
    assert claimed.get("/api/proposals/NOWHERE/charts.json").status == 404
