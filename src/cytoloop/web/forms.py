"""Forms: what a browser sent, checked before anything is done with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest

from starlette.requests import Request

from cytoloop.core.errors import RefusedError
from cytoloop.core.json import JSON
from cytoloop.core.signature import PasskeyAssertion, Password, Proof
from cytoloop.core.words import Words
from cytoloop.web.guard import session_of

LONGEST = 4000
"""Characters of one answer."""
OUT_OF_DATE = Words(
    en="this page was out of date and nothing was done; look at it again",
    zh="该页面已过期，未执行任何操作；请重新打开该页面",
)
UNREADABLE = Words(en="the passkey's answer cannot be read; try again", zh="无法读取通行密钥的应答；请重试")


@dataclass(frozen=True, slots=True)
class Form:
    """The answers of one form."""

    answers: Mapping[str, str] = field(hash=False)

    def __getitem__(self, name: str) -> str:
        """The answer, without white space around it; empty when there is none."""
        return self.answers.get(name, "").strip()

    @property
    def proof(self) -> Proof:
        """A passkey's answer when there is one, else password and code."""
        if self["assertion"]:
            return _assertion(self["assertion"])
        return Password(secret=self.answers.get("secret", ""), code=self["code"])


async def read_form(request: Request) -> Form:
    """The form of `request`; RefusedError when it does not come from a page that this session was shown."""
    async with request.form(max_files=0, max_fields=40) as sent:
        answers = {name: value[:LONGEST] for name, value in sent.items() if isinstance(value, str)}
    session = session_of(request)
    if session is not None and not compare_digest(answers.get("token", "").encode(), session.token.encode()):
        raise RefusedError(OUT_OF_DATE)
    return Form(answers)


def plain(text: str) -> dict[str, JSON]:
    """A browser's answer as JSON; RefusedError when it is none."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise RefusedError(UNREADABLE) from error
    if not isinstance(found, dict):
        raise RefusedError(UNREADABLE)
    return found


def _assertion(text: str) -> PasskeyAssertion:
    found = plain(text)
    response = found.get("response")
    parts = response if isinstance(response, dict) else {}
    return PasskeyAssertion(
        credential=str(found.get("id", "")),
        client_data=str(parts.get("clientDataJSON", "")),
        authenticator_data=str(parts.get("authenticatorData", "")),
        signature=str(parts.get("signature", "")),
        public_key="",
    )
