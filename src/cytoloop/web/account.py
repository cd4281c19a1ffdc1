"""One's own account, and who else is there."""

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cytoloop.adapters.credentials import assertion_options
from cytoloop.app.accounts import Accounts
from cytoloop.app.directory import person_stream
from cytoloop.app.people import People, Signer, own_challenge
from cytoloop.app.telling import tell
from cytoloop.core.entry import Recorded
from cytoloop.core.errors import CytoloopError
from cytoloop.core.facts.people import AccountLocked, CredentialSet, MisuseAlerted, SignedIn
from cytoloop.core.words import Words
from cytoloop.web.activation import registration
from cytoloop.web.forms import plain, read_form
from cytoloop.web.guard import session_of
from cytoloop.web.office import Office
from cytoloop.web.render import Render

SHOWN = 12
"""Notes of one's own account on its page."""
NOTES = (SignedIn, CredentialSet, AccountLocked, MisuseAlerted)


@dataclass(frozen=True, slots=True)
class Account:
    """The page of one's own account, and the list of people."""

    office: Office
    render: Render

    async def show(self, request: Request) -> Response:
        """One's own account."""
        return await self._account(request)

    async def add_passkey(self, request: Request) -> Response:
        """One passkey more, for who proves who they are once again."""
        form, session = await read_form(request), session_of(request)
        asked = self.office.challenges.take(form["asked"], self.office.now)
        if session is None:
            return RedirectResponse("/sign-in", 303)
        by = Signer(user=session.user, proof=form.proof)
        try:
            response = plain(form["registration"])
            await run_in_threadpool(
                lambda: self.office.act(
                    lambda people: Accounts(people).add_passkey(by, response, asked=asked, name=form["name"])
                )
            )
        except CytoloopError as why:
            return await self._account(request, why.words, 403)
        return RedirectResponse("/account", 303)

    async def people(self, request: Request) -> Response:
        """Everybody with an account, for who is signed in."""
        everybody = await run_in_threadpool(lambda: self.office.act(lambda people: people.everybody()))
        return self.render.page(request, "people.html", everybody=everybody)

    async def _account(self, request: Request, problem: Words | None = None, status: int = 200) -> Response:
        session = session_of(request)
        if session is None:
            return RedirectResponse("/sign-in", 303)
        user, (name, asked) = session.user, self.office.challenges.ask(self.office.now)

        def work(people: People) -> dict[str, object]:
            account, site = people.credentials.account(user), people.credentials.site
            own = own_challenge("set-credential", person_stream(user))
            return {
                "person": people.person(user),
                "passkeys": account.passkeys,
                "notes": _notes(people, user),
                "tell": tell,
                "registration": registration(people, user, asked) if site else None,
                "options": assertion_options(site, challenge=own, known=account.passkeys) if site else None,
            }

        values = await run_in_threadpool(lambda: self.office.act(work))
        return self.render.page(request, "account.html", status, asked=name, problem=problem, **values)


def _notes(people: People, user: str) -> list[Recorded]:
    """What the record holds of who used the account, newest first."""
    stream = people.registrar.ledger.stream(person_stream(user))
    return [recorded for recorded in stream if isinstance(recorded.fact, NOTES)][::-1][:SHOWN]
