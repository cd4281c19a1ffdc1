"""What people read when they set up, sign and are refused: in their language, and no more than they may know."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.staff import entry_of, secret_of
from tests.web.site import Answer
from tests.web.staffed import House, enrol, hidden, house

CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture
def here(tmp_path: Path) -> Iterator[House]:
    """A house of its own."""
    yield from house(tmp_path)


def problem(answer: Answer) -> str:
    """What the page says went wrong."""
    found = re.search(r'<p class="problem" role="alert">(.*?)</p>', answer.text)
    assert found is not None, answer.text
    return found.group(1)


def test_what_went_wrong_is_said_in_the_readers_language(here: House) -> None:
    stranger, reader = here.browser(), here.signed_in("op.sun")
    wrong = {"user": "qa.li", "secret": "x", "code": "1", "invitation": "1-2", "step": "password"}
    refused = {**reader.form("/sign/look-up-identity?subject=S-1&reason=why"), "reason": "why", "subject": "S-1"}
    entry = entry_of(here.ledger)
    typed = f"/sign/correct-value?batch=B-1&entry={entry}&field=transport_temperature&reason=misread&to="
    answers = [
        stranger.post("/sign-in?lang=zh", wrong),
        stranger.post("/activate?lang=zh", {**wrong, "secret": "short"}),
        stranger.post("/activate?lang=zh", {**wrong, "secret": secret_of("somebody")}),
        stranger.post("/activate?lang=zh", {**wrong, "step": "passkey"}),
        reader.post("/sign/look-up-identity?lang=zh", refused),
        reader.post("/sign-out?lang=zh", {"token": "another"}),
        reader.get(f"{typed}much&lang=zh"),
        reader.get(f"{typed}5.0&lang=zh"),
        reader.get("/sign/confirm-account?user=nobody&lang=zh"),
        reader.get("/sign/review-record?batch=B-9&remarks=&lang=zh"),
        reader.get("/sign/look-up-identity?subject=S-1&reason=+&lang=zh"),
        reader.get("/audit?from=yesterday&lang=zh"),
        reader.get("/audit?zone=Nowhere&lang=zh"),
    ]
    assert [said for said in map(problem, answers) if not CHINESE.search(said)] == []


def test_who_may_not_is_told_so_in_chinese(here: House) -> None:
    browser = here.signed_in("op.sun")
    form = {**browser.form("/sign/review-record?batch=B-1&remarks="), **here.proof("op.sun")}
    answer = browser.post("/sign/review-record?lang=zh", form)
    assert problem(answer) == "op.sun（操作人员）无权审核批记录；须由质量保证执行"


def test_what_is_signed_is_shown_in_words_beside_the_value_itself(here: House) -> None:
    page = here.signed_in("qa.li").get("/sign/review-record?batch=B-1&remarks=&lang=zh").text
    assert "合格 <code>in</code>" in page
    assert "细胞活率 <code>viability</code>" in page
    assert "<dd>B-1</dd>" in page, "what has no words stands as it is"


def test_only_ways_that_are_open_to_a_role_are_shown(here: House) -> None:
    enrol(here, here.people, "dr.wu", "Wu Tao 吴涛", "clinician")
    pages = ("/batches/B-1", f"/record/{entry_of(here.ledger)}")
    shown = {
        user: {
            act for page in pages for act in re.findall(r'href="/sign/([\w-]+)', here.signed_in(user).get(page).text)
        }
        for user in ("qa.li", "op.sun", "dr.wu", "ad.min")
    }
    assert shown == {
        "qa.li": {"review-record", "correct-value"},
        "op.sun": {"correct-value"},
        "dr.wu": {"look-up-identity"},
        "ad.min": set(),
    }


def test_a_signature_is_shown_in_both_times_with_the_zone(here: House) -> None:
    browser = here.signed_in("qa.li")
    form = {**browser.form("/sign/review-record?batch=B-1&remarks="), **here.proof("qa.li")}
    assert browser.post("/sign/review-record", form).status == 303
    page = browser.get("/batches/B-1").text
    assert "/sign/review-record" not in page, "a review that stands asks for no other"
    assert re.search(r">2026-06-01 08:(\d\d)</time> UTC · 2026-06-01 16:\1 \+08:00 Asia/Shanghai<", page), page


def test_a_mistyped_code_does_not_throw_away_what_was_set(here: House) -> None:
    code = enrol(here, here.people, "qp.he", "He Qing 何青", "qualified_person", confirm=False)
    browser = here.browser()
    begun = {"user": "qp.he", "invitation": code, "step": "password", "secret": secret_of("qp.he")}
    page = browser.post("/activate", begun).text
    secret = re.search(r'<code class="whole">([A-Z2-7]+)</code>', page)
    assert secret is not None, page
    wrong = browser.post("/activate", {**hidden(page), "code": "000000"})
    assert (wrong.status, hidden(wrong.text)["step"]) == (403, "prove")
    assert "not the code of the moment" in problem(wrong)
    here.codes["qp.he"] = secret.group(1)
    assert browser.post("/activate", {**hidden(wrong.text), "code": here.code("qp.he")}).status == 200
    assert here.people.person("qp.he").state == "unconfirmed"  # type: ignore[union-attr]


def test_who_has_no_code_learns_nothing_about_an_account(here: House) -> None:
    asked = {"invitation": "0000-0000", "step": "passkey"}
    known, unknown = (here.browser().post("/activate", {**asked, "user": user}) for user in ("qa.li", "nobody"))
    assert (known.status, unknown.status) == (403, 403)
    assert "李娜" not in known.text
    assert known.text.replace("qa.li", "nobody") == unknown.text


def test_a_site_without_passkeys_offers_none_to_a_new_account(tmp_path: Path) -> None:
    for here in house(tmp_path, settings="", passkeys=False):
        page = here.browser().get("/activate").text
        assert 'value="password"' in page
        assert 'value="passkey"' not in page
