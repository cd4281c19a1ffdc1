"""Desk: the one shelf that all visitors read, behind a lock, caught up before each look."""

from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from cytoloop.app.views import Reader, Shelf

T = TypeVar("T")


class Desk:
    """Opens the record at the first look and keeps it open. Safe to use from several threads."""

    def __init__(self, open_ledger: Callable[[], Reader]) -> None:
        self._open = open_ledger
        self._lock = Lock()
        self._shelf: Shelf | None = None

    def look(self, view: Callable[[Shelf], T]) -> T:
        """What `view` makes of the record as it is now."""
        with self._lock:
            if self._shelf is None:
                self._shelf = Shelf(self._open())
            else:
                self._shelf.catch_up()
            return view(self._shelf)
