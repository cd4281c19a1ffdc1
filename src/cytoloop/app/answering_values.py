"""Values: what a person typed, read by the field it was typed into.

A value that cannot be read is a problem. One that can be, and is not what was asked for, is warned of: it may be given
all the same, with a reason, and the step then fails.
"""

import math
import re
import unicodedata
from datetime import date

from cytoloop.app.answering_fields import Field
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON
from cytoloop.core.words import Words

LONGEST = 500
"""Characters of one answer."""
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def read_field(field: Field, text: str) -> JSON:
    """The value that a person's text gives; UserError, in both languages, when it gives none."""
    given = unicodedata.normalize("NFKC", text).strip()
    if not given:
        raise UserError(Words(en="this is not answered yet", zh="此项尚未填写"))
    match field.type:
        case "number":
            return _number(given)
        case "date":
            return _date(given)
        case "choice" | "yes_no":
            if given not in {name for name, _ in field.choices}:
                raise UserError(Words(en="choose one of those shown", zh="请从所列选项中选择"))
            return given
        case _:
            return _text(given, text.strip())


def _number(given: str) -> float:
    written = given.replace("−", "-")
    if not NUMBER.fullmatch(written) or not math.isfinite(float(written)):
        raise UserError(
            Words(
                en="write a number with a point, for example 5.2; the unit is fixed",
                zh="请填写数字，例如 5.2；单位已固定",
            )
        )
    return float(written)


def _date(given: str) -> str:
    try:
        return date.fromisoformat(given).isoformat()
    except ValueError as error:
        raise UserError(Words(en="write the date as 2026-12-31", zh="请按 2026-12-31 的格式填写日期")) from error


def _text(given: str, whole: str) -> str:
    if len(whole) > LONGEST or not given.replace("\n", " ").replace("\r", " ").isprintable():
        raise UserError(
            Words(
                en=f"at most {LONGEST} characters, and none that cannot be printed", zh=f"最多 {LONGEST} 个可打印字符"
            )
        )
    return given


def warning_of(field: Field, value: JSON, today: date) -> Words | None:
    """Why the value is not what was asked for, as a sentence; None when it is."""
    name, shown = field.words, field.unit_words
    if field.type == "number" and isinstance(value, float):
        if (field.low is None or value >= field.low) and (field.high is None or value <= field.high):
            return None
        span = field.range or Words(en="", zh="")
        return Words(
            en=f"{name.en}: {value:g} {shown.en}".rstrip() + f" is outside {span.en} {shown.en}".rstrip(),
            zh=f"{name.zh}：{value:g} {shown.zh}".rstrip() + f" 超出范围 {span.zh} {shown.zh}".rstrip(),
        )
    if field.type == "date" and date.fromisoformat(str(value)) < today:
        return Words(en=f"{name.en}: {value} has passed", zh=f"{name.zh}：{value} 已过期")
    if field.expected and value not in field.expected:
        wanted = " / ".join(field.expected)
        if field.type == "code":
            return Words(
                en=f"{name.en}: it reads {value}, and this batch needs {wanted}",
                zh=f"{name.zh}：读到 {value}，本批次应为 {wanted}",
            )
        said, meant = (_named_choice(field, each) for each in (str(value), field.expected[0]))
        return Words(en=f"{name.en}: {said.en}, expected {meant.en}", zh=f"{name.zh}：{said.zh}，应为{meant.zh}")
    return None


def _named_choice(field: Field, name: str) -> Words:
    return next((words for each, words in field.choices if each == name), Words(en=name, zh=name))
