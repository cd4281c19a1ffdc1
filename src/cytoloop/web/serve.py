"""Serve the pages on an address of this machine until somebody stops it."""

import socket
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette

from cytoloop.core.errors import UserError

HERE = ("127.0.0.1", "::1", "localhost")
"""Addresses that only this machine reaches."""
UNENCRYPTED = "passwords go to this address unencrypted; let people reach it only through a proxy that adds TLS"


def serve(app: Starlette, host: str = "127.0.0.1", port: int = 8000, tell: Callable[[str], None] = print) -> None:
    """Serve `app` on `host`:`port` (0: any free port) and tell the address; returns when it was stopped.

    Raises UserError when the port cannot be had.
    """
    with bound(host, port) as listener:
        tell(address_of(host, listener.getsockname()[1]))
        server_of(app).run(sockets=[listener])


def caution(host: str) -> str:
    """What somebody who serves on `host` has to know; nothing where only this machine reaches it."""
    return "" if host in HERE else UNENCRYPTED


def address_of(host: str, port: int) -> str:
    """What to type into a browser; an IPv6 address stands in brackets (RFC 3986 §3.2.2)."""
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def server_of(app: Starlette) -> uvicorn.Server:
    """A uvicorn server of the app that logs warnings only."""
    return uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens on the address; UserError when it is in use or not allowed."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise UserError(
            f"cannot serve on {host} port {port} ({error.strerror}); choose another with --port, or 0 for any free one"
        ) from error
    return listener
