"""Identities: who a pseudonym is. Kept apart from the record, encrypted, and every look into it is an entry.

The entry is durable before anything is shown. The record itself never holds a name: what is erased here leaves a
pseudonym that nobody can resolve (PIPL Art. 47; GDPR Art. 17), while the batch's record stays whole.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from cytoloop.adapters.fhir import Identity as Imported
from cytoloop.adapters.files import remove
from cytoloop.adapters.vault import Identity, KeyFile, Vault
from cytoloop.app.acts import note
from cytoloop.app.people import People, Signer
from cytoloop.app.permissions import Act
from cytoloop.core.errors import UserError
from cytoloop.core.facts.record import IdentitiesRekeyed, IdentityErased, IdentityLookedUp
from cytoloop.core.json import JSON
from cytoloop.core.signature import Signature
from cytoloop.core.words import Words
from cytoloop.record.ledger import Ledger

VAULT = "identities.vault"
KEY = Path("keys") / "identities.key"
PASSPHRASE, NEW_PASSPHRASE = "CYTOLOOP_VAULT_PASSPHRASE", "CYTOLOOP_VAULT_NEW_PASSPHRASE"
"""Environment variables: what opens the key of the identity map, and what shall open it after `rekey`."""
PLAIN = "identities.json"
"""Where earlier versions kept identities, unencrypted."""
IDENTITY = "identity/"
REKEYED = "identities"


def open_vault(folder: Path, environment: Mapping[str, str] = os.environ) -> Vault:
    """The identity map of the data folder. One that an earlier version kept in the clear is encrypted first.

    UserError when it, its key or its passphrase is wrong.
    """
    vault = Vault(folder / VAULT, KeyFile(folder / KEY, environment.get(PASSPHRASE) or None))
    if (folder / PLAIN).exists():
        vault.keep(_plain(folder / PLAIN))
        remove(folder / PLAIN)
    return vault


def identity_of(imported: Imported) -> Identity:
    """What is kept of a person who was imported: enough to find them in the hospital's own system."""
    return {
        "reference": imported.reference,
        "file": imported.file,
        "names": list(imported.names),
        "birth_date": imported.birth_date,
        "identifiers": list(imported.identifiers),
    }


def erased(ledger: Ledger) -> frozenset[str]:
    """Pseudonyms whose identity was erased: it is never kept again."""
    return frozenset(
        recorded.fact.subject
        for stream in ledger.streams(IDENTITY)
        for recorded in ledger.stream(stream)
        if isinstance(recorded.fact, IdentityErased)
    )


def keep_imported(ledger: Ledger, vault: Vault, people: Sequence[Imported]) -> tuple[str, ...]:
    """Keep who was imported, and finish erasures that were cut short; the pseudonyms that stay erased."""
    gone = erased(ledger)
    vault.remove(gone)
    vault.keep({each.subject: identity_of(each) for each in people if each.subject not in gone})
    return tuple(each.subject for each in people if each.subject in gone)


def look_up(people: People, vault: Vault, by: Signer, subject: str, reason: str) -> Identity:
    """Who `subject` is. The signed look-up stands in the record, durably, before this returns.

    Raises RefusedError when `by` may not (an entry too), UserError when the identity is not kept or no reason given.
    """
    _demand(people.registrar.ledger, vault, subject)
    signature, why = _signed(people, "look-up-identity", by, subject, reason)
    _say(people, IDENTITY + subject, IdentityLookedUp(subject=subject, reason=why, signature=signature))
    found = vault.identity(subject)
    if found is None:
        raise UserError(f"the identity of {subject} was erased just now; nothing can be shown")
    return found


def to_look_up(people: People, vault: Vault, subject: str, reason: str) -> dict[str, JSON]:
    """What who looks up `subject` is shown and signs; UserError when the identity is not kept or no reason given."""
    _demand(people.registrar.ledger, vault, subject)
    return _shown(people, "look-up-identity", IDENTITY + subject, reason)


def erase(people: People, vault: Vault, by: Signer, subject: str, reason: str) -> None:
    """Erase who `subject` is, for good. The entry comes first: an erasure cut short is finished at the next use.

    Copies that were made before (backups, the hospital's own files) are not reached from here. Raises as `look_up`.
    """
    _demand(people.registrar.ledger, vault, subject)
    signature, why = _signed(people, "erase-identity", by, subject, reason)
    _say(people, IDENTITY + subject, IdentityErased(subject=subject, reason=why, signature=signature))
    vault.remove([subject])


def rekey(people: People, vault: Vault, by: Signer, reason: str, passphrase: str | None = None) -> int:
    """Encrypt every identity again under a new key, wrapped with `passphrase` (as before when None); how many.

    The entry follows the act, which loses nothing and shows nothing. Raises as `look_up`.
    """
    signature, why = _signed(people, "rekey-identities", by, REKEYED, reason)
    vault.remove(erased(people.registrar.ledger))
    count = vault.rekey(passphrase)
    _say(people, REKEYED, IdentitiesRekeyed(identities=count, reason=why, signature=signature))
    return count


def _signed(people: People, act: Act, by: Signer, subject: str, reason: str) -> tuple[Signature, str]:
    """The signature over the act, the pseudonym, the reason and its place, with the reason as it is kept."""
    stream = REKEYED if subject == REKEYED else IDENTITY + subject
    shown = _shown(people, act, stream, reason)
    return people.sign_for(act, by, meaning="performed", shown=shown, subject=stream), str(shown["reason"])


def _shown(people: People, act: Act, stream: str, reason: str) -> dict[str, JSON]:
    if not (why := reason.strip()):
        raise UserError(
            Words(
                en="identities are only touched for a reason; say it in a sentence",
                zh="查询或变更身份须有理由；请用一句话说明",
            )
        )
    return {"act": act, "stream": stream, "position": people.registrar.ledger.position(stream), "reason": why}


def _demand(ledger: Ledger, vault: Vault, subject: str) -> None:
    if subject in erased(ledger):
        raise UserError(
            Words(
                en=f"the identity of {subject} was erased; the pseudonym is all there is",
                zh=f"{subject} 的身份已删除，只保留假名",
            )
        )
    if subject not in vault.subjects():
        raise UserError(
            Words(
                en=f"no identity of {subject} is kept here; `cytoloop identity list` shows those that are",
                zh=f"此处没有 {subject} 的身份；可用 `cytoloop identity list` 查看已保存的假名",
            )
        )


def _say(people: People, stream: str, fact: IdentityLookedUp | IdentityErased | IdentitiesRekeyed) -> None:
    note(people.registrar, stream, fact, actor=f"person:{fact.signature.signer}")


def _plain(path: Path) -> dict[str, Identity]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(subject): dict(each) for subject, each in content.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UserError(f"{path} holds no identities ({error}); restore it from a copy, or move it away") from error
