"""Setting one's own credential with a one-time code: a passkey, or a password with codes (21 CFR 11.300)."""

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from cytoloop.adapters.credentials import NOT_NOW, registration_options
from cytoloop.app.accounts import Accounts
from cytoloop.app.people import People
from cytoloop.core.errors import CytoloopError, RefusedError
from cytoloop.core.json import JSON
from cytoloop.core.words import Words
from cytoloop.web.forms import Form, plain, read_form
from cytoloop.web.office import Office
from cytoloop.web.qr import picture
from cytoloop.web.render import Render


@dataclass(frozen=True, slots=True)
class Activation:
    """The page on which an owner sets their credential."""

    office: Office
    render: Render

    async def ask(self, request: Request) -> Response:
        """Ask for the user id and the one-time code."""
        return self._page(request, "begin")

    async def step(self, request: Request) -> Response:
        """One step: begin with a passkey or a password, then show that it works."""
        form = await read_form(request)
        steps = {"password": self._password, "passkey": self._passkey, "made": self._made}
        try:
            return await run_in_threadpool(steps.get(form["step"], self._proven), request, form)
        except CytoloopError as why:
            return self._page(request, "begin", form, 403, problem=why.words)

    def _password(self, request: Request, form: Form) -> Response:
        secret = form.answers.get("secret", "")
        made = self.office.act(lambda people: Accounts(people).set_password(form["user"], form["invitation"], secret))
        return self._page(request, "prove", form, secret=made.secret, picture=picture(made.uri))

    def _passkey(self, request: Request, form: Form) -> Response:
        name, asked = self.office.challenges.ask(self.office.now)

        def work(people: People) -> dict[str, JSON]:
            Accounts(people).demand_invited(form["user"], form["invitation"])
            return registration(people, form["user"], asked)

        options = self.office.act(work)
        return self._page(request, "make", form, asked=name, options=options)

    def _made(self, request: Request, form: Form) -> Response:
        asked, response = self.office.challenges.take(form["asked"], self.office.now), plain(form["registration"])
        user, code, name = form["user"], form["invitation"], form["name"]
        self.office.act(lambda people: Accounts(people).set_passkey(user, code, response, asked=asked, name=name))
        return self._page(request, "done", form)

    def _proven(self, request: Request, form: Form) -> Response:
        user, code = form["user"], form["invitation"]
        try:
            self.office.act(lambda people: Accounts(people).prove_code(user, code, form["code"]))
        except RefusedError as why:
            if why.words != NOT_NOW:
                raise
            return self._page(request, "prove", form, 403, problem=why.words, secret="", picture="")
        return self._page(request, "done", form)

    def _page(
        self, request: Request, step: str, form: Form | None = None, status: int = 200, *, problem: Words | None = None,
        **values: object,
    ) -> Response:  # fmt: skip
        passkeys = self.office.settings.passkeys is not None
        user, code = (form["user"], form["invitation"]) if form else ("", "")
        page = self.render.page(
            request,
            "activate.html",
            status,
            step=step,
            user=user,
            invitation=code,
            problem=problem,
            given=values,
            passkeys=passkeys,
        )
        page.headers["cache-control"] = "no-store"
        return page


def registration(people: People, user: str, asked: bytes) -> dict[str, JSON]:
    """What a browser needs to make a passkey for `user`; RefusedError where the site uses none."""
    site = people.credentials.site
    if site is None:
        raise RefusedError(
            Words(
                en="this site uses no passkeys; its settings name none (passkeys: in cytoloop.yaml)",
                zh="本站点未启用通行密钥；其设置中没有（cytoloop.yaml 的 passkeys:）",
            )
        )
    person = people.person(user)
    name = person.printed_name if person else user
    known = people.credentials.account(user).passkeys
    return registration_options(site, user=user, printed_name=name, challenge=asked, known=known)
