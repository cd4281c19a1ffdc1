"""Signing in and signing on the pages, as browsers without scripts see it; with scripts: test_passkeys_in_a_browser."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from tests.staff import entry_of, secret_of
from tests.web.staffed import Browser, House, enrol, hidden, house, options, passkey_of

from cytoloop.core.facts.people import ActRefused, SignedIn, SignedOut
from cytoloop.core.facts.quality import DispositionSigned, RecordReviewed

REVIEW = "/sign/review-record?batch=B-1&remarks=read+whole"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[House]:
    yield from house(tmp_path / "data")


def sheet(browser: Browser, address: str = REVIEW) -> dict[str, str]:
    answer = browser.get(address)
    assert answer.status == 200, answer.text
    return hidden(answer.text)


def test_nobody_reads_a_record_with_people_without_signing_in(here: House) -> None:
    stranger = here.browser()
    for path in ("/", "/batches/B-1", "/record", "/record/0", "/audit", "/audit.csv", "/people", REVIEW):
        answer = stranger.get(path)
        assert (answer.status, answer.headers["location"].partition("?")[0]) == (303, "/sign-in"), path
    assert stranger.get("/api/loop.json").status == 401
    assert stranger.get("/static/cytoloop.css").status == 200
    assert stranger.get("/sign-in").status == 200


def test_signing_in_is_an_entry_and_leads_back_to_where_one_was(here: House) -> None:
    browser = here.browser()
    asked = browser.form(browser.get("/batches/B-1").headers["location"])
    answer = browser.post("/sign-in", {**asked, "user": "qa.li", **here.proof("qa.li")})
    assert (answer.status, answer.headers["location"]) == (303, "/batches/B-1")
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert "samesite=strict" in answer.headers["set-cookie"].lower()
    page = browser.get("/batches/B-1")
    assert page.status == 200
    assert page.headers["cache-control"] == "no-store"
    last = list(here.ledger.stream("person/qa.li"))[-1]
    assert last.fact == SignedIn(user="qa.li", method="password+code")


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_never_leads_to_another_site(here: House, to: str) -> None:
    answer = here.browser().post("/sign-in", {"user": "qa.li", "next": to, **here.proof("qa.li")})
    assert answer.headers["location"] == "/"


def test_a_wrong_secret_is_refused_in_one_sentence_and_is_an_entry(here: House) -> None:
    wrong = here.browser().post("/sign-in", {"user": "qa.li", "secret": "no", "code": here.code("qa.li")})
    unknown = here.browser().post("/sign-in", {"user": "nobody", "secret": "no", "code": "123456"})
    told = [re.search(r'class="problem" role="alert">([^<]+)<', answer.text) for answer in (wrong, unknown)]
    assert wrong.status == unknown.status == 403
    assert told[0] is not None
    assert told[1] is not None
    assert told[0].group(1) == told[1].group(1)
    assert here.names("access/refusals")[-2:] == ["act-refused/1"] * 2


def test_signing_out_ends_the_session_and_is_an_entry(here: House) -> None:
    browser = here.signed_in("qa.li")
    assert browser.post("/sign-out", browser.form("/account")).status == 303
    assert browser.get("/").status == 303
    assert list(here.ledger.stream("person/qa.li"))[-1].fact == SignedOut(user="qa.li", reason="asked")


def test_an_idle_screen_is_signed_out(here: House) -> None:
    browser = here.signed_in("qa.li")
    here.clock.moment += timedelta(minutes=14)
    assert browser.get("/").status == 200
    here.clock.moment += timedelta(minutes=16)
    assert browser.get("/").status == 303
    assert list(here.ledger.stream("person/qa.li"))[-1].fact == SignedOut(user="qa.li", reason="idle")


def test_a_page_that_renews_itself_keeps_no_session_alive(here: House) -> None:
    browser = here.signed_in("qa.li")
    for _ in range(4):
        here.clock.moment += timedelta(minutes=5)
        browser.get("/api/loop.json")
    assert browser.get("/").status == 303


def test_no_session_outlives_a_shift(here: House) -> None:
    browser = here.signed_in("qa.li")
    for _ in range(12 * 6):
        here.clock.moment += timedelta(minutes=10)
        browser.get("/")
    here.clock.moment += timedelta(minutes=1)
    assert browser.get("/").status == 303


def test_another_sites_page_signs_nobody_out_and_signs_nothing(here: House) -> None:
    browser = here.signed_in("qa.li")
    form = {**sheet(browser), **here.proof("qa.li")}
    assert browser.post("/sign/review-record", form, origin="https://evil.example").status == 403
    assert browser.post("/sign-out", browser.form("/account"), origin="null").status == 403
    without = {name: value for name, value in form.items() if name != "token"}
    assert browser.post("/sign/review-record", without).status in (403, 500)
    assert "record-reviewed/1" not in here.names("batch/B-1")


def test_a_review_is_signed_over_exactly_what_is_shown(here: House) -> None:
    browser = here.signed_in("qa.li")
    asked = browser.get("/sign/review-record?batch=B-1")
    assert "textarea" in asked.text, "remarks are asked first"
    shown = sheet(browser)
    answer = browser.post("/sign/review-record", {**shown, **here.proof("qa.li")})
    assert (answer.status, answer.headers["location"]) == (303, "/batches/B-1"), answer.text
    fact = list(here.ledger.stream("batch/B-1"))[-1].fact
    assert isinstance(fact, RecordReviewed)
    assert (fact.remarks, fact.signature.signer, fact.signature.digest) == ("read whole", "qa.li", shown["digest"])
    assert fact.signature.components == ("user-id", "password", "one-time-code")
    assert "Li Na 李娜" in browser.get("/batches/B-1").text


def test_a_qualified_person_decides_on_a_reviewed_batch(here: House) -> None:
    enrol(here, here.people, "qp.lan", "Lan Yu 兰宇", "qualified_person")
    page = here.signed_in("qp.lan")
    assert 'href="/sign/dispose?batch=B-1"' in page.get("/batches/B-1").text
    assert "Conditionally released" in page.get("/sign/dispose?batch=B-1").text
    at = "/sign/dispose?batch=B-1&disposition=released&reason=in+specification"
    assert "nobody has reviewed the record" in page.get(at).text
    refusal = list(here.ledger.stream("access/refusals"))[-1].fact
    assert isinstance(refusal, ActRefused)
    assert (refusal.act, refusal.subject, refusal.user) == ("dispose", "batch/B-1", "qp.lan")
    reviewer = here.signed_in("qa.li")
    assert reviewer.post("/sign/review-record", {**sheet(reviewer), **here.proof("qa.li")}).status == 303
    answer = page.post("/sign/dispose", {**sheet(page, at), **here.proof("qp.lan")})
    assert (answer.status, answer.headers["location"]) == (303, "/batches/B-1"), answer.text
    told = list(here.ledger.stream("batch/B-1"))[-1].fact
    assert isinstance(told, DispositionSigned)
    assert (told.disposition, told.signature.signer) == ("released", "qp.lan")
    assert "/sign/dispose" not in page.get("/batches/B-1").text


def test_a_signature_asks_for_both_components_again(here: House) -> None:
    browser = here.signed_in("qa.li")
    for proof in ({}, {"secret": secret_of("qa.li")}, {"code": here.code("qa.li")}):
        assert browser.post("/sign/review-record", {**sheet(browser), **proof}).status == 403
    assert "record-reviewed/1" not in here.names("batch/B-1")


def test_who_may_not_is_refused_on_the_page_and_in_the_record(here: House) -> None:
    browser = here.signed_in("op.sun")
    answer = browser.post("/sign/review-record", {**sheet(browser), **here.proof("op.sun")})
    assert answer.status == 403
    assert "op.sun (operator) may not review-record" in answer.text
    assert here.names("access/refusals")[-1] == "act-refused/1"


def test_what_moved_on_is_shown_again_and_not_signed(here: House) -> None:
    browser, other = here.signed_in("qa.li"), here.signed_in("op.sun")
    shown = sheet(browser)
    at = (
        f"/sign/correct-value?batch=B-1&entry={entry_of(here.ledger)}&field=transport_temperature&to=5.2&reason=misread"
    )
    corrected = other.post("/sign/correct-value", {**sheet(other, at), **here.proof("op.sun")})
    assert corrected.status == 303, corrected.text
    answer = browser.post("/sign/review-record", {**shown, **here.proof("qa.li")})
    assert answer.status == 409
    assert hidden(answer.text)["digest"] != shown["digest"], "the new sheet is shown"
    assert "record-reviewed/1" not in here.names("batch/B-1")


def test_the_same_sheet_signed_at_once_in_two_tabs_is_one_entry(here: House) -> None:
    browser = here.signed_in("qa.li")
    shown = sheet(browser)
    proofs = [here.proof("qa.li"), {"secret": secret_of("qa.li"), "code": here.code_after("qa.li")}]
    with ThreadPoolExecutor(2) as tabs:
        answers = list(tabs.map(lambda proof: browser.post("/sign/review-record", {**shown, **proof}), proofs))
    assert sorted(answer.status for answer in answers) == [303, 409], [answer.status for answer in answers]
    assert here.names("batch/B-1").count("record-reviewed/1") == 1
    (lost,) = (answer for answer in answers if answer.status == 409)
    assert "changed meanwhile" in lost.text


def test_a_passkey_signs_in_and_signs(here: House) -> None:
    browser, passkey = here.signed_in("qa.li"), passkey_of(here)
    page = browser.get("/account").text
    made = {"registration": json.dumps(passkey.register(_challenge(options(page, "registration")))), "name": "blue key"}
    assert browser.post("/account/passkeys", {**hidden(page), **made, **here.proof("qa.li")}).status == 303
    assert "blue key" in browser.get("/account").text

    fresh = here.browser()
    page = fresh.get("/sign-in").text
    answer = _answer(passkey, options(page))
    assert fresh.post("/sign-in", {**hidden(page), "user": "qa.li", "assertion": answer}).status == 303
    page = fresh.get(REVIEW).text
    signed = fresh.post("/sign/review-record", {**hidden(page), "assertion": _answer(passkey, options(page))})
    assert signed.status == 303, signed.text
    fact = list(here.ledger.stream("batch/B-1"))[-1].fact
    assert isinstance(fact, RecordReviewed)
    assert fact.signature.components == ("user-id", "passkey")
    assert fact.signature.passkey is not None


def test_a_passkeys_answer_is_good_once(here: House) -> None:
    browser, passkey = here.signed_in("qa.li"), passkey_of(here)
    page = browser.get("/account").text
    made = {"registration": json.dumps(passkey.register(_challenge(options(page, "registration"))))}
    browser.post("/account/passkeys", {**hidden(page), **made, **here.proof("qa.li")})
    page = here.browser().get("/sign-in").text
    form = {**hidden(page), "user": "qa.li", "assertion": _answer(passkey, options(page))}
    assert here.browser().post("/sign-in", form).status == 303
    assert here.browser().post("/sign-in", form).status == 403


def test_an_owner_sets_a_credential_and_it_waits_for_confirmation(here: House) -> None:
    code = enrol(here, here.people, "qp.he", "He Qing 何青", "qualified_person", confirm=False)
    browser = here.browser()
    form = {"user": "qp.he", "invitation": code}
    page = browser.post("/activate", {**form, "step": "password", "secret": secret_of("qp.he")}).text
    secret = re.search(r'<code class="whole">([A-Z2-7]+)</code>', page)
    assert secret is not None, page
    here.codes["qp.he"] = secret.group(1)
    done = browser.post("/activate", {**hidden(page), "code": here.code("qp.he")})
    assert done.status == 200, done.text
    assert browser.post("/sign-in", {"user": "qp.he", **here.proof("qp.he")}).status == 403
    quality = here.signed_in("qa.li")
    address = "/sign/confirm-account?user=qp.he"
    assert address in quality.get("/people").text
    confirmed = quality.post("/sign/confirm-account", {**sheet(quality, address), **here.proof("qa.li")})
    assert confirmed.status == 303, confirmed.text
    assert browser.post("/sign-in", {"user": "qp.he", **here.proof("qp.he")}).status == 303


def test_an_unknown_act_is_not_found(here: House) -> None:
    assert here.signed_in("qa.li").get("/sign/erase-everything").status == 404


def _challenge(asked: dict[str, object]) -> bytes:
    from webauthn.helpers import base64url_to_bytes

    return base64url_to_bytes(str(asked["challenge"]))


def _answer(passkey: object, asked: dict[str, object]) -> str:
    from cytoloop.testing.passkey import SoftPasskey

    assert isinstance(passkey, SoftPasskey)
    given = passkey.answer(_challenge(asked))
    response = {
        "clientDataJSON": given.client_data,
        "authenticatorData": given.authenticator_data,
        "signature": given.signature,
    }
    return json.dumps({"id": given.credential, "type": "public-key", "response": response})
