"""Guard: nobody reads a record with people in it without signing in, and no other site's page acts for them."""

from collections.abc import Callable
from urllib.parse import quote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cytoloop.core.errors import CytoloopError
from cytoloop.web.office import Office
from cytoloop.web.sessions import Session

COOKIE = "session"
FILES = ("/static/", "/bokeh/")
"""Files of ours, the same for everybody."""
OPEN = frozenset({"/sign-in", "/activate", "/openid/begin", "/openid/back"})
"""Pages that need no session."""
KEPT = "/request/"
"""Sheets whose answers are kept while their sender, whose session is over, signs in again."""
SAFE = ("GET", "HEAD")
FOREIGN = (
    "this was not asked from one of this site's own pages, so nothing was done; behind a proxy, let it hand on the "
    "host and the scheme (X-Forwarded-Proto) that the browser sees\n"
    "该请求并非来自本站点页面，未执行任何操作；若使用代理，请让其传递浏览器所见的主机名和协议（X-Forwarded-Proto）\n"
)


class Guard:
    """Finds the session of each request, and turns away who has none where one is needed."""

    def __init__(self, app: ASGIApp, office: Office, unreadable: Callable[[Request, Exception], Response]) -> None:
        self._app, self._office, self._unreadable = app, office, unreadable

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        foreign = request.method not in SAFE and not _own_origin(request)
        answer = PlainTextResponse(FOREIGN, 403) if foreign else await self._turned(request)
        await (answer or self._app)(scope, receive, send)

    async def _turned(self, request: Request) -> Response | None:
        # The path that the routes see. `request.url` is made with the Host header, which a visitor writes.
        path = str(request.scope["path"])
        if path.startswith(FILES):
            return None
        by_itself = path.startswith("/api/") or request.headers.get("x-cytoloop-live") == "1"
        try:
            session = await run_in_threadpool(self._office.session, request.cookies.get(COOKIE), touch=not by_itself)
            stranger = session is None and await run_in_threadpool(lambda: self._office.inhabited)
        except CytoloopError as error:
            return self._unreadable(request, error)
        request.scope.setdefault("state", {}).update(session=session, stranger=stranger)
        if not stranger or path in OPEN or (path.startswith(KEPT) and request.method == "POST"):
            return None
        if path.startswith("/api/"):
            return JSONResponse({"error": "sign in first"}, 401)
        return RedirectResponse("/sign-in?" + urlencode({"next": _here(request)}), 303)


def session_of(request: Request) -> Session | None:
    """Who is signed in at this request."""
    found = getattr(request.state, "session", None)
    return found if isinstance(found, Session) else None


def is_stranger(request: Request) -> bool:
    """Whether somebody asks who would have to sign in to read the record."""
    return getattr(request.state, "stranger", False) is True


def _here(request: Request) -> str:
    path = quote(str(request.scope["path"]))
    return f"{path}?{request.url.query}" if request.url.query else path


def _own_origin(request: Request) -> bool:
    """Whether a form was sent from one of our own pages (browsers always say so for a POST)."""
    return request.headers.get("origin") == f"{request.url.scheme}://{request.url.netloc}"
