"""The pages over HTTP: what they say, in which language, with which headers."""

import re
import socket

import pytest
from tests.web.site import Site, running

from cytoloop.app.views import Reader
from cytoloop.core.errors import FindingError, UserError
from cytoloop.testing.builders import Book
from cytoloop.web.app import make_app
from cytoloop.web.serve import bound, serve

PAGES = ("/", "/batches", "/batches/CL-002", "/batches/FX-001", "/record", "/record/5", "/recipes/closed_loop")


def counts(text: str) -> dict[str, str]:
    """Every count that the loop page shows, by its key."""
    return dict(re.findall(r'data-count="([\w.]+)"[^>]*>([^<]*)<', text))


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("lang", "tag"), [("en", "en"), ("zh", "zh-CN")])
def test_every_page_is_there_in_both_languages(site: Site, path: str, lang: str, tag: str) -> None:
    answer = site.get(f"{path}?lang={lang}")
    assert answer.status == 200
    assert f'<html lang="{tag}">' in answer.text
    assert re.search("[\u4e00-\u9fff]", answer.text.replace("中文", "")) is not None or lang == "en"


@pytest.mark.parametrize("path", PAGES)
def test_english_pages_hold_no_chinese(site: Site, path: str) -> None:
    assert re.findall("[\u4e00-\u9fff]+", site.get(path).text) == ["中文"]


def test_the_first_page_counts_the_four_stages(site: Site) -> None:
    shown = counts(site.get("/").text)
    assert shown["clinic.orders_open"] == "2"
    assert shown["production.running"] == "1"
    assert shown["production.held"] == "1"
    assert shown["quality.released"] == "1"
    assert shown["feedback.twin"] == "v2"
    assert shown["loop.changes"] == "1"


@pytest.mark.parametrize("path", ["/nothing", "/batches/none", "/record/999999", "/recipes/nowhere", "/record/x"])
@pytest.mark.parametrize(("lang", "words"), [("en", "Nothing is here"), ("zh", "此处没有内容")])
def test_what_is_not_there_is_said_in_both_languages(site: Site, path: str, lang: str, words: str) -> None:
    answer = site.get(f"{path}?lang={lang}")
    assert answer.status == 404
    assert words in answer.text


def test_the_language_is_remembered_and_the_browser_is_heard(site: Site) -> None:
    chosen = site.get("/?lang=zh")
    assert chosen.headers["set-cookie"].startswith("lang=zh;")
    assert "治疗闭环" in site.get("/", cookie="lang=zh").text
    assert "治疗闭环" in site.get("/", **{"accept-language": "zh-CN,en;q=0.5"}).text
    assert "set-cookie" not in site.get("/").headers
    assert "The loop" in site.get("/?lang=xx").text


def test_nothing_may_be_fetched_from_elsewhere(site: Site) -> None:
    answer = site.get("/batches/CL-002")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe-eval" not in answer.headers["content-security-policy"]
    assert "script-src 'self';" in answer.headers["content-security-policy"]
    assert re.findall(r"(?:src|href)=\"(?:https?:)?//[^\"]*", answer.text) == []
    assert re.findall(r"<script(?![^>]*src=)[^>]*>", answer.text) == []


def test_a_page_of_the_record_keeps_its_filter(site: Site) -> None:
    answer = site.get("/record?stream=batch/CL-002&name=readings-recorded/1")
    assert set(re.findall(r"<br><code>([^<]*)</code>", answer.text)) == {"readings-recorded/1"}
    older = site.get("/record?page=2").text
    assert "/record?page=3" in older
    assert "/record?page=1" in older
    assert site.get("/record?page=-7").status == 200


def test_a_name_with_markup_in_it_is_only_text(site: Site) -> None:
    answer = site.get("/record?stream=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert answer.status == 200
    assert "<script>alert" not in answer.text


def test_recipes_lead_to_the_first_line(site: Site) -> None:
    answer = site.get("/recipes")
    assert (answer.status, answer.headers["location"]) == (307, "/recipes/fixed")


def test_the_loop_as_json_says_no_more_than_is_new(site: Site) -> None:
    everything = site.get("/api/loop.json").json
    assert everything["view"]["production"]["running"] == 1
    assert site.get(f"/api/loop.json?seen={everything['entries']}").json == {"entries": everything["entries"]}


def test_a_batch_as_json_carries_the_columns_of_its_charts(site: Site) -> None:
    answer = site.get("/api/batches/CL-002.json").json
    assert answer["view"]["number"] == "CL-002"
    columns = answer["sources"]["counts"]
    assert len(columns["day"]) == len(columns["value"]) > 3
    assert answer["sources"]["forecast"]["low"][-1] < answer["sources"]["forecast"]["high"][-1]
    assert site.get(f"/api/batches/CL-002.json?seen={answer['entries']}").json == {"entries": answer["entries"]}
    assert site.get("/api/batches/none.json").status == 404


def test_charts_come_as_bokeh_items_in_the_visitor_s_language(site: Site) -> None:
    items = site.get("/api/batches/CL-002/charts.json?lang=zh").json
    assert {"chart-culture", "chart-reading-temperature", "chart-sampled-glucose"} <= set(items)
    assert "温度" in str(items["chart-reading-temperature"])
    assert "Bokeh" in site.get("/bokeh/bokeh.min.js").text


def test_an_empty_record_has_pages_too(empty_site: Site) -> None:
    for path in ("/", "/batches", "/record", "/recipes"):
        assert empty_site.get(path).status == 200
    assert counts(empty_site.get("/").text)["production.running"] == "0"


def test_a_record_that_cannot_be_read_is_said() -> None:
    def broken() -> Reader:
        raise FindingError("entry 3 cannot be read; it was changed after it was written")

    for site in running(make_app(broken)):
        answer = site.get("/?lang=zh")
        assert answer.status == 500
        assert "entry 3 cannot be read" in answer.text
        assert "记录无法显示" in answer.text


def test_a_port_in_use_is_the_user_s_mistake() -> None:
    with bound("127.0.0.1", 0) as taken, pytest.raises(UserError, match=r"port \d+ .*--port"):
        serve(make_app(lambda: Book().ledger), port=taken.getsockname()[1])


def test_any_free_port_can_be_had() -> None:
    with bound("127.0.0.1", 0) as one, bound("127.0.0.1", 0) as other:
        assert isinstance(one, socket.socket)
        assert one.getsockname()[1] != other.getsockname()[1]
