"""Cluster: one function over many items on the workers of a Dask scheduler (extra `dask`).

The workers need this package, of the same version, in their environment. Dask gives an item to another worker when one
dies; that is safe because an item's result hangs on the item alone.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

from cytoloop import __version__
from cytoloop.core.errors import FindingError, UserError

T = TypeVar("T")
R = TypeVar("R")

PATIENCE = 5.0
"""Seconds in which the scheduler, and then a worker, must answer."""
DEATHS = 10
"""Workers that may die on one item before it is given up."""


@contextmanager
def cluster(address: str) -> Iterator["Cluster"]:
    """The workers of the scheduler at `address`; what was not begun is taken back when the context ends.

    UserError when there is no scheduler, no worker, or a worker of another version.
    """
    distributed = _library()
    client = _connected(distributed, address)
    try:
        _check_workers(client, address)
        yield Cluster(distributed, client)
    finally:
        client.close()


@dataclass(frozen=True, slots=True)
class Cluster:
    """Workers of a Dask scheduler."""

    distributed: Any
    client: Any

    def each(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """The result of `work` for each item, as they are done. FindingError when workers died too often on one."""
        futures = self.client.map(work, items, pure=False, retries=DEATHS)
        left = len(futures)
        try:
            for future in self.distributed.as_completed(futures, loop=self.client.loop):
                yield _result(self.distributed, future)
                left -= 1
        finally:
            if left:
                self.client.cancel(futures)


def _library() -> Any:
    try:
        distributed = import_module("distributed")
        import_module("distributed.client")
    except ModuleNotFoundError as error:
        raise UserError(
            "a cluster needs the extra 'dask': pip install 'cytoloop[dask]', here and where its workers run"
        ) from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    return distributed


def _connected(distributed: Any, address: str) -> Any:
    try:
        return distributed.Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError, ImportError) as error:
        raise UserError(
            f"no Dask scheduler answers at {address} ({type(error).__name__}); start one with `dask scheduler`, its "
            f"workers with `dask worker {address}`, or leave --cluster out to use this machine's cores"
        ) from error


def _check_workers(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError as error:
        raise UserError(
            f"the scheduler at {address} has no worker; start one: `dask worker {address}` where this package is"
        ) from error
    versions = client.run(_version)
    others = sorted({each for each in versions.values() if each != __version__})
    if others:
        raise UserError(
            f"a worker at {address} has cytoloop {others[0]}, here it is {__version__}; install the same version"
        )


def _version() -> str:
    return __version__


def _result(distributed: Any, future: Any) -> Any:
    try:
        return future.result()
    except distributed.KilledWorker as error:
        raise FindingError(
            "workers of the cluster died again and again on one block; have they enough memory? What was done is kept"
        ) from error
