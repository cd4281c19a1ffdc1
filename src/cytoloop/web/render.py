"""Render: a template in the visitor's language, with the tools that every template may use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from cytoloop.app.permissions import MAY, Act
from cytoloop.core.words import Language, Words
from cytoloop.web import show
from cytoloop.web.guard import session_of
from cytoloop.web.language import COOKIE, language_of
from cytoloop.web.lexicon import Lexicon

YEAR = 365 * 24 * 3600
"""Seconds that a chosen language is remembered."""


@dataclass(frozen=True, slots=True)
class Render:
    """Makes pages of templates."""

    lexicon: Lexicon
    templates: jinja2.Environment

    def page(self, request: Request, template: str, status: int = 200, **values: object) -> Response:
        """The page; what who is signed in reads is kept by no cache."""
        language = language_of(request)
        body = self.templates.get_template(template).render(**self._tools(request, language), **values)
        response = HTMLResponse(body, status, headers={"content-language": language, "vary": "cookie, accept-language"})
        if session_of(request) is not None:
            response.headers["cache-control"] = "no-store"
        if request.query_params.get("lang") == language:
            response.set_cookie(COOKIE, language, max_age=YEAR, samesite="lax", httponly=True)
        return response

    def _tools(self, request: Request, language: Language) -> Mapping[str, Any]:
        """`t` a text by key, `n` one that follows a count, `name` words for a name in the data, `said` for a value
        of a field, `w` bilingual words,
        `session` who is signed in, `may` whether a role of theirs may do an act."""
        return {
            "t": lambda key, **values: self.lexicon.text(key, language, **values),
            "n": lambda key, count: self.lexicon.counted(key, count, language),
            "name": self._names(language),
            "said": lambda field, value: self.lexicon.value(field, value, language),
            "w": lambda words: words.text(language),
            "lang": language,
            "in_language": _in_language(request),
            "path": request.url.path,
            "show": show,
            "session": session_of(request),
            "may": _may(request),
        }

    def _names(self, language: Language) -> Callable[..., str]:
        def name(group: str, of: str, otherwise: Words | None = None) -> str:
            return self.lexicon.name(group, of, language, otherwise)

        return name


def _may(request: Request) -> Callable[[Act], bool]:
    """For showing only ways that lead somewhere; whoever acts is asked for proof and right all the same."""
    session = session_of(request)
    roles = frozenset(session.roles if session else ())
    return lambda act: bool(roles & MAY[act])


def _in_language(request: Request) -> Callable[[Language], str]:
    def address(other: Language) -> str:
        url = request.url.include_query_params(lang=other)
        return f"{url.path}?{url.query}"

    return address
