"""Credentials: what people prove who they are with. Files beside the record, never in it.

21 CFR 11.200 (components), 11.300 (uniqueness, loss, safeguards); EU GMP Annex 11 §12.
"""

from cytoloop.adapters.credentials.account import (
    ALERTED_AFTER,
    LOCKED_AFTER,
    SPREAD,
    SPREAD_MINUTES,
    Account,
    Passkey,
    Staged,
    Tried,
)
from cytoloop.adapters.credentials.book import INVITED_HOURS, NOT_NOW, WRONG_CODE, Credentials, Provisioning
from cytoloop.adapters.credentials.passkeys import RelyingParty, assertion_options, registration_options

__all__ = [
    "ALERTED_AFTER",
    "INVITED_HOURS",
    "LOCKED_AFTER",
    "NOT_NOW",
    "SPREAD",
    "SPREAD_MINUTES",
    "WRONG_CODE",
    "Account",
    "Credentials",
    "Passkey",
    "Provisioning",
    "RelyingParty",
    "Staged",
    "Tried",
    "assertion_options",
    "registration_options",
]
