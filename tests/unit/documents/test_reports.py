"""The batch record for people: HTML that stands alone, PDF with its fonts, both from one document."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.bundles import BATCH, record

from cytoloop.adapters.documents.chart import MOST_POINTS, svg, thinned, unbroken
from cytoloop.adapters.documents.html import render_html
from cytoloop.adapters.documents.pdf import render_pdf
from cytoloop.app.bundle_entries import select
from cytoloop.app.bundle_parts import render, rules_of
from cytoloop.app.names import VERDICTS, act, named, unit
from cytoloop.app.report import Standing
from cytoloop.core.report import Cell, Chart, Paragraph, Report, Section, Table
from cytoloop.core.words import Language

HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[Language, Report]:
    """The report of a batch in both languages."""
    source = record(tmp_path_factory.mktemp("record"))
    head = source.ledger.head()
    standing = Standing(
        origin="example.org/record",
        head=head,
        keys=("example.org/record+1+2",),
        made_by="cytoloop 1",
        made_at=datetime(2026, 11, 23, tzinfo=UTC),
        zone="Asia/Shanghai",
    )
    entries = select(source.ledger, BATCH, head)
    return render(BATCH, entries, standing, rules_of(entries))


def html(report: Report) -> str:
    """The report's HTML as text."""
    return render_html(report).decode()


def test_html_loads_nothing_and_runs_nothing(reports: dict[Language, Report]) -> None:
    for report in reports.values():
        text = html(report)
        assert "<script" not in text
        assert not re.search(r"(src|href)=", text)
        assert "default-src 'none'" in text
        assert set(re.findall(r"https?://[^\s\"<]+", text)) <= {"http://www.w3.org/2000/svg"}


def test_a_corrected_value_shows_the_old_one_struck_through_with_who_and_why(reports: dict[Language, Report]) -> None:
    text = html(reports["en"])
    assert '<del>58.4 °C</del> <span class="changed">5.84 °C</span>' in text
    assert "Highest transport temperature, entry 4 of the batch" in text
    assert "运输最高温度，批次第 4 条目" in html(reports["zh"])
    assert "Zhou Min 周敏 (operator)" in text
    assert "the decimal point was missing" in text


def test_a_signature_shows_name_role_meaning_time_and_zone(reports: dict[Language, Report]) -> None:
    text = html(reports["en"])
    for said in ("Chen Jianguo 陈建国", "qualified person", "released", "2026-06-01 16:00:00 +08:00 Asia/Shanghai"):
        assert said in text
    assert "user id, passkey" in text
    assert "用户名、通行密钥" in html(reports["zh"])


def section(report: Report, title: str) -> Section:
    """The section of this title."""
    return next(each for each in report.sections if each.title == title)


def texts(found: Section) -> list[str]:
    """Every text in the tables of a section."""
    tables = [block for block in found.blocks if isinstance(block, Table)]
    return [each.text for block in tables for row in block.rows for each in row]


def test_what_the_program_names_is_said_in_the_reports_language(reports: dict[Language, Report]) -> None:
    """Names of the program's own are words; only what people and programs wrote as text stands as it was written."""
    for title in ("执行步骤", "法规核查结论与变更关口", "偏差"):
        raw = re.compile(r"[a-z]+_[a-z]+|NEEDS_HUMAN|PASS|not good|viable cells")
        assert [text for text in texts(section(reports["zh"], title)) if raw.search(text)] == [], title
    duties = texts(section(reports["zh"], "法规核查结论与变更关口"))
    assert "机构的学术委员会和伦理委员会均通过方案之前，不得对受试者开展研究。" in duties


def test_limits_carry_their_unit(reports: dict[Language, Report]) -> None:
    limits = [text for text in texts(section(reports["en"], "Results against the specification")) if text[:1] in "≤≥"]
    assert limits
    assert all(re.search(r"\d [^\d\s]", text) for text in limits)
    assert any(text.endswith("×10⁶ cells") for text in limits)


def test_names_that_nobody_knows_stand_as_they_are() -> None:
    assert named(VERDICTS, "LATER").zh == "LATER"
    assert unit("lux").zh == "lux"
    assert act("something else").zh == "something else"
    assert act("collection for order O-1").zh == "订单 O-1 的采集"


def test_both_languages_say_the_same_sections_and_rows(reports: dict[Language, Report]) -> None:
    shapes = [
        [
            [(block.kind, len(getattr(block, "rows", ()))) for block in section.blocks]
            for section in reports[language].sections
        ]
        for language in ("en", "zh")
    ]
    assert shapes[0] == shapes[1]
    assert all(HAN.search(section.title) for section in reports["zh"].sections)
    assert not any(HAN.search(section.title) for section in reports["en"].sections)


def test_the_rules_duty_and_the_readings_hash_are_told(reports: dict[Language, Report]) -> None:
    text = html(reports["en"])
    assert "CN-SC818:14" in text
    assert "before the site&#39;s academic and ethics committees" in text
    assert re.search(r"B-T001/1.*?[0-9a-f]{64}", text, re.DOTALL)


def plain(*texts: str, language: Language = "zh") -> Report:
    """A report of these paragraphs."""
    blocks = tuple(Paragraph(cell=Cell(text=text)) for text in texts)
    return Report(
        language=language,
        title="批记录",
        subtitle="",
        made_at=datetime(2026, 11, 23, tzinfo=UTC),
        footer="",
        sections=(Section(title="概览", blocks=blocks),),
    )


def test_what_stands_in_the_record_is_text_and_never_markup() -> None:
    hostile = (
        "<img src=x onerror=alert(1)>",
        "#panic()",
        "$x$ *bold* _it_ @ref <label> \\u{41}",
        ']#read("/etc/passwd")',
    )
    assert "<img" not in html(plain(*hostile))
    assert render_pdf(plain(*hostile)).startswith(b"%PDF-")


def test_pdf_is_the_same_each_time_and_is_pdf_a() -> None:
    report = plain("自体 CAR-T")
    made = render_pdf(report)
    assert made == render_pdf(report)
    assert b"pdfaid:part" in made
    assert made != render_pdf(replace(report, made_at=datetime(2027, 1, 1, tzinfo=UTC)))


def test_pdf_of_a_whole_report_holds_its_pages(reports: dict[Language, Report], tmp_path: Path) -> None:
    for language, report in reports.items():
        (tmp_path / f"{language}.pdf").write_bytes(render_pdf(report))
        assert (tmp_path / f"{language}.pdf").stat().st_size > 20_000


def test_a_chart_keeps_its_peaks_when_it_is_thinned() -> None:
    points = tuple((float(x), 100.0 if x == 4_321 else x % 3 / 10) for x in range(10_000))
    kept = thinned(points)
    assert len(kept) <= MOST_POINTS + 2
    assert (4_321.0, 100.0) in kept


def test_a_chart_of_one_value_and_of_extremes_is_drawn() -> None:
    for values in ((5.0, 5.0), (0.0, 0.0), (-1e9, 1e9), (1e-12, 2e-12)):
        drawn = svg(
            Chart(title="a<b", across="h", unit="°C", points=((0.0, values[0]), (1.0, values[1])), low=1, high=2)
        )
        assert "a&lt;b" in drawn
        assert "nan" not in drawn


def test_no_line_stands_where_nothing_was_measured() -> None:
    """A sensor that was silent for hours leaves a gap; a lone point is a dot; a slow rhythm is no gap."""
    steady = tuple((float(hour), 37.0) for hour in range(20))
    later = tuple((float(hour), 36.0) for hour in range(50, 60))
    assert list(unbroken(steady)) == [steady]
    assert list(unbroken((*steady, *later, (90.0, 36.0)))) == [steady, later, ((90.0, 36.0),)]
    assert list(unbroken(())) == [()]
    drawn = svg(Chart(title="t", across="h", unit="°C", points=(*steady, *later, (90.0, 36.0))))
    assert (drawn.count("<polyline"), drawn.count("<circle")) == (2, 1)
