"""What can go wrong, said to a person: what happened, where, what to do."""

from cytoloop.core.words import Words


class CytoloopError(Exception):
    """Base of every error this project raises on purpose. The text is one sentence a person can act on.

    What a person may read on a page is said in `Words`; a plain text is English only, and pages mark it so.
    """

    def __init__(self, said: str | Words) -> None:
        self.words = said if isinstance(said, Words) else Words(en=said, zh="")
        super().__init__(self.words.en)


class UserError(CytoloopError):
    """The user's mistake (a wrong file, unit, name, folder). The command line ends with exit code 2."""


class FindingError(CytoloopError):
    """Something was found that must not be overlooked (tampering, a broken record). Exit code 1."""


class ConflictError(CytoloopError):
    """Someone appended to the stream after it was read; read again and decide again. Nothing was written."""


class StoreError(UserError):
    """The store could not write durably (disk full, folder locked). Nothing of the append was kept."""


class RefusedError(CytoloopError):
    """An act that the rules, the gate or a missing right forbids. Nothing was done."""
