"""Office: where people act on the pages. One open record, one act at a time, and who is signed in."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import Literal, TypeVar

from cytoloop.app.answering import Answering, Qualified, Told, nobody
from cytoloop.app.answers import qualified_in
from cytoloop.app.directory import PEOPLE, Person, person_of
from cytoloop.app.people import People, people_at
from cytoloop.app.records import acting_record
from cytoloop.app.settings import Settings, read_settings
from cytoloop.app.views import Shelf
from cytoloop.core.errors import RefusedError
from cytoloop.core.time import Clock, Instant
from cytoloop.web.desk import Desk
from cytoloop.web.drafts import Drafts
from cytoloop.web.sessions import Challenges, Session, Sessions

T = TypeVar("T")

READING = "record"
"""What the right to read is asked for, in the entry of a refusal."""


class Office:
    """The acts of one data folder. Safe to use from several threads."""

    def __init__(self, folder: Path, desk: Desk, clock: Clock, record_clock: Clock) -> None:
        """`clock`: of sessions and proofs; `record_clock`: of what is entered."""
        self.folder, self.desk, self.clock, self.record_clock = folder, desk, clock, record_clock
        self.sessions, self.challenges, self.drafts = Sessions(), Challenges(), Drafts()
        self.qualified: Qualified | None = None
        """Who may answer what; the record's own register when left out."""
        self.told: Told = nobody
        self.settings: Settings = read_settings(folder)
        self._lock, self._opened = Lock(), ExitStack()
        self._people: People | None = None
        self._inhabited = False

    def act(self, work: Callable[[People], T]) -> T:
        """What `work` makes of the record and its people, nobody else acting meanwhile."""
        with self._lock:
            if self._people is None:
                ledger = self._opened.enter_context(acting_record(self.folder, self.record_clock))
                self._people = people_at(self.folder, ledger, self.record_clock, self.clock)
            return work(self._people)

    def answering(self, people: People) -> Answering:
        """Where requests are answered."""
        qualified = self.qualified or qualified_in(people.registrar.ledger)
        return Answering(people=people, clock=self.record_clock, qualified=qualified, told=self.told)

    @property
    def now(self) -> Instant:
        """The moment."""
        return self.clock.now()

    @property
    def inhabited(self) -> bool:
        """Whether somebody is enrolled here: then nobody reads without signing in."""
        if not self._inhabited:
            self._inhabited = self.desk.look(_inhabited)
        return self._inhabited

    def person(self, user: str) -> Person | None:
        """Who has the user id, as the record knows now."""
        return self.desk.look(lambda shelf: person_of(shelf.stream(PEOPLE + user)))

    def session(self, given: str | None, *, touch: bool) -> Session | None:
        """The session of that id, while it lasts and its person's account may be used."""
        self.sweep()
        found = self.sessions.find(given, self.now, touch=touch)
        if found is None:
            return None
        person = self.person(found.user)
        if person is None or person.state != "active" or not self._may_read(found, person):
            self.sessions.end(given)
            return None
        return found

    def begin(self, user: str) -> str:
        """The id of a new session of `user`; RefusedError when they may not read the record."""
        person = self.act(lambda people: people.allowed("read-record", user, READING))
        return self.sessions.begin(user, self.now, roles=person.roles)

    def _may_read(self, session: Session, person: Person) -> bool:
        """Whether the table still lets them read; it is asked again once their roles changed."""
        if session.roles == person.roles:
            return True
        try:
            session.roles = self.act(lambda people: people.allowed("read-record", session.user, READING)).roles
        except RefusedError:
            return False
        return True

    def sweep(self) -> None:
        """Keep in the record who was signed out for idling."""
        for session in self.sessions.swept(self.now):
            self.sign_out(session.user, "idle")

    def sign_out(self, user: str, reason: Literal["asked", "idle"]) -> None:
        """Keep that `user` was signed out."""
        self.act(lambda people: people.sign_out(user, reason))

    def close(self) -> None:
        """Let go of the record."""
        with self._lock:
            self._opened.close()
            self._people = None


def _inhabited(shelf: Shelf) -> bool:
    people = (person_of(shelf.stream(name)) for name in shelf.streams(PEOPLE))
    return any(person is not None and not person.scripted for person in people)
