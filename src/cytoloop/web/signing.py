"""Signing at a screen: what is asked, then exactly what is signed, then both components again. One pattern for all.

The sheet is made anew when it is signed and must have the hash that the person saw: what moved on meanwhile is shown
again and never signed unseen. Two tabs that sign the same sheet: one entry, and one clear sentence for the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cytoloop.adapters.credentials import assertion_options
from cytoloop.app.acts import refusing
from cytoloop.app.directory import Person
from cytoloop.app.people import People, Signer
from cytoloop.core.errors import ConflictError, RefusedError, UserError
from cytoloop.core.json import JSON
from cytoloop.core.signature import challenge
from cytoloop.core.words import Words
from cytoloop.web.forms import Form, read_form
from cytoloop.web.guard import session_of
from cytoloop.web.office import Office
from cytoloop.web.render import Render
from cytoloop.web.sheets import Asked, Kind, Sheet, kinds

MOVED_ON = Words(
    en="what you were shown has changed meanwhile, perhaps in another tab; nothing was signed: read it again",
    zh="所示内容在此期间已变更（可能在另一个标签页中）；未签名，请重新阅读",
)
STRANGER = Words(
    en="sign in first: nobody is enrolled here, or you are not signed in", zh="请先登录：此处尚无人员，或您未登录"
)
UNANSWERED = Words(en="answer every question in words, then go on", zh="请填写每一项后继续")


@dataclass(frozen=True, slots=True)
class Signing:
    """The pages on which people sign."""

    office: Office
    render: Render

    async def ask(self, request: Request) -> Response:
        """What the act needs to know, or the sheet once it is all there."""
        act, kind = _kind(request)
        asked = {each.name: request.query_params.get(each.name, "").strip() for each in kind.questions}
        given = all(each.name in request.query_params for each in kind.questions)
        if not given or any(each.needed and not asked[each.name] for each in kind.questions):
            return self._questions(request, act, kind, asked, UNANSWERED if given else None)
        return await self._sheet(request, act, kind, asked)

    async def sign(self, request: Request) -> Response:
        """Sign the sheet as it was shown."""
        act, kind = _kind(request)
        session = session_of(request)
        if session is None:
            raise RefusedError(STRANGER)
        form = await read_form(request)
        asked = {each.name: form[each.name] for each in kind.questions}
        user = form["signer"] if kind.second else session.user
        by = Signer(user=user, proof=form.proof, source=_source(request))
        try:
            sheet, told = await run_in_threadpool(self._signed, kind, asked, form, by)
        except ConflictError:
            return await self._sheet(request, act, kind, asked, problem=MOVED_ON, status=409)
        except (RefusedError, UserError) as why:
            return await self._sheet(request, act, kind, asked, problem=why.words, status=403)
        if told:
            return self.render.page(request, "told.html", act=act, subject=sheet.subject, told=told)
        return RedirectResponse(sheet.back, 303)

    def _signed(self, kind: Kind, asked: Asked, form: Form, by: Signer) -> tuple[Sheet, Mapping[str, JSON]]:
        def work(people: People) -> tuple[Sheet, Mapping[str, JSON]]:
            try:
                sheet = kind.build(people, self.office, asked)
            except (RefusedError, UserError) as why:
                raise ConflictError(why.words) from why
            if sheet.digest != form["digest"]:
                raise ConflictError(MOVED_ON)
            return sheet, sheet.sign(by)

        return self.office.act(work)

    def _questions(
        self, request: Request, act: str, kind: Kind, asked: Asked, problem: Words | None = None
    ) -> Response:
        status = 403 if problem else 200
        return self.render.page(request, "questions.html", status, act=act, kind=kind, asked=asked, problem=problem)

    async def _sheet(
        self, request: Request, act: str, kind: Kind, asked: Asked, *, problem: Words | None = None, status: int = 200
    ) -> Response:
        try:
            sheet, person, options = await run_in_threadpool(self._made, request, act, kind, asked)
        except ConflictError as why:
            if kind.home:
                return RedirectResponse(kind.home(asked), 303)
            return self._questions(request, act, kind, asked, problem or why.words)
        except (RefusedError, UserError) as why:
            return self._questions(request, act, kind, asked, problem or why.words)
        second = person.user if person.user != sheet.not_by else ""
        values: dict[str, object] = {"act": act, "kind": kind, "asked": asked, "sheet": sheet, "person": person}
        values |= {"options": options, "second": second}
        return self.render.page(request, "sheet.html", status, problem=problem, **values)

    def _made(
        self, request: Request, act: str, kind: Kind, asked: Asked
    ) -> tuple[Sheet, Person, dict[str, JSON] | None]:
        """The sheet, and who looks at it. What is refused before anybody could sign is an entry too."""
        session = session_of(request)

        def work(people: People) -> tuple[Sheet, Person, dict[str, JSON] | None]:
            person = people.person(session.user) if session else None
            if person is None:
                raise RefusedError(STRANGER)
            with refusing(people.registrar, act, _subject(asked), user=person.user, roles=person.roles):
                sheet = kind.build(people, self.office, asked)
            site, known = people.credentials.site, people.credentials.account(person.user).passkeys
            known = () if kind.second else known  # whoever it is, their own passkey answers
            if site is None or not (known or kind.second):
                return sheet, person, None
            return sheet, person, assertion_options(site, challenge=challenge(sheet.meaning, sheet.digest), known=known)

        return self.office.act(work)


def _kind(request: Request) -> tuple[str, Kind]:
    act = request.path_params["act"]
    found = kinds().get(act)
    if found is None:
        raise HTTPException(404, f"nothing is signed under {act}")
    return act, found


def _subject(asked: Asked) -> str:
    """What the act is on, as the record names it."""
    if asked.get("request"):
        return f"batch/{asked['request'].partition('/')[0]}"
    streams = {"batch": "batch/", "subject": "identity/", "user": "person/"}
    return next((stream + asked[name] for name, stream in streams.items() if asked.get(name)), "record")


def _source(request: Request) -> str:
    return request.client.host if request.client else ""
