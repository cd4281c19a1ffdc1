"""Signing in with the house's OpenID provider. It opens a session and no more: no signature takes it as a proof."""

import secrets
from dataclasses import dataclass, field
from os import environ

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cytoloop.adapters.openid import Answer, Attempt, Client, UnansweredError, begin, proven
from cytoloop.app.acts import refused
from cytoloop.app.directory import Person
from cytoloop.app.people import People
from cytoloop.app.settings import OpenId
from cytoloop.core.errors import CytoloopError, RefusedError, UserError
from cytoloop.core.time import Instant
from cytoloop.core.words import Words
from cytoloop.web.office import Office
from cytoloop.web.sessions import ASKED, MOST_ASKED
from cytoloop.web.sign_in import SignIn, inside

COOKIE = "openid"
"""Ties an attempt to the browser that began it: an answer that somebody else slips in is refused."""
FOREIGN = Words(
    en="this answer belongs to no sign-in that was begun in this browser, or came too late; begin again",
    zh="该应答不属于在此浏览器中开始的登录，或已超时；请重新开始",
)


@dataclass(frozen=True, slots=True)
class Attempts:
    """Attempts whose browser has not come back yet, with where each goes on. Each is good once."""

    _by_id: dict[str, tuple[Attempt, str]] = field(default_factory=dict)

    def keep(self, attempt: Attempt, to: str) -> str:
        """The id that only the browser knows."""
        while len(self._by_id) >= MOST_ASKED:
            self._by_id.pop(next(iter(self._by_id)), None)
        given = secrets.token_urlsafe(32)
        self._by_id[given] = (attempt, to)
        return given

    def take(self, given: str | None, at: Instant) -> tuple[Attempt, str]:
        """The attempt of that id, forgotten from now on; RefusedError when there is none or it is too old."""
        attempt, to = self._by_id.pop(given or "", (None, ""))
        if attempt is None or at - attempt.began > ASKED:
            raise RefusedError(FOREIGN)
        return attempt, to


@dataclass(frozen=True, slots=True)
class OpenIdSignIn:
    """The way to the provider and the way back."""

    office: Office
    sign_in: SignIn
    attempts: Attempts = field(default_factory=Attempts)

    async def begin(self, request: Request) -> Response:
        """Send the browser to the provider."""
        try:
            client = client_of(_settings(self.office))
            back = f"{request.url.scheme}://{request.url.netloc}/openid/back"
            attempt, address = await run_in_threadpool(begin, client, back, self.office.now)
        except CytoloopError as why:
            return await self._failed(request, why)
        answer = RedirectResponse(address, 303)
        kept = self.attempts.keep(attempt, inside(request.query_params.get("next", "/")))
        secure, age = request.url.scheme == "https", int(ASKED.total_seconds())
        # Lax: the browser comes back from another site, and must still show whose attempt this is.
        answer.set_cookie(COOKIE, kept, max_age=age, httponly=True, samesite="lax", secure=secure, path="/openid")
        return answer

    async def back(self, request: Request) -> Response:
        """Let in who the provider proved."""
        settings = _settings(self.office)
        try:
            attempt, to = self.attempts.take(request.cookies.get(COOKIE), self.office.now)
            person = await run_in_threadpool(self._person, settings, attempt, answer_of(request), _source(request))
        except CytoloopError as why:
            return await self._failed(request, why)
        answer = await self.sign_in.let_in_from_elsewhere(request, person, to)
        answer.delete_cookie(COOKIE, path="/openid")
        return answer

    def _person(self, settings: OpenId, attempt: Attempt, answer: Answer, source: str) -> Person:
        """Who came back. A refusal is an entry, without what the token says: it may be anybody's name."""
        try:
            user = proven(client_of(settings), attempt, answer, self.office.now)
        except RefusedError as why:
            reason = str(why)
            self.office.act(lambda people: refused(people.registrar, "sign-in", "person/", reason))
            raise
        return self.office.act(lambda people: _admitted(people, user, source))

    async def _failed(self, request: Request, why: CytoloopError) -> Response:
        status = 502 if isinstance(why, UnansweredError) else 403
        answer = await self.sign_in.page(request, why.words, status)
        answer.delete_cookie(COOKIE, path="/openid")
        return answer


def client_of(settings: OpenId) -> Client:
    """What this site is to the provider; UserError when its secret is not in the environment."""
    name = settings.client_secret_env
    secret = environ.get(name, "") if name else ""
    if name and not secret:
        raise UserError(
            f"the secret of the OpenID client is not set: put it into the environment as {name} before serving, or say "
            "client_secret_env: '' for a client without one"
        )
    return Client(issuer=settings.issuer, client_id=settings.client_id, secret=secret, user_claim=settings.user_claim)


def answer_of(request: Request) -> Answer:
    """What the browser brought back."""
    given = request.query_params
    return Answer(
        state=given.get("state", ""),
        code=given.get("code", ""),
        error=given.get("error", ""),
        issuer=given.get("iss", ""),
    )


def _admitted(people: People, user: str, source: str) -> Person:
    return people.admit(user, source=source)


def _settings(office: Office) -> OpenId:
    if office.settings.openid is None:
        raise HTTPException(404, "this site has no OpenID provider")
    return office.settings.openid


def _source(request: Request) -> str:
    return request.client.host if request.client else ""
