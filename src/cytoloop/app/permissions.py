"""Permissions: one table. Who may do what, and who may not because they did something else.

Segregation of duties: nobody verifies or releases their own work (21 CFR 211.192, EU GMP Annex 16 in spirit).
"""

from typing import Literal

from cytoloop.core.errors import RefusedError
from cytoloop.core.signature import Signature

Act = Literal["release-model", "dispose", "approve-recipe", "sign-change"]

MAY: dict[Act, frozenset[str]] = {
    "release-model": frozenset({"qa"}),
    "dispose": frozenset({"qualified_person"}),
    "approve-recipe": frozenset({"qualified_person"}),
    "sign-change": frozenset({"principal_investigator", "qualified_person"}),
}
"""Act -> roles that may."""


def check(act: Act, signature: Signature, *, actors: frozenset[str] = frozenset()) -> None:
    """RefusedError unless the signer's role may do `act` and the signer is none of `actors`."""
    if signature.role not in MAY[act]:
        allowed = " or ".join(sorted(MAY[act]))
        raise RefusedError(f"{signature.signer} ({signature.role}) may not {act}; it takes {allowed}")
    if signature.signer in actors:
        raise RefusedError(f"{signature.signer} took part in this batch and may not {act} it; ask somebody else")
