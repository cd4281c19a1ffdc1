"""Pages: each takes a request, looks at the record once, and renders one template."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

import jinja2
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from cytoloop.app.views import (
    Shelf,
    batch_list_view,
    batch_view,
    entry_view,
    lines_view,
    loop_view,
    recipe_view,
    record_view,
)
from cytoloop.core.errors import UserError
from cytoloop.core.words import Language, Words
from cytoloop.web import show
from cytoloop.web.charts import chart_ids
from cytoloop.web.desk import Desk
from cytoloop.web.language import COOKIE, language_of
from cytoloop.web.lexicon import Lexicon

T = TypeVar("T")
YEAR = 365 * 24 * 3600
"""Seconds that a chosen language is remembered."""


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of one desk."""

    desk: Desk
    lexicon: Lexicon
    templates: jinja2.Environment

    def loop(self, request: Request) -> Response:
        """The first page: the loop itself."""
        return self._page(request, "loop.html", view=self.desk.look(loop_view))

    def batches(self, request: Request) -> Response:
        """Every batch, or those of one line."""
        line = request.query_params.get("line") or None
        batches, lines, size = self.desk.look(
            lambda shelf: (batch_list_view(shelf, line=line), lines_view(shelf), shelf.size)
        )
        return self._page(request, "batches.html", batches=batches, lines=lines, line=line, size=size)

    def batch(self, request: Request) -> Response:
        """One batch; 404 when there is none of that number."""
        number = request.path_params["number"]
        view = self._found(lambda shelf: batch_view(shelf, number))
        return self._page(request, "batch.html", view=view, charts=chart_ids(view))

    def record(self, request: Request) -> Response:
        """One page of the record."""
        asked = request.query_params
        stream, name, page = asked.get("stream", ""), asked.get("name", ""), asked.get("page", "")
        number = int(page) if page.isdecimal() else 1
        view = self.desk.look(lambda shelf: record_view(shelf, page=number, stream=stream, name=name))
        return self._page(request, "record.html", view=view, at_page=_page_of(stream, name))

    def entry(self, request: Request) -> Response:
        """One entry; 404 when the record is shorter."""
        sequence = request.path_params["sequence"]
        return self._page(request, "entry.html", view=self._found(lambda shelf: entry_view(shelf, sequence)))

    def recipes(self, request: Request) -> Response:
        """The recipe of the first line; a page that says so when there is none."""
        lines = self.desk.look(lines_view)
        if not lines:
            return self._page(request, "recipe.html", view=None, lines=lines)
        return RedirectResponse(f"/recipes/{lines[0].line}")

    def recipe(self, request: Request) -> Response:
        """The recipe of one line; 404 when the line has none."""
        line = request.path_params["line"]
        view, lines = self._found(lambda shelf: (recipe_view(shelf, line), lines_view(shelf)))
        return self._page(request, "recipe.html", view=view, lines=lines)

    def not_found(self, request: Request, _: Exception) -> Response:
        """What a visitor reads when nothing is at the address."""
        return self._page(request, "not_found.html", 404)

    def unreadable(self, request: Request, error: Exception) -> Response:
        """What a visitor reads when the record cannot be shown."""
        return self._page(request, "unreadable.html", 500, reason=str(error))

    def _found(self, view: Callable[[Shelf], T]) -> T:
        try:
            return self.desk.look(view)
        except UserError as error:
            raise HTTPException(404, str(error)) from error

    def _page(self, request: Request, template: str, status: int = 200, **values: object) -> Response:
        language = language_of(request)
        body = self.templates.get_template(template).render(**self._tools(request, language), **values)
        response = HTMLResponse(body, status, headers={"content-language": language, "vary": "cookie, accept-language"})
        if request.query_params.get("lang") == language:
            response.set_cookie(COOKIE, language, max_age=YEAR, samesite="lax", httponly=True)
        return response

    def _tools(self, request: Request, language: Language) -> Mapping[str, Any]:
        """What every template may use: `t` a text by key, `n` one that follows a count, `name` words for a
        name in the data, `w` bilingual words."""

        def t(key: str, **values: object) -> str:
            return self.lexicon.text(key, language, **values)

        def n(key: str, count: int | str) -> str:
            return self.lexicon.counted(key, count, language)

        def name(group: str, of: str, otherwise: Words | None = None) -> str:
            return self.lexicon.name(group, of, language, otherwise)

        def w(words: Words) -> str:
            return words.text(language)

        def in_language(other: Language) -> str:
            url = request.url.include_query_params(lang=other)
            return f"{url.path}?{url.query}"

        return {
            "t": t,
            "n": n,
            "name": name,
            "w": w,
            "lang": language,
            "in_language": in_language,
            "path": request.url.path,
            "show": show,
        }


def _page_of(stream: str, name: str) -> Callable[[int], str]:
    """Address of a page of the record with the filters kept."""

    def address(page: int) -> str:
        asked = {"stream": stream, "name": name, "page": str(page)}
        return "/record?" + urlencode({key: value for key, value in asked.items() if value})

    return address
