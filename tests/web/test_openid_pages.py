"""Signing in through the house's OpenID provider, at the pages: who is let in, who is not, and what is kept of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, build_opener

import pytest
from tests.web.provider import CLIENT, SECRET, Provider, providing
from tests.web.site import Answer
from tests.web.staffed import Browser, House, enrol, house

from cytoloop.core.facts.people import ActRefused, SignedIn


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


@dataclass
class Site:
    """A house whose people may come in through a provider."""

    house: House
    provider: Provider

    def back(self, browser: Browser, to: str = "/audit") -> str:
        """The address on which the provider sends the browser back."""
        begun = browser.get(f"/openid/begin?next={to}")
        assert begun.status == 303, begun.text
        try:
            build_opener(_Stay).open(begun.headers["location"], timeout=30)
        except HTTPError as answer:
            with answer:
                return str(answer.headers["location"]).removeprefix(self.house.address)
        raise AssertionError("the provider sends the browser back")

    def come_in(self, browser: Browser, to: str = "/audit") -> Answer:
        """The whole way to the provider and back."""
        return browser.get(self.back(browser, to))

    def refusals(self) -> list[ActRefused]:
        facts = (recorded.fact for recorded in self.house.ledger.stream("access/refusals"))
        return [fact for fact in facts if isinstance(fact, ActRefused)]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A house and its provider, on one clock."""
    monkeypatch.setenv("CYTOLOOP_OPENID_SECRET", SECRET)
    with providing(None) as provider:  # type: ignore[arg-type]
        settings = f"openid:\n  issuer: {provider.issuer}\n  client_id: {CLIENT}\n"
        for made in house(tmp_path, settings=settings):
            provider.clock = made.clock
            yield Site(made, provider)


def test_whoever_the_provider_proves_comes_in_where_they_wanted_to(site: Site) -> None:
    browser = site.house.browser()
    assert 'href="/openid/begin?next=/audit"' in browser.get("/sign-in?next=/audit").text
    answer = site.come_in(browser)
    assert answer.status == 200
    assert 'url=/audit"' in answer.text, "a page of ours leads on, so that the strict cookie is shown"
    assert browser.get("/audit").status == 200
    fact = list(site.house.ledger.stream("person/qa.li"))[-1].fact
    assert isinstance(fact, SignedIn)
    assert fact.method == "openid"


def test_the_way_in_signs_nothing(site: Site) -> None:
    browser = site.house.browser()
    site.come_in(browser)
    form = browser.form("/sign/review-record?batch=B-1&remarks=")
    assert browser.post("/sign/review-record", form).status == 403
    assert "record-reviewed/1" not in site.house.names("batch/B-1")


def test_an_answer_is_good_once_and_in_the_browser_that_asked(site: Site) -> None:
    browser = site.house.browser()
    address = site.back(browser)
    assert site.house.browser().get(address).status == 403
    assert browser.get(address).status == 200
    assert browser.get(address).status == 403


@pytest.mark.parametrize("user", ["nobody", "op.zhou", "qp.he"], ids=["unknown", "not a person", "not confirmed"])
def test_who_is_no_active_person_here_stays_outside_and_the_refusal_is_an_entry(site: Site, user: str) -> None:
    enrol(site.house, site.house.people, "qp.he", "He Qing 何青", "qualified_person", confirm=False)
    site.provider.user, before = user, len(site.refusals())
    browser = site.house.browser()
    answer = site.come_in(browser)
    assert answer.status == 403
    assert "do not match" in answer.text
    assert browser.get("/audit").status == 303
    assert [each.act for each in site.refusals()[before:]] == ["sign-in"]
    assert "nobody" not in str(site.refusals()[-1].user)


def test_a_token_that_does_not_hold_is_refused_in_an_entry_without_its_words(site: Site) -> None:
    site.provider.claims = lambda claims: {**claims, "aud": "another", "preferred_username": "Zhang San"}
    answer = site.come_in(site.house.browser())
    assert (answer.status, "made for another client" in answer.text) == (403, True)
    assert "Zhang San" not in site.refusals()[-1].reason


def test_a_provider_that_lets_nobody_in_is_told_in_chinese_too(site: Site) -> None:
    site.provider.error = "access_denied"
    browser = site.house.browser()
    browser.get("/sign-in?lang=zh")
    assert "登录服务未允许登录（access_denied）" in site.come_in(browser).text


def test_a_sign_in_never_leads_to_another_site(site: Site) -> None:
    answer = site.come_in(site.house.browser(), "https://evil.example/")
    assert 'url=/"' in answer.text


def test_a_provider_that_is_away_is_named_and_the_other_ways_stay(site: Site) -> None:
    site.provider.metadata = {"token_endpoint": "http://id.example.org/token"}
    answer = site.house.browser().get("/openid/begin")
    assert answer.status == 502
    assert "is not https" in answer.text
    assert 'name="secret"' in answer.text


def test_a_secret_that_is_not_set_is_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CYTOLOOP_OPENID_SECRET")
    answer = site.house.browser().get("/openid/begin")
    assert "put it into the environment as CYTOLOOP_OPENID_SECRET" in answer.text


def test_a_site_without_a_provider_has_no_such_way(tmp_path: Path) -> None:
    for here in house(tmp_path):
        assert here.browser().get("/openid/begin").status == 404
        assert "/openid/begin" not in here.browser().get("/sign-in").text
