"""Approving: a qualified person reads what a recipe version does differently, signs it, and says from when it holds.

What is signed binds the hash of the whole master recipe, so that what was read is what is run.
"""

from dataclasses import dataclass

from cytoloop.app.acts import refusing
from cytoloop.app.people import People, Signer
from cytoloop.app.permissions import check
from cytoloop.app.production import approve, recipe_stream
from cytoloop.app.registrar import Registrar
from cytoloop.core.errors import RefusedError, UserError
from cytoloop.core.facts.production import RecipeApproved
from cytoloop.core.json import JSON, digest
from cytoloop.core.master import MasterRecipe
from cytoloop.core.signature import Meaning, Signature
from cytoloop.core.time import Instant
from cytoloop.production.difference import lines, whole_difference
from cytoloop.production.recipe_text import content_sha256, from_content
from cytoloop.record.ledger import Ledger

MEANING: Meaning = "approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToApprove:
    """A recipe version as it is shown to who approves it. Nothing is written yet."""

    line: str
    master: MasterRecipe
    change: str | None
    effective_from: Instant | None
    differences: tuple[str, ...]
    """What a batch would do otherwise than under the version before; empty for the first."""

    @property
    def shown(self) -> dict[str, JSON]:
        """Everything the signer is shown, as plain JSON."""
        return {
            "line": self.line,
            "recipe": self.master.recipe.recipe,
            "version": self.master.recipe.version,
            "content_sha256": content_sha256(self.master),
            "change": self.change,
            "effective_from": self.effective_from.isoformat() if self.effective_from else None,
            "differences": list(self.differences),
        }

    @property
    def digest(self) -> str:
        """SHA-256 of what is shown."""
        return digest(self.shown)


def to_approve(
    ledger: Ledger, line: str, master: MasterRecipe, *, now: Instant, change: str | None, effective_from: Instant | None
) -> ToApprove:
    """The version to be shown and signed.

    UserError when it is not the version after the newest, comes into force in the past, or changes without a change.
    """
    recipe = master.recipe
    stream = ledger.stream(recipe_stream(line, recipe.recipe))
    before = [each.fact for each in stream if isinstance(each.fact, RecipeApproved)]
    due = before[-1].version + 1 if before else recipe.version
    if recipe.version != due:
        raise UserError(
            f"version {before[-1].version} of {recipe.recipe} is the newest on line {line}: write version {due}"
        )
    if before and not (change or "").strip():
        raise UserError(
            f"version {due} departs from version {due - 1}: name the change that it was assessed in (--change)"
        )
    if effective_from is not None and effective_from < now:
        raise UserError(f"{effective_from.isoformat()} is past: a recipe version comes into force from now on or later")
    told = lines(whole_difference(from_content(before[-1].content), master)) if before else []
    return ToApprove(line=line, master=master, change=change, effective_from=effective_from, differences=tuple(told))


def sign_approval(people: People, by: Signer, seen: ToApprove) -> RecipeApproved:
    """Have `by` sign the version as shown, and put it in force; refusals are entries."""
    subject = recipe_stream(seen.line, seen.master.recipe.recipe)
    signature = people.sign_for("approve-recipe", by, meaning=MEANING, shown=seen.shown, subject=subject)
    with refusing(people.registrar, "approve-recipe", subject, user=signature.signer, roles=(signature.role,)):
        return approve_signed(people.registrar, seen, signature)


def approve_signed(registrar: Registrar, seen: ToApprove, signature: Signature) -> RecipeApproved:
    """Enter the signed version; RefusedError when the signer may not, or signed something else."""
    check("approve-recipe", signature)
    if signature.digest != seen.digest or signature.meaning != MEANING:
        raise RefusedError(f"{signature.signer} signed something else than this recipe version; show it again")
    return approve(registrar, seen.line, seen.master, signature, change=seen.change, effective_from=seen.effective_from)
