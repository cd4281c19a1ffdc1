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

from cytoloop.adapters.clocks import FolderClock, ScaledClock
from cytoloop.app.views import Reader
from cytoloop.core.errors import CytoloopError, RefusedError, UserError
from cytoloop.core.time import Clock
from cytoloop.web.account import Account
from cytoloop.web.activation import Activation
from cytoloop.web.api import Api
from cytoloop.web.desk import Desk
from cytoloop.web.floor import Floor
from cytoloop.web.guard import Guard
from cytoloop.web.lexicon import load
from cytoloop.web.office import Office
from cytoloop.web.openid import OpenIdSignIn
from cytoloop.web.pages import Pages
from cytoloop.web.pictures import Pictures
from cytoloop.web.proposals import Proposals
from cytoloop.web.render import Render
from cytoloop.web.serve import HERE
from cytoloop.web.sign_in import SignIn
from cytoloop.web.signing import Signing
from cytoloop.web.work import Work

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


def make_app(open_ledger: Callable[[], Reader], folder: Path | None = None, clock: Clock | None = None) -> Starlette:
    """The pages over the record that `open_ledger` opens, which is called once, at the first visit.

    `folder`: the data folder, where people sign in and sign; without it the pages are for reading only.
    """
    desk, lexicon = Desk(open_ledger), load()
    record_clock = clock or (FolderClock(folder) if folder else ScaledClock())
    render = Render(lexicon, templates())
    pages, api = Pages(desk, render), Api(desk, lexicon)
    proposals = Proposals(desk, render, lexicon)
    floor = Floor(desk, render, record_clock)
    office = Office(folder, desk, clock or ScaledClock(), record_clock) if folder else None
    guard = [Middleware(Guard, office=office, unreadable=pages.unreadable)] if office else []
    app = Starlette(
        routes=[
            *(_acts(office, render) if office else ()),
            Route("/", pages.loop),
            Route("/line", floor.line),
            Route("/batches", pages.batches),
            Route("/batches/{number}", pages.batch),
            Route("/record", pages.record),
            Route("/record/{sequence:int}", pages.entry),
            Route("/audit", pages.audit),
            Route("/audit.csv", pages.audit_csv),
            Route("/audit.json", pages.audit_json),
            Route("/recipes", pages.recipes),
            Route("/recipes/{line}", pages.recipe),
            Route("/proposals", proposals.list),
            Route("/proposals/{proposal}", proposals.show),
            Route("/api/proposals/{proposal}/charts.json", proposals.charts),
            Route("/api/loop.json", api.loop),
            Route("/api/outcome.json", api.outcome),
            Route("/api/line.json", floor.seen),
            Route("/api/batches/{number}.json", api.batch),
            Route("/api/batches/{number}/charts.json", api.charts),
            Route("/bokeh/bokeh.min.js", bokeh_script),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
        ],
        middleware=[Middleware(Headers), *guard],
        exception_handlers={
            403: pages.refused,
            404: pages.not_found,
            RefusedError: pages.refused,
            CytoloopError: pages.unreadable,
        },
    )
    app.state.office = office
    return app


def demand_people(app: Starlette, folder: Path, host: str) -> None:
    """UserError when pages that ask nobody to sign in would be served to other machines."""
    if host not in HERE and not app.state.office.inhabited:
        raise UserError(
            f"nobody is enrolled in {folder}, so everybody on the network could read it: enrol people first "
            "(cytoloop people found), or serve on 127.0.0.1"
        )


def _acts(office: Office, render: Render) -> list[Route]:
    """Where people sign in and sign."""
    who, signing = SignIn(office, render), Signing(office, render)
    provider = OpenIdSignIn(office, who)
    activation, account, work = Activation(office, render), Account(office, render), Work(office, render)
    return [
        Route("/sign-in", who.ask, methods=["GET"]),
        Route("/sign-in", who.enter, methods=["POST"]),
        Route("/sign-out", who.leave, methods=["POST"]),
        Route("/openid/begin", provider.begin, methods=["GET"]),
        Route("/openid/back", provider.back, methods=["GET"]),
        Route("/activate", activation.ask, methods=["GET"]),
        Route("/activate", activation.step, methods=["POST"]),
        Route("/account", account.show, methods=["GET"]),
        Route("/account/passkeys", account.add_passkey, methods=["POST"]),
        Route("/people", account.people, methods=["GET"]),
        Route("/work", work.list, methods=["GET"]),
        Route("/request/{key:path}", work.ask, methods=["GET"]),
        Route("/request/{key:path}", work.give, methods=["POST"]),
        Route("/pictures/{recipe}/{name}", Pictures(office.folder).show, methods=["GET"]),
        Route("/sign/{act}", signing.ask, methods=["GET"]),
        Route("/sign/{act}", signing.sign, methods=["POST"]),
    ]


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
