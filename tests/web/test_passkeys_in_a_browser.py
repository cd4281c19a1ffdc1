"""A passkey in a real browser, with Chromium's virtual authenticator: made, signed in with, signed with."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect
from tests.web.staffed import House, enrol, house

from cytoloop.app.accounts import Accounts, Confirm
from cytoloop.app.people import Signer
from cytoloop.core.facts.quality import RecordReviewed
from cytoloop.core.signature import Password
from cytoloop.record.passkey import check_passkey

pytestmark = pytest.mark.browser
USER = "qa.mei"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[House]:
    yield from house(tmp_path / "data")


class Owner:
    """Somebody at a browser with an authenticator of their own."""

    def __init__(self, browser: Browser, site: House, size: tuple[int, int], lang: str) -> None:
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]})
        self.page, self.site, self.lang, self.complaints = self.context.new_page(), site, lang, list[str]()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.devtools: CDPSession = self.context.new_cdp_session(self.page)
        self.devtools.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True,
        }  # fmt: skip
        made = self.devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        self.authenticator = str(made["authenticatorId"])

    def verified(self, yes: bool) -> None:
        """Whether the authenticator knows its owner from now on (a finger, a PIN)."""
        asked = {"authenticatorId": self.authenticator, "isUserVerified": yes}
        self.devtools.send("WebAuthn.setUserVerified", asked)

    def to(self, path: str) -> Page:
        """Go to `path`."""
        self.page.goto(f"{self.site.address}{path}{'&' if '?' in path else '?'}lang={self.lang}")
        assert self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        return self.page

    def touch(self) -> None:
        """Press the passkey's button, and wait for what the page does with the answer."""
        with self.page.expect_navigation():
            self.page.locator("button[data-passkey]").click()


@pytest.fixture(params=[((1024, 768), "zh"), ((1440, 900), "en")], ids=["tablet-zh", "desk-en"])
def owner(request: pytest.FixtureRequest, browser: Browser, here: House) -> Iterator[Owner]:
    """An owner who has just set a passkey in the browser, and whom somebody else has confirmed."""
    made = Owner(browser, here, *request.param)
    code = enrol(here, here.people, USER, "Mei Lin 梅琳", "qa", confirm=False)
    page = made.to("/activate")
    page.fill("input[name=user]", USER)
    page.fill("input[name=invitation]", code)
    page.click("button[value=passkey]")
    page.fill("input[name=name]", "blue key")
    made.touch()
    expect(page.locator(f"text={USER}")).to_be_visible()
    confirmer = Signer(user="qa.founder", proof=Password(**here.proof("qa.founder")))
    Accounts(here.people).do(Confirm(user=USER), confirmer)
    yield made
    made.context.close()
    assert made.complaints == []


def signed_in(owner: Owner) -> Page:
    page = owner.to("/sign-in")
    page.fill("input[name=user]", USER)
    owner.touch()
    assert page.url.removeprefix(owner.site.address) == "/"
    return page


def test_a_passkey_is_made_signs_in_and_signs_exactly_what_is_shown(owner: Owner, here: House) -> None:
    page = signed_in(owner)
    page.goto(f"{here.address}/batches/B-1")
    page.click('a[href^="/sign/review-record"]')
    page.fill("textarea[name=remarks]", "read whole")
    page.click("form.stack button")
    shown = str(page.locator("input[name=digest]").input_value())
    owner.touch()
    assert page.url.removeprefix(here.address) == "/batches/B-1"
    fact = list(here.ledger.stream("batch/B-1"))[-1].fact
    assert isinstance(fact, RecordReviewed)
    signature = fact.signature
    assert (signature.signer, signature.digest) == (USER, shown)
    assert signature.components == ("user-id", "passkey")
    assert signature.passkey is not None
    check_passkey(signature, signature.passkey)


def test_a_passkey_that_does_not_know_its_owner_signs_nothing(owner: Owner, here: House) -> None:
    signed_in(owner)
    owner.verified(False)
    page = owner.to("/sign/review-record?batch=B-1&remarks=read+whole")
    page.locator("button[data-passkey]").click()
    expect(page.locator("[data-passkey-problem]")).to_be_visible(timeout=90_000)
    assert "record-reviewed/1" not in here.names("batch/B-1")


def test_a_passkey_of_somebody_else_opens_no_account(owner: Owner, here: House) -> None:
    page = owner.to("/sign-in")
    page.fill("input[name=user]", "qa.li")
    owner.touch()
    assert page.locator(".problem[role=alert]:not([hidden])").count() == 1
    assert here.names("access/refusals")[-1] == "act-refused/1"
