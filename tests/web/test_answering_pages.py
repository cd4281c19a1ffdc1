"""The pages on which people answer, without scripts: forms, redirects, sessions, rights."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

import pytest
from tests.asking import INSPECT, TYPED, ask, begun, deviate, settle
from tests.web.staffed import Browser, House, enrol, hidden, house

from cytoloop.core.facts.answer import AnswerGiven, AnswerVerified
from cytoloop.core.facts.people import ActRefused
from cytoloop.production.asking import answer_stream, outcome_of
from cytoloop.web.work_forms import address_of

FINE = {"a.transport_temperature": "5.2", "a.bags_damaged": "0"}


NUMBERS = (f"B-{number}" for number in count(2))


@dataclass(slots=True)
class Here(House):
    """The house, with a batch for one test alone."""

    number: str = ""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    for made in house(tmp_path_factory.mktemp("house") / "data"):
        enrol(made, made.people, "op.li", "Li Qiang 李强", "operator")
        yield made


@pytest.fixture
def here(served: House) -> Here:
    number = begun(served.ledger, next(NUMBERS), at=served.clock.now())
    return Here(served.folder, served.address, served.clock, served.codes, number)


def asked(here: Here, **changes: object) -> str:
    return ask(here.ledger, here.number, at=here.clock.now(), **changes)  # type: ignore[arg-type]  # a test's shorthand


def fill(browser: Browser, key: str, **texts: str) -> dict[str, str]:
    """The sheet as it is shown, filled in."""
    return {
        **hidden(browser.get(address_of(key)).text),
        **{name.replace("__", "."): text for name, text in texts.items()},
    }


def answer(here: Here, key: str) -> AnswerGiven:
    fact = next(iter(here.ledger.stream(answer_stream(key)))).fact
    assert isinstance(fact, AnswerGiven)
    return fact


def test_the_list_holds_what_waits_for_ones_role(here: Here) -> None:
    key = asked(here)
    decision = deviate(here.ledger, here.number)
    operator, quality = here.signed_in("op.sun"), here.signed_in("qa.li")
    assert address_of(key) in operator.get("/work").text
    assert address_of(decision) not in operator.get("/work").text
    assert address_of(decision) in quality.get("/work").text
    assert "Inspect the bag, read the transport logger" in operator.get("/work").text


def test_a_plain_answer_is_given_and_the_list_says_so(here: Here) -> None:
    browser, key = here.signed_in("op.sun"), asked(here)
    here.clock.moment += timedelta(minutes=3)
    sent = browser.post(address_of(key), {**fill(browser, key), **FINE})
    assert (sent.status, sent.headers["location"].partition("?")[0]) == (303, "/work"), sent.text
    page = browser.get(sent.headers["location"]).text
    assert "Your answer stands in the record" in page
    assert address_of(key) not in page, "it waits for the line now"
    assert answer(here, key).values == {"transport_temperature": 5.2, "bags_damaged": 0.0}
    told = browser.get(address_of(key)).text
    assert "already answered by Sun Wei 孙伟 at" in told
    assert 'class="sheet"' not in told


def test_the_second_tab_hears_who_was_first_and_nothing_is_doubled(here: Here) -> None:
    first, second, key = here.signed_in("op.sun"), here.signed_in("op.sun"), asked(here)
    sheets = [fill(tab, key) for tab in (first, second)]
    assert first.post(address_of(key), {**sheets[0], **FINE}).status == 303
    lost = second.post(address_of(key), {**sheets[1], **FINE, "a.transport_temperature": "7"})
    assert lost.status == 409
    assert re.findall(r"already answered by Sun Wei 孙伟 at [^<]+", lost.text)
    assert here.names(answer_stream(key)) == ["answer-given/1"]
    assert answer(here, key).values["transport_temperature"] == 5.2


def test_out_of_range_is_warned_of_and_given_with_a_reason(here: Here) -> None:
    browser, key = here.signed_in("op.sun"), asked(here)
    warm = {**fill(browser, key), **FINE, "a.transport_temperature": "9.5"}
    warned = browser.post(address_of(key), warm)
    assert warned.status == 422
    assert "Highest transport temperature: 9.5 °C is outside 2 – 8 °C" in warned.text
    assert 'value="9.5"' in warned.text, "what was typed is still there"
    assert here.names(answer_stream(key)) == []
    assert browser.post(address_of(key), {**warm, "reason": "read twice"}).status == 303
    assert answer(here, key).reason == "read twice"


def test_what_cannot_be_read_is_told_at_its_field_and_the_rest_is_kept(here: Here) -> None:
    browser, key = here.signed_in("op.sun"), asked(here)
    wrong = browser.post(address_of(key), {**fill(browser, key), **FINE, "a.transport_temperature": "5,2 °C"})
    assert wrong.status == 422
    assert "write a number with a point" in wrong.text
    assert 'name="a.bags_damaged" value="0"' in wrong.text


def test_the_pages_are_in_chinese_too(here: Here) -> None:
    browser, key = here.signed_in("op.sun"), asked(here)
    browser.get("/work?lang=zh")
    page = browser.get(address_of(key)).text
    for text in ("检查血袋并读取运输温度记录", "运输最高温度", "提交答复", "同一性链", "无法执行"):
        assert text in page
    warm = {**fill(browser, key), **FINE, "a.transport_temperature": "9.5"}
    assert "运输最高温度：9.5 °C 超出范围 2 – 8 °C" in browser.post(address_of(key), warm).text
    browser.post(address_of(key), {**warm, "reason": "读了两次"})
    assert "已由 Sun Wei 孙伟 于" in browser.get(address_of(key)).text


def test_a_wrong_label_can_be_scanned_anew_and_stays_in_the_record(here: Here) -> None:
    browser = here.signed_in("op.sun")
    key = asked(here, step="receipt/scan_leukapheresis", verb="scan", arguments={"label": "leukapheresis_bag"})
    wrong = browser.post(address_of(key), {**fill(browser, key), "a.code": "COI-B-0"})
    assert "it reads COI-B-0, and this batch needs COI-" in wrong.text
    refused = [each.fact for each in here.ledger.stream("access/refusals")][-1]
    assert isinstance(refused, ActRefused)
    assert "COI-B-0" in refused.reason
    assert browser.post(address_of(key), {**fill(browser, key), "a.code": f"COI-{here.number}"}).status == 303


def test_what_cannot_be_done_takes_a_reason(here: Here) -> None:
    browser, key = here.signed_in("op.sun"), asked(here)
    page = browser.post(address_of(key), {**fill(browser, key), "cannot": "1"})
    assert page.status == 422
    assert "Why it cannot be done" in page.text
    assert browser.post(address_of(key), {**hidden(page.text), "reason": "the bag leaks"}).status == 303
    assert (answer(here, key).done, answer(here, key).reason) == (False, "the bag leaks")


def test_a_second_person_confirms_at_the_same_screen(here: Here) -> None:
    browser, key = here.signed_in("op.sun"), asked(here, arguments={"answers": TYPED[:2], "verified": True})
    sent = browser.post(address_of(key), {**fill(browser, key), **FINE})
    assert sent.headers["location"] == address_of(key)
    page = browser.get(address_of(key)).text
    assert "A second person looks at it" in page
    assert "5.2 °C" in page
    (link,) = re.findall(r'href="(/sign/verify-answer\?[^"]+verdict=confirmed[^"]*)"', page)
    shown = browser.get(link.replace("&amp;", "&")).text
    form = hidden(shown)
    own = browser.post("/sign/verify-answer", {**form, "signer": "op.sun", **here.proof("op.sun")})
    assert own.status == 403
    assert "gave this answer" in own.text
    signed = browser.post("/sign/verify-answer", {**hidden(own.text), "signer": "op.li", **here.proof("op.li")})
    assert signed.status == 303, signed.text
    second = list(here.ledger.stream(answer_stream(key)))[1].fact
    assert isinstance(second, AnswerVerified)
    assert (second.confirmed, second.signature.signer, second.signature.meaning) == (True, "op.li", "verified")


def test_a_second_person_says_no_on_their_own_device(here: Here) -> None:
    browser, key = here.signed_in("op.sun"), asked(here, arguments={"answers": TYPED[:2], "verified": True})
    browser.post(address_of(key), {**fill(browser, key), **FINE})
    other = here.signed_in("op.li")
    assert "Second person" in other.get("/work").text
    assert address_of(key) not in browser.get("/work").text, "nobody confirms their own answer"
    page = other.get(f"/sign/verify-answer?request={key.replace('#', '%23')}&verdict=not-confirmed&reason=it+reads+7.2")
    signed = other.post("/sign/verify-answer", {**hidden(page.text), "signer": "op.li", **here.proof("op.li")})
    assert signed.status == 303, signed.text
    outcome = outcome_of(here.ledger.stream(answer_stream(key)))
    assert outcome is not None
    assert (outcome.ok, outcome.note) == (False, "op.li did not confirm the answer: it reads 7.2")


def test_a_decision_goes_on_to_the_page_that_signs(here: Here) -> None:
    key = deviate(here.ledger, here.number)
    browser = here.signed_in("qa.li")
    page = browser.get(address_of(key)).text
    assert "transport_temperature was answered 9.5" in page
    sent = browser.post(address_of(key), {**hidden(page), "a.decision": "repeat", "a.reason": "misread"})
    assert (sent.status, sent.headers["location"].partition("?")[0]) == (303, "/sign/answer"), sent.text
    assert here.names(answer_stream(key)) == [], "nothing is written before it is signed"
    sheet = browser.get(sent.headers["location"]).text
    assert "transport_temperature was answered 9.5" in sheet, "what its hash is of is shown"
    unsigned = browser.post("/sign/answer", {**hidden(sheet), "secret": "wrong", "code": "000000"})
    assert unsigned.status == 403
    signed = browser.post("/sign/answer", {**hidden(unsigned.text), **here.proof("qa.li")})
    assert signed.status == 303, signed.text
    outcome = outcome_of(here.ledger.stream(answer_stream(key)))
    assert outcome is not None
    assert (outcome.values["decision"], outcome.values["reason"]) == ("repeat", "misread")
    again = browser.get(sent.headers["location"])
    assert (again.status, again.headers["location"]) == (303, address_of(key)), "it was decided: told there"


def test_another_role_may_look_and_not_answer(here: Here) -> None:
    key = asked(here)
    browser = here.signed_in("qa.li")
    page = browser.get(address_of(key)).text
    assert "This asks another role than yours" in page
    assert 'class="sheet"' not in page
    refused = browser.post(address_of(key), {**hidden(browser.get("/account").text), **FINE})
    assert refused.status == 403
    assert "qa.li is no operator" in refused.text
    assert here.names("access/refusals")[-1] == "act-refused/1"


def test_an_expired_session_comes_back_with_the_draft(here: Here) -> None:
    browser, key = here.signed_in("op.sun"), asked(here)
    form = {**fill(browser, key), **FINE, "secret": "never kept"}
    here.clock.moment += timedelta(minutes=20)
    sent = browser.post(address_of(key), form)
    assert (sent.status, sent.headers["location"].partition("?")[0]) == (303, "/sign-in")
    page = browser.get(sent.headers["location"]).text
    inside = browser.post("/sign-in", {**hidden(page), "user": "op.sun", **here.proof("op.sun")})
    back = browser.get(inside.headers["location"])
    assert 'name="a.transport_temperature" value="5.2"' in back.text
    assert browser.post(address_of(key), {**hidden(back.text), **FINE}).status == 303
    other = here.signed_in("qa.li")
    assert 'value="5.2"' not in other.get(inside.headers["location"]).text, "a draft is its writer's alone"


def test_a_form_that_is_out_of_date_keeps_what_was_typed(here: Here) -> None:
    browser, key = here.signed_in("op.sun"), asked(here)
    stale = {**fill(browser, key), **FINE, "token": "of another session"}
    shown = browser.post(address_of(key), stale)
    assert shown.status == 403
    assert "this page was out of date and nothing was done" in shown.text
    assert 'name="a.transport_temperature" value="5.2"' in shown.text
    assert here.names(answer_stream(key)) == []


def test_a_form_of_another_site_is_not_taken(here: Here) -> None:
    browser, key = here.signed_in("op.sun"), asked(here)
    assert (
        browser.post(address_of(key), {**fill(browser, key), **FINE}, origin="https://elsewhere.example").status == 403
    )
    assert here.names(answer_stream(key)) == []


def test_a_request_that_is_over_says_so(here: Here) -> None:
    browser, key = here.signed_in("op.sun"), asked(here)
    form = fill(browser, key)
    settle(here.ledger, here.number, INSPECT, {}, "system:test")
    assert browser.post(address_of(key), {**form, **FINE}).status == 409
    assert "This is not asked any more" in browser.get(address_of(key)).text
    assert browser.get(f"/request/{here.number}/never/asked~1").status == 404
    assert browser.get("/request/B-999/x~1").status == 404


def test_when_it_was_done_is_said_in_ones_own_time(here: Here) -> None:
    browser, key = here.signed_in("op.sun"), asked(here)
    began = here.clock.now()
    here.clock.moment += timedelta(minutes=12)
    local = (began + timedelta(hours=8, minutes=5)).strftime("%Y-%m-%dT%H:%M")  # Shanghai
    assert browser.post(address_of(key), {**fill(browser, key), **FINE, "happened": local}).status == 303
    (recorded,) = here.ledger.stream(answer_stream(key))
    assert abs(recorded.entry.happened_at - (began + timedelta(minutes=5))) <= timedelta(minutes=1)
    assert recorded.entry.recorded_at > recorded.entry.happened_at


def test_a_picture_goes_with_the_instruction(here: Here) -> None:
    folder = here.folder / "pictures" / "car_t_cd19"
    folder.mkdir(parents=True)
    (folder / "inspect.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>', encoding="utf-8")
    key = asked(here, arguments={"answers": TYPED[:1], "pictures": ["inspect.svg"]})
    browser = here.signed_in("op.sun")
    assert 'src="/pictures/car_t_cd19/inspect.svg"' in browser.get(address_of(key)).text
    assert browser.get("/pictures/car_t_cd19/inspect.svg").status == 200
    assert browser.get("/pictures/car_t_cd19/missing.png").status == 404
    assert browser.get("/pictures/car_t_cd19/..%2f..%2fcytoloop.yaml").status == 404


def test_the_line_shows_who_is_waited_for(here: Here) -> None:
    key = asked(here)
    deviate(here.ledger, begun(here.ledger, next(NUMBERS)), "D-7")
    page = here.signed_in("op.sun").get("/line").text
    assert address_of(key) in page
    assert "D-7: step failed" in page
    assert re.search(r'data-count="waiting">[1-9]', page)
    assert page.count('class="tile tile-') == 20, "every unit of the plant has its place"


def test_a_stranger_reads_no_work_where_people_are_enrolled(here: Here) -> None:
    for path in ("/work", "/line", address_of(asked(here))):
        answer = here.browser().get(path)
        assert (answer.status, answer.headers["location"].partition("?")[0]) == (303, "/sign-in")
