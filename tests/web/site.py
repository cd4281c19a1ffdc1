"""A server of the pages on a free port of this machine, and a way to ask it."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler, Request, build_opener

from starlette.applications import Starlette

from cytoloop.web.serve import bound, server_of


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True)
class Site:
    """A running server of the pages."""

    address: str

    def get(self, path: str, **headers: str) -> Answer:
        """The answer at `path`, redirects not followed."""
        request = Request(self.address + quote(path, safe="/?=&%"), headers=headers)
        try:
            with build_opener(_Stay).open(request, timeout=30) as answer:
                return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read().decode())
        except HTTPError as error:
            with error:
                return Answer(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read().decode())


def running(app: Starlette) -> Iterator[Site]:
    """Serve `app` on a free port of this machine while the test runs."""
    listener = bound("127.0.0.1", 0)
    server = server_of(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield Site(f"http://127.0.0.1:{listener.getsockname()[1]}")
    server.should_exit = True
    thread.join(timeout=10)
    listener.close()
