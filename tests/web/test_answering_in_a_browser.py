"""People answer in a real browser: by keyboard, by scanner, in two tabs, when the connection goes, in Chinese."""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from tests.asking import TYPED, ask, begun, deviate
from tests.web.staffed import House, enrol, house

from cytoloop.core.facts.answer import AnswerGiven, AnswerVerified
from cytoloop.core.json import JSON
from cytoloop.production.asking import answer_stream
from cytoloop.web.work_forms import address_of

pytestmark = pytest.mark.browser
WAIT = 20_000
"""Milliseconds after which something that was to appear has failed."""
TABLET = {"width": 1024, "height": 768}
NUMBERS = (f"B-{number}" for number in count(2))
GLOVES = 48
"""CSS pixels that a finger in a glove needs (WCAG 2.2 asks for 24, Android and Apple for 44 to 48)."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    for made in house(tmp_path_factory.mktemp("house") / "data"):
        enrol(made, made.people, "op.li", "Li Qiang 李强", "operator")
        yield made


@pytest.fixture
def tablet(browser: Browser, here: House) -> Iterator[BrowserContext]:
    """A tablet at which op.sun is signed in; nothing it shows may complain or ask another machine."""
    context = browser.new_context(viewport=TABLET)  # type: ignore[arg-type]  # a typed dictionary of two numbers
    complaints: list[str] = []
    page = context.new_page()
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on(
        "request", lambda sent: None if sent.url.startswith((here.address, "data:")) else complaints.append(sent.url)
    )
    sign_in(page, here, "op.sun")
    yield context
    context.close()
    assert complaints == []


def sign_in(page: Page, here: House, user: str) -> None:
    page.goto(f"{here.address}/sign-in?lang=en")
    proof = here.proof(user)
    page.fill("[name=user]", user)
    page.fill("[name=secret]", proof["secret"])
    page.fill("[name=code]", proof["code"])
    page.click("fieldset button")
    page.wait_for_url(lambda url: "/sign-in" not in url)


def asked(here: House, arguments: dict[str, JSON] | None = None, *, scan: bool = False) -> str:
    number = begun(here.ledger, next(NUMBERS), at=here.clock.now())
    if scan:
        label: dict[str, JSON] = {"label": "leukapheresis_bag"}
        return ask(here.ledger, number, "receipt/scan_leukapheresis", "scan", label, at=here.clock.now())
    return ask(here.ledger, number, arguments=arguments, at=here.clock.now())


def answers(here: House, key: str) -> list[str]:
    return here.names(answer_stream(key))


def given(here: House, key: str) -> AnswerGiven:
    fact = next(iter(here.ledger.stream(answer_stream(key)))).fact
    assert isinstance(fact, AnswerGiven)
    return fact


def test_everything_is_answered_by_keyboard_alone(tablet: BrowserContext, here: House) -> None:
    key = asked(here, {"answers": TYPED})
    (page,) = tablet.pages
    page.goto(here.address + address_of(key))
    expect(page.locator("[name='a.transport_temperature']")).to_be_focused()
    keys = page.keyboard
    keys.type("5.2")
    keys.press("Enter")  # goes on to the next that is empty, and sends nothing
    expect(page.locator("[name='a.bags_damaged']")).to_be_focused()
    keys.type("0")
    keys.press("Tab")
    keys.press("Space")  # the first way: yes
    keys.press("Tab")
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    keys.press("Tab")
    keys.type("none")
    for _ in range(2):  # past the time it was done, to the button
        keys.press("Tab")
    expect(page.locator("[data-give]")).to_be_focused()
    assert answers(here, key) == []
    keys.press("Enter")
    expect(page.locator(".taken")).to_be_visible(timeout=WAIT)
    values = given(here, key).values
    assert (values["transport_temperature"], values["seal"], values["remarks"]) == (5.2, "yes", "none")
    assert values["colour"] in ("red", "straw")


def test_a_scanner_types_and_sends_enter(tablet: BrowserContext, here: House) -> None:
    key = asked(here, scan=True)
    number = key.partition("/")[0]
    (page,) = tablet.pages
    page.goto(here.address + address_of(key))
    page.keyboard.type(f"COI-B-0{number}"[:9], delay=0)
    page.keyboard.press("Enter")
    expect(page.locator(".warning")).to_contain_text("this batch needs", timeout=WAIT)
    assert answers(here, key) == [], "a wrong label is told, and can be scanned anew"
    code = page.locator("[name='a.code']")
    code.fill("")
    code.focus()
    page.keyboard.type(f"COI-{number}", delay=0)
    page.keyboard.press("Enter")
    expect(page.locator(".taken")).to_contain_text(key, timeout=WAIT)
    assert given(here, key).values == {"code": f"COI-{number}"}


def test_two_tabs_that_send_at_once_leave_one_answer(tablet: BrowserContext, here: House) -> None:
    key = asked(here)
    tabs = [tablet.pages[0], tablet.new_page()]
    for place, tab in enumerate(tabs):
        tab.goto(here.address + address_of(key))
        tab.fill("[name='a.transport_temperature']", str(5 + place))
        tab.fill("[name='a.bags_damaged']", "0")
    for tab in tabs:
        tab.locator("[data-give]").dispatch_event("click")  # both are on their way before either has come back
    outcomes = []
    for tab in tabs:
        told = tab.locator(".taken, .problem[role=alert]").first
        expect(told).to_be_visible(timeout=WAIT)
        outcomes.append(told.inner_text())
    assert answers(here, key) == ["answer-given/1"]
    assert sorted("already answered by Sun Wei" in said for said in outcomes) == [False, True], outcomes


def test_an_open_sheet_hears_that_somebody_else_was_first(tablet: BrowserContext, here: House) -> None:
    key = asked(here)
    (page,) = tablet.pages
    page.goto(here.address + address_of(key))
    page.fill("[name='a.transport_temperature']", "5")
    other = here.signed_in("op.li")
    from tests.web.staffed import hidden

    form = hidden(other.get(address_of(key)).text)
    other.post(address_of(key), {**form, "a.transport_temperature": "6", "a.bags_damaged": "0"})
    expect(page.locator("#region-answered")).to_contain_text("already answered by Li Qiang", timeout=WAIT)
    expect(page.locator("[name='a.transport_temperature']")).to_have_value("5")


def test_a_lost_connection_tells_whether_the_answer_was_taken(tablet: BrowserContext, here: House) -> None:
    lost, taken = asked(here), asked(here)
    (page,) = tablet.pages

    def cut_before(route: Route) -> None:
        route.abort() if route.request.method == "POST" else route.continue_()

    def cut_after(route: Route) -> None:
        if route.request.method == "POST":
            route.fetch()
            route.abort()
        else:
            route.continue_()

    for key, cut in ((lost, cut_before), (taken, cut_after)):
        page.goto(here.address + address_of(key))
        page.route("**/request/**", cut)
        page.fill("[name='a.transport_temperature']", "5.5")
        page.fill("[name='a.bags_damaged']", "0")
        page.click("[data-give]")
        if key == lost:
            expect(page.locator("[data-connection]")).to_contain_text("was not taken", timeout=WAIT)
            expect(page.locator("[name='a.transport_temperature']")).to_have_value("5.5")
        else:
            expect(page.locator(".taken")).to_contain_text("already answered by Sun Wei", timeout=WAIT)
        page.unroute("**/request/**")
    page.goto(here.address + "/work")
    assert answers(here, lost) == []
    assert answers(here, taken) == ["answer-given/1"]


def test_a_second_person_signs_at_the_same_tablet(tablet: BrowserContext, here: House) -> None:
    key = asked(here, {"answers": TYPED[:2], "verified": True})
    (page,) = tablet.pages
    page.goto(here.address + address_of(key))
    page.fill("[name='a.transport_temperature']", "5.2")
    page.fill("[name='a.bags_damaged']", "0")
    page.click("[data-give]")
    expect(page.locator("#second")).to_be_visible(timeout=WAIT)
    page.click("text=It is as I find it")
    expect(page.locator("[name=signer]")).to_have_value("")
    proof = here.proof("op.li")
    page.fill("[name=signer]", "op.li")
    page.fill("[name=secret]", proof["secret"])
    page.fill("[name=code]", proof["code"])
    page.click("fieldset button")
    expect(page.locator(".taken")).to_be_visible(timeout=WAIT)
    second = list(here.ledger.stream(answer_stream(key)))[1].fact
    assert isinstance(second, AnswerVerified)
    assert (second.confirmed, second.signature.signer) == (True, "op.li")


def test_it_is_answered_in_chinese(tablet: BrowserContext, here: House) -> None:
    key = asked(here)
    (page,) = tablet.pages
    page.goto(f"{here.address}/work?lang=zh")
    page.click(f"a[href='{address_of(key)}']")
    expect(page.locator("h1")).to_have_text("检查血袋并读取运输温度记录")
    page.fill("[name='a.transport_temperature']", "９.５")  # as a Chinese keyboard types
    page.fill("[name='a.bags_damaged']", "0")
    page.click("text=提交答复")
    expect(page.locator(".warning")).to_contain_text("运输最高温度：9.5 °C 超出范围 2 – 8 °C", timeout=WAIT)
    page.fill("[name=reason]", "读了两次")
    page.click("text=仍然提交")
    expect(page.locator(".taken")).to_contain_text("您的答复已记入记录", timeout=WAIT)
    assert given(here, key).reason == "读了两次"


def test_without_scripts_a_sheet_is_a_plain_form(browser: Browser, here: House) -> None:
    context = browser.new_context(viewport=TABLET, java_script_enabled=False)  # type: ignore[arg-type]  # as above
    page = context.new_page()
    page.goto(f"{here.address}/sign-in?lang=en")
    proof = here.proof("op.sun")
    for name, text in (("user", "op.sun"), *proof.items()):
        page.fill(f"[name={name}]", text)
    page.click("fieldset button")
    key = asked(here)
    page.goto(here.address + address_of(key))
    page.fill("[name='a.transport_temperature']", "5.2")
    page.fill("[name='a.bags_damaged']", "0")
    page.click("[data-give]")
    expect(page.locator(".taken")).to_be_visible(timeout=WAIT)
    context.close()
    assert answers(here, key) == ["answer-given/1"]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_sheets_fit_gloves_and_the_patient_is_always_in_view(
    tablet: BrowserContext, here: House, tmp_path: Path, lang: str
) -> None:
    pictures = Path(os.environ.get("CYTOLOOP_SCREENSHOTS") or tmp_path)
    pictures.mkdir(parents=True, exist_ok=True)
    typed, scan = asked(here, {"answers": TYPED, "verified": True}), asked(here, scan=True)
    decision = deviate(here.ledger, begun(here.ledger, next(NUMBERS)))
    (page,) = tablet.pages
    for size in (TABLET, {"width": 1440, "height": 900}):
        page.set_viewport_size(size)  # type: ignore[arg-type]  # as above
        visits = (
            ("work", "/work"),
            ("sheet", address_of(typed)),
            ("scan", address_of(scan)),
            ("decide", address_of(decision)),
        )
        for name, path in visits:
            page.goto(f"{here.address}{path}?lang={lang}")
            assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
            page.screenshot(path=pictures / f"{name}-{lang}-{size['width']}.png", full_page=True)
            touched = (
                "form.sheet button, form.sheet input:not([type=hidden]):not([type=radio]), .choice span, .request a"
            )
            heights = page.locator(touched).evaluate_all(
                "all => all.filter(e => e.offsetParent).map(e => e.offsetHeight)"
            )
            assert all(height >= GLOVES for height in heights), (name, heights)
            if name == "sheet":
                page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
                box = page.locator(".identity-coi dd").bounding_box()
                assert box is not None
                assert 0 <= box["y"] < 140, "the chain of identity stays in view"
