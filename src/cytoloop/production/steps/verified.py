"""Second-person verification: who confirms is somebody else than who did it (21 CFR 211.188(b)(11))."""

from cytoloop.core.equipment import Outcome


def unconfirmed(asked: bool, outcome: Outcome) -> str | None:
    """Why the answers are not confirmed by a second person; None when they are, or need not be."""
    if not asked:
        return None
    second = outcome.values.get("verified_by")
    if not isinstance(second, str) or not second:
        return "no second person confirmed the answers"
    if outcome.by == f"person:{second}":
        return f"{second} confirmed their own answers; somebody else must"
    return None
