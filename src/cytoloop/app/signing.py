"""Signing: show a person exactly what they sign, and take nothing else for a signature."""

from collections.abc import Mapping
from dataclasses import dataclass

from cytoloop.core.equipment import Command, Door, Verb
from cytoloop.core.errors import RefusedError
from cytoloop.core.json import JSON, digest
from cytoloop.core.signature import Meaning, Signature
from cytoloop.core.time import Instant
from cytoloop.production.settle import read_signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What a person answered, with the signature over what was shown."""

    decision: str
    reason: str
    signature: Signature
    at: Instant


async def ask_signature(
    door: Door,
    *,
    key: str,
    role: str,
    meaning: Meaning,
    what: str,
    shown: Mapping[str, JSON],
    options: tuple[str, ...] = (),
) -> Signed:
    """Show `shown` to a person of `role`, with `options` when there is something to decide.

    RefusedError when what comes back is not signed over exactly what was shown, or is none of the options.
    """
    whole: dict[str, JSON] = {**shown, "options": list(options)} if options else dict(shown)
    bound = digest(whole)
    arguments: dict[str, JSON] = {**whole, "what": what, "digest": bound, "meaning": meaning}
    verb: Verb = "decide" if options else "sign"
    outcome = await door.perform(Command(key=key, target=f"person:{role}", verb=verb, arguments=arguments))
    if options and outcome.values.get("decision") not in options:
        raise RefusedError(f"{what}: {outcome.values.get('decision')!r} is none of {', '.join(options)}")
    return Signed(
        decision=str(outcome.values.get("decision") or ""),
        reason=str(outcome.values.get("reason") or ""),
        signature=read_signature(outcome.values, bound),
        at=outcome.at,
    )
