"""Forms of the work pages: addresses of requests, what a sheet's form says, and what goes on to the page that signs."""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from starlette.requests import Request

from cytoloop.app.asked import Typed
from cytoloop.app.views_work import WorkLine
from cytoloop.core.errors import UserError
from cytoloop.core.json import JSON, canonical, parse
from cytoloop.core.time import Instant
from cytoloop.core.words import Words
from cytoloop.web.drafts import ASKED
from cytoloop.web.forms import LONGEST, OUT_OF_DATE, Form

TIME = Words(en="write the time as 2026-06-01T08:00", zh="请按 2026-06-01T08:00 的格式填写时间")


def address_of(key: str) -> str:
    """The page of a request. A "#" would end an address, so it is written "~" there."""
    return "/request/" + quote(key.replace("#", "~"))


def key_of(request: Request) -> str:
    """The key that the address names."""
    return str(request.path_params["key"]).replace("~", "#")


def seen(size: int, at: Instant) -> str:
    """What an open list knows of: entries, and the minute, since what is overdue changes by itself."""
    return f"{size}.{at:%Y%m%d%H%M}"


def typed_in(form: Form, zone: str) -> Typed:
    """What a sheet's form says; UserError for a time that is none."""
    texts = {name.removeprefix(ASKED): text for name, text in form.answers.items() if name.startswith(ASKED)}
    done = not form["cannot"]
    return Typed(texts=texts, reason=form["reason"], done=done, happened_at=_moment(form["happened"], zone))


def _moment(text: str, zone: str) -> Instant | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    except ValueError as error:
        raise UserError(TIME) from error


def to_sign(key: str, typed: Typed) -> str:
    """The page that signs this answer."""
    texts: dict[str, JSON] = dict(typed.texts.items())
    whole: dict[str, JSON] = {"texts": texts, "reason": typed.reason}
    if typed.happened_at is not None:
        whole["happened_at"] = typed.happened_at.isoformat()
    return "/sign/answer?" + urlencode({"request": key, "answer": canonical(whole).decode()})


def typed_from(text: str) -> Typed:
    """What `to_sign` wrote; UserError for anything else."""
    try:
        found = parse(text)
        texts = found["texts"] if isinstance(found, dict) else None
        if not isinstance(found, dict) or not isinstance(texts, dict):
            raise ValueError(text)
        happened = found.get("happened_at")
        return Typed(
            texts={name: str(each) for name, each in texts.items()},
            reason=str(found.get("reason") or ""),
            happened_at=datetime.fromisoformat(str(happened)) if happened else None,
        )
    except (ValueError, KeyError) as error:
        raise UserError(OUT_OF_DATE) from error


async def texts_of(request: Request) -> Mapping[str, str]:
    """What a form says that is not acted on: to be shown again."""
    async with request.form(max_files=0, max_fields=60) as sent:
        return {name: value[:LONGEST] for name, value in sent.items() if isinstance(value, str)}


def lines_of(work: tuple[WorkLine, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.line for each in work))
