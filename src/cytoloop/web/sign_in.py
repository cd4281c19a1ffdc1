"""Signing in and out: a session at a browser, once somebody is proven. It signs nothing."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cytoloop.adapters.credentials import assertion_options
from cytoloop.app.directory import Person
from cytoloop.core.errors import RefusedError
from cytoloop.core.words import Words
from cytoloop.web.forms import read_form
from cytoloop.web.guard import COOKIE
from cytoloop.web.office import Office
from cytoloop.web.render import Render


@dataclass(frozen=True, slots=True)
class SignIn:
    """The pages on which somebody comes in and leaves."""

    office: Office
    render: Render

    async def ask(self, request: Request) -> Response:
        """The page to sign in on."""
        return await self.page(request)

    async def enter(self, request: Request) -> Response:
        """Sign in: a session, once the person is proven."""
        form = await read_form(request)
        asked = self.office.challenges.take(form["asked"], self.office.now)
        source = request.client.host if request.client else ""
        try:
            person = await run_in_threadpool(
                lambda: self.office.act(
                    lambda people: people.sign_in(form["user"], form.proof, asked=asked, source=source)
                )
            )
            return await self.let_in(request, person, RedirectResponse(inside(form["next"]), 303))
        except RefusedError as why:
            return await self.page(request, why.words, 403, form["user"], form["next"])

    async def let_in(self, request: Request, person: Person, answer: Response) -> Response:
        """`answer`, with a session for `person` in this browser; RefusedError when they may not read.

        Whoever was signed in here before is signed out.
        """
        given = await run_in_threadpool(self.office.begin, person.user)
        await self._end(request)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, given, httponly=True, samesite="strict", secure=secure, path="/")
        return answer

    async def let_in_from_elsewhere(self, request: Request, person: Person, to: str) -> Response:
        """A page of ours that leads on by itself.

        A redirect would still count as a step from the other site, and the browser would not show the session's strict
        cookie.
        """
        return await self.let_in(request, person, self.render.page(request, "onward.html", to=inside(to)))

    async def leave(self, request: Request) -> Response:
        """Sign out."""
        await read_form(request)
        await self._end(request)
        answer = RedirectResponse("/sign-in", 303)
        answer.delete_cookie(COOKIE, path="/")
        return answer

    async def page(
        self, request: Request, problem: Words | None = None, status: int = 200, user: str = "", to: str | None = None
    ) -> Response:
        """The page to sign in on, with what went wrong."""
        name, asked = self.office.challenges.ask(self.office.now)
        site = await run_in_threadpool(lambda: self.office.act(lambda people: people.credentials.site))
        options = assertion_options(site, challenge=asked, known=()) if site else None
        onward = inside(to if to is not None else request.query_params.get("next", "/"))
        values = {"asked": name, "options": options, "next": onward, "openid": self.office.settings.openid}
        page = self.render.page(request, "sign_in.html", status, problem=problem, user=user, **values)
        page.headers["cache-control"] = "no-store"
        return page

    async def _end(self, request: Request) -> None:
        ended = self.office.sessions.end(request.cookies.get(COOKIE))
        if ended is not None:
            await run_in_threadpool(self.office.sign_out, ended.user, "asked")


def inside(address: str) -> str:
    """`address` when it is one of ours, else the first page: a sign-in never leads to another site."""
    if not address.startswith("/") or address.startswith(("//", "/\\")) or not address.isprintable():
        return "/"
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    return "/" if parts.scheme or parts.netloc or parts.path == "/sign-in" else address
