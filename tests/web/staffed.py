"""Pages over a folder with real people in it: accounts, credentials, a batch that waits for its review."""

import atexit
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from html import unescape
from http.cookiejar import CookieJar
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, OpenerDirector, Request, build_opener

import pyotp
from tests.staff import Wall, secret_of, typed_batch
from tests.web.site import Answer

from cytoloop.adapters.credentials import Provisioning
from cytoloop.adapters.sqlite import open_store
from cytoloop.app.accounts import Accounts, Confirm, Enrol
from cytoloop.app.founding import Founder, found
from cytoloop.app.people import People, Signer, people_at
from cytoloop.app.records import RECORD
from cytoloop.core.signature import Password
from cytoloop.core.time import Instant
from cytoloop.record.ledger import Ledger
from cytoloop.testing.passkey import SoftPasskey
from cytoloop.web.app import make_app
from cytoloop.web.serve import bound, server_of


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


@dataclass(slots=True)
class House:
    """A data folder with people, its pages, and everybody's secrets."""

    folder: Path
    address: str
    clock: Wall
    codes: dict[str, str] = field(default_factory=dict)

    @property
    def ledger(self) -> Ledger:
        """The record, opened anew."""
        return Ledger(open_store(self.folder / RECORD), self.clock)

    @property
    def people(self) -> People:
        """The people of the record, opened anew."""
        return people_at(self.folder, self.ledger, self.clock)

    def code(self, user: str) -> str:
        """The code of the moment, a minute later each time, so that it is a new one."""
        self.clock.moment += timedelta(minutes=1)
        return pyotp.TOTP(self.codes[user]).at(self.clock.moment)

    def code_after(self, user: str) -> str:
        """The code that follows the one of the moment: good as well, for a clock that is a little ahead."""
        return pyotp.TOTP(self.codes[user]).at(self.clock.moment + timedelta(seconds=30))

    def proof(self, user: str) -> dict[str, str]:
        """What `user` types."""
        return {"secret": secret_of(user), "code": self.code(user)}

    def names(self, stream: str) -> list[str]:
        """Names of the entries of a stream."""
        return [recorded.entry.name for recorded in self.ledger.stream(stream)]

    def browser(self) -> "Browser":
        """A browser of its own."""
        return Browser(self)

    def signed_in(self, user: str) -> "Browser":
        """A browser in which `user` is signed in."""
        browser = self.browser()
        answer = browser.post("/sign-in", {"user": user, **self.proof(user)})
        assert answer.status == 303, answer.text
        return browser


@dataclass(slots=True)
class Browser:
    """A browser without scripts: cookies and forms."""

    house: House
    jar: CookieJar = field(default_factory=CookieJar)

    def get(self, path: str) -> Answer:
        """The page at `path`; redirects are not followed."""
        return self._ask(Request(self.house.address + path))

    def post(self, path: str, answers: dict[str, str], origin: str | None = None) -> Answer:
        """Send a form as one of our own pages would, or as a page of `origin`."""
        headers = {"Origin": origin or self.house.address}
        return self._ask(Request(self.house.address + path, urlencode(answers).encode(), headers))

    def form(self, path: str) -> dict[str, str]:
        """The hidden answers of the form that the page at `path` shows."""
        return hidden(self.get(path).text)

    def _ask(self, request: Request) -> Answer:
        opener: OpenerDirector = build_opener(_Stay, HTTPCookieProcessor(self.jar))
        try:
            with opener.open(request, timeout=30) as answer:
                return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read().decode())
        except HTTPError as error:
            with error:
                return Answer(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read().decode())


def hidden(page: str) -> dict[str, str]:
    """Hidden answers of a page's forms."""
    found = re.findall(r'<input type="hidden" name="([^"]+)"(?: value="([^"]*)")?>', page)
    return {name: unescape(value) for name, value in found}


def options(page: str, kind: str = "options") -> dict[str, object]:
    """What a page asks a passkey."""
    found = re.search(rf'data-{kind}="([^"]*)"', page)
    assert found is not None, "the page asks no passkey"
    asked: dict[str, object] = json.loads(unescape(found.group(1)))
    return asked


def passkey_of(house: House) -> SoftPasskey:
    """A new passkey of software for this site."""
    return SoftPasskey(site="localhost", origin=house.address)


def house(folder: Path, *, settings: str = "", passkeys: bool = True) -> Iterator[House]:
    """A house with people (ad.min, qa.founder, qa.li, op.sun) and a batch B-1 that waits for its review, served."""
    template, codes, moment = _template()
    shutil.copytree(template, folder, dirs_exist_ok=True)
    with closing(bound("127.0.0.1", 0)) as listener:
        address = f"http://localhost:{listener.getsockname()[1]}"
        keys = f"passkeys:\n  rp_id: localhost\n  origins: ['{address}']\n" if passkeys else ""
        (folder / "cytoloop.yaml").write_text(keys + settings, encoding="utf-8")
        made = House(folder, address, Wall(moment), dict(codes))
        app = make_app(lambda: Ledger(open_store(folder / RECORD, read_only=True), made.clock), folder, made.clock)
        server = server_of(app)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield made
        server.should_exit = True
        thread.join(timeout=10)
        app.state.office.close()


@cache
def _template() -> tuple[Path, dict[str, str], Instant]:
    """The folder, made once: accounts take a while."""
    folder = Path(tempfile.mkdtemp(prefix="cytoloop-house-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = House(folder, "", Wall())
    with closing(open_store(folder / RECORD, create=True)) as store:
        ledger = Ledger(store, made.clock)
        typed_batch(ledger)
        staffed(made, people_at(folder, ledger, made.clock))
    return folder, made.codes, made.clock.moment


def staffed(made: House, people: People) -> None:
    """Found the record, and enrol a person of quality assurance and an operator."""

    def show(founder: Founder, provisioning: Provisioning) -> str:
        made.codes[founder.user] = provisioning.secret
        return pyotp.TOTP(provisioning.secret).at(made.clock.moment)

    founders = [
        Founder(user=user, printed_name=name, zone="Asia/Shanghai", secret=secret_of(user))
        for user, name in (("ad.min", "Deng Min 邓敏"), ("qa.founder", "Gu Yan 顾岩"))
    ]
    found(people, administrator=founders[0], quality=founders[1], show=show)
    enrol(made, people, "qa.li", "Li Na 李娜", "qa")
    enrol(made, people, "op.sun", "Sun Wei 孙伟", "operator")


def enrol(made: House, people: People, user: str, name: str, *roles: str, confirm: bool = True) -> str:
    """One more person with a password; their one-time code."""
    accounts = Accounts(people)
    wanted = Enrol(user=user, printed_name=name, roles=roles, zone="Asia/Shanghai")
    code = accounts.do(wanted, Signer(user="ad.min", proof=Password(**made.proof("ad.min"))))
    assert code is not None
    if confirm:
        provisioning = accounts.set_password(user, code, secret_of(user))
        made.codes[user] = provisioning.secret
        accounts.prove_code(user, code, pyotp.TOTP(provisioning.secret).at(made.clock.moment))
        accounts.do(Confirm(user=user), Signer(user="qa.founder", proof=Password(**made.proof("qa.founder"))))
    return code
