"""Signed: reads the signature in a person's answer and holds it against what was shown. Pure."""

from collections.abc import Mapping

from pydantic import TypeAdapter, ValidationError

from cytoloop.core.equipment import Outcome
from cytoloop.core.errors import RefusedError
from cytoloop.core.json import JSON
from cytoloop.core.signature import Signature, answered

_SIGNATURE = TypeAdapter(Signature)


def read_signature(values: Mapping[str, JSON], digest: str, meaning: str) -> Signature:
    """The signature in an outcome's values; RefusedError unless it binds to `digest`, what was shown, as `meaning`."""
    try:
        signature = _SIGNATURE.validate_python(values.get("signature"))
    except ValidationError as error:
        raise RefusedError("a decision came back without a signature; ask the person to sign") from error
    if signature.digest != digest:
        raise RefusedError(f"{signature.signer} signed something else than what was shown; show it again")
    if signature.meaning != meaning:
        raise RefusedError(
            f"{signature.signer} signed as {signature.meaning}, and it was shown as {meaning}; ask again"
        )
    return signature


def signed_by(target: str, outcome: Outcome, asked: Mapping[str, JSON]) -> Signature:
    """The signature over what was `asked` and answered; RefusedError unless made in the role of "person:<role>"."""
    given, reason = str(outcome.values.get("decision") or ""), str(outcome.values.get("reason") or "")
    bound = answered(str(asked["digest"]), given, reason)
    signature = read_signature(outcome.values, bound, str(asked["meaning"]))
    if target != f"person:{signature.role}":
        raise RefusedError(f"{signature.signer} signed as {signature.role}, and {target} was asked; ask them")
    return signature
