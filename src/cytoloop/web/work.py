"""Work: what waits for who is signed in, and the sheet on which they answer.

A plain answer is the session's; where a signature is asked for, the sheet leads to the page that signs. What was typed
is never lost: a form that is out of date, or whose session is over, comes back as it was filled in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cytoloop.app.answering import Answering
from cytoloop.app.asked import Asked, Checked, check, contents_of
from cytoloop.app.directory import Person
from cytoloop.app.people import People
from cytoloop.app.views_line import moment_of
from cytoloop.app.views_shelf import Shelf
from cytoloop.app.views_work import WorkLine, for_roles, work_of
from cytoloop.core.errors import ConflictError, RefusedError, UserError
from cytoloop.core.json import JSON
from cytoloop.core.time import Instant
from cytoloop.core.words import Words
from cytoloop.web.forms import OUT_OF_DATE, Form, read_form
from cytoloop.web.guard import session_of
from cytoloop.web.office import Office
from cytoloop.web.pictures import pictures_of
from cytoloop.web.render import Render
from cytoloop.web.work_forms import address_of, key_of, lines_of, seen, texts_of, to_sign, typed_in

STRANGER = Words(
    en="sign in first: nobody is enrolled here, or you are not signed in", zh="请先登录：此处尚无人员，或您未登录"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A sheet as somebody filled it in."""

    texts: Mapping[str, str]
    checked: Checked | None = None
    """What came of it, once it was sent."""
    problem: Words | None = None
    asks_why: bool = False
    """Whether a reason is asked for: something is warned of, or it cannot be done."""
    done: bool = True


EMPTY = Filled(texts={})


@dataclass(frozen=True, slots=True)
class Work:
    """The pages on which people answer."""

    office: Office
    render: Render

    async def list(self, request: Request) -> Response:
        """What waits for who is signed in; for a stranger where nobody is enrolled, what waits for anybody."""
        session = session_of(request)
        line = request.query_params.get("line") or None

        def view(shelf: Shelf) -> tuple[tuple[WorkLine, ...], Instant, int]:
            at, _ = moment_of(shelf, self.office.record_clock.now())
            return work_of(shelf, at), at, shelf.size

        every, at, size = await run_in_threadpool(self.office.desk.look, view)
        roles = session.roles if session else tuple({each.role for each in every})
        mine = for_roles(every, roles, user=session.user if session else "", line=line)
        taken = request.query_params.get("taken")
        values: dict[str, object] = {"work": mine, "lines": lines_of(every), "line": line, "at": at, "taken": taken}
        values |= {"seen": seen(size, at), "roles": roles, "address": address_of}
        return self.render.page(request, "work.html", 200, **values)

    async def ask(self, request: Request) -> Response:
        """The sheet of one request, or what was answered."""
        draft, session = request.query_params.get("draft", ""), session_of(request)
        texts = self.office.drafts.find(draft, session.user, self.office.now) if session and draft else {}
        return await self._sheet(request, Filled(texts=texts))

    async def give(self, request: Request) -> Response:
        """Give the answer that was filled in."""
        session, key = session_of(request), key_of(request)
        if session is None:
            return await self._signed_out(request)
        try:
            form = await read_form(request)
        except RefusedError:
            return await self._sheet(request, Filled(texts=await texts_of(request), problem=OUT_OF_DATE), 403)
        try:
            came_of_it = await run_in_threadpool(self._given, form, session.user, key)
        except ConflictError as why:
            return await self._sheet(request, Filled(texts={}, problem=why.words), 409)
        except (RefusedError, UserError) as why:
            return await self._sheet(request, Filled(texts=form.answers, problem=why.words), 403)
        if isinstance(came_of_it, Filled):
            return await self._sheet(request, came_of_it, 422)
        return RedirectResponse(came_of_it, 303)

    def _given(self, form: Form, user: str, key: str) -> str | Filled:
        """Where the person goes on; or the sheet, to be shown again."""

        def work(people: People) -> str | Filled:
            answering = self._answering(people)
            asked = answering.open(key)
            answering.demand_right(asked, user)
            person = people.person(user)
            typed = typed_in(form, person.zone if person else "UTC")
            checked = check(asked, typed, answering.now)
            why = bool(checked.warnings) or not typed.done
            if checked.problems or (why and not typed.reason):
                answering.keep_mix_up(asked, checked, user)
                return Filled(texts=form.answers, checked=checked, asks_why=why, done=typed.done)
            if asked.meaning is not None and typed.done:
                return to_sign(key, typed)
            fact = answering.give(user, key, typed)
            return address_of(key) if fact.verifier else "/work?" + urlencode({"taken": key})

        return self.office.act(work)

    async def _signed_out(self, request: Request) -> Response:
        """Sign in again and come back: what was typed is kept meanwhile for who typed it."""
        texts = await texts_of(request)
        if not self.office.inhabited:
            raise RefusedError(STRANGER)
        draft = self.office.drafts.keep(texts.get("by", ""), texts, self.office.now)
        back = f"{address_of(key_of(request))}?{urlencode({'draft': draft})}"
        return RedirectResponse("/sign-in?" + urlencode({"next": back}), 303)

    async def _sheet(self, request: Request, filled: Filled, status: int = 200) -> Response:
        key, session = key_of(request), session_of(request)

        def work(people: People) -> tuple[Asked, Words | None, Person | None]:
            answering = self._answering(people)
            asked = answering.look(key)
            already = answering.already(asked.given) if asked.given else None
            return asked, already, people.person(session.user) if session else None

        def lines(shelf: Shelf) -> tuple[WorkLine | None, int, Instant]:
            at = self.office.record_clock.now()
            return next((each for each in work_of(shelf, at) if each.key == key), None), shelf.size, at

        try:
            asked, already, person = await run_in_threadpool(lambda: self.office.act(work))
        except UserError as error:
            raise HTTPException(404, str(error)) from error
        line, size, at = await run_in_threadpool(self.office.desk.look, lines)
        values: dict[str, object] = {"asked": asked, "line": line, "person": person, "already": already, "at": at}
        values |= {"filled": filled, "seen": seen(size, at), "address": address_of, "contents": _contents(asked)}
        return self.render.page(request, "work_sheet.html", status, **values, pictures=pictures_of(asked))

    def _answering(self, people: People) -> Answering:
        return self.office.answering(people)


def _contents(asked: Asked) -> Mapping[str, JSON]:
    """What is decided on; nothing for a request that is answered from what one finds."""
    return contents_of(asked.request) if asked.open and asked.request.command.verb == "decide" else {}
