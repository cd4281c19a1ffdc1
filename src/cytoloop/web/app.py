"""The Starlette application: routes, headers, files. Serves nothing from any other host."""

from collections.abc import Callable
from pathlib import Path

import jinja2
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cytoloop.app.views import Reader
from cytoloop.core.errors import CytoloopError
from cytoloop.web.api import Api
from cytoloop.web.desk import Desk
from cytoloop.web.lexicon import load
from cytoloop.web.pages import Pages

FOLDER = Path(__file__).parent
HEADERS = {
    # BokehJS puts <style> elements into its own shadow trees; scripts stay files of ours, none inline.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}


def make_app(open_ledger: Callable[[], Reader]) -> Starlette:
    """The pages over the record that `open_ledger` opens, which is called once, at the first visit."""
    desk, lexicon = Desk(open_ledger), load()
    pages, api = Pages(desk, lexicon, templates()), Api(desk, lexicon)
    return Starlette(
        routes=[
            Route("/", pages.loop),
            Route("/batches", pages.batches),
            Route("/batches/{number}", pages.batch),
            Route("/record", pages.record),
            Route("/record/{sequence:int}", pages.entry),
            Route("/recipes", pages.recipes),
            Route("/recipes/{line}", pages.recipe),
            Route("/api/loop.json", api.loop),
            Route("/api/batches/{number}.json", api.batch),
            Route("/api/batches/{number}/charts.json", api.charts),
            Route("/bokeh/bokeh.min.js", bokeh_script),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
        ],
        middleware=[Middleware(Headers)],
        exception_handlers={404: pages.not_found, CytoloopError: pages.unreadable},
    )


def templates() -> jinja2.Environment:
    """The templates; a name that a page does not give them is a mistake, not an empty text."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def bokeh_script(_: Request) -> Response:
    """BokehJS as it ships in the installed bokeh package."""
    from bokeh.settings import settings  # noqa: PLC0415  (half a second to import, and needed on batch pages only)

    script = settings.bokehjs_path() / "js" / "bokeh.min.js"
    return FileResponse(script, media_type="text/javascript", headers={"cache-control": "max-age=86400"})


class Headers:
    """Puts the house's headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, with_headers)
