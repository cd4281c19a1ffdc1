"""A report as PDF/A-2b, set by Typst (https://typst.app/docs/reference/pdf/). Extra `pdf`.

The text goes to the layout as JSON, never as markup: nothing that stands in the record is ever read as a command.
"""

import json
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from cytoloop.adapters.documents.chart import svg
from cytoloop.core.errors import UserError
from cytoloop.core.report import Block, Chart, Report, Section


def render_pdf(report: Report) -> bytes:
    """The report's PDF: the same report, Typst and fonts give the same bytes.

    UserError when the extra is not installed.
    """
    try:
        import pylopdf_fonts_zh_cn  # noqa: PLC0415  (an extra)
        import typst  # noqa: PLC0415
    except ImportError as error:
        raise UserError("PDF needs an extra; install it with: pip install 'cytoloop[pdf]'") from error
    fonts = typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=True, font_paths=[Path(pylopdf_fonts_zh_cn.__file__).parent]
    )
    made = typst.compile(
        input=files(__package__).joinpath("report.typ").read_bytes(),
        font_paths=fonts,
        format="pdf",
        sys_inputs={"report": json.dumps(_plain(report), ensure_ascii=False)},
        pdf_standards="a-2b",
        timestamp=int(report.made_at.timestamp()),
    )
    assert isinstance(made, bytes), "one PDF is one value"
    return made


def _plain(report: Report) -> dict[str, Any]:
    plain = asdict(replace(report, sections=()))
    sections = [_section(section) for section in report.sections]
    return {**plain, "made_at": report.made_at.isoformat(), "sections": sections}


def _section(section: Section) -> dict[str, Any]:
    return {"title": section.title, "blocks": [_block(block) for block in section.blocks]}


def _block(block: Block) -> dict[str, Any]:
    if isinstance(block, Chart):
        return {"kind": "chart", "svg": svg(block), "title": block.title}
    return asdict(block)
