"""Adaptation: how a recipe of a lower ISA-88 level departs from the one above it, as data a person reviews.

General recipe -> site recipe -> master recipe. What an adaptation does not name stays as the parent recipe has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cytoloop.core.recipe import Criticality, Item, Level
from cytoloop.core.words import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterAdapted:
    """What a site has otherwise in a parameter; None: as the parent recipe has it."""

    target: float | None = None
    nor: tuple[float, float] | None = None
    par: tuple[float, float] | None = None
    criticality: Criticality | None = None
    dossier_ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Insertion:
    """Steps that a site does behind one of the parent recipe's."""

    after: str
    """Path of the item, rounds left out: "receipt/inspect"."""
    steps: tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation:
    """One recipe made of another."""

    recipe: str
    level: Level
    """Of the recipe that is made: site or master."""
    version: int
    words: Words
    parent: str
    """Name of the parent recipe."""
    parent_version: int
    equipment: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Unit procedure -> equipment class of the site's plant."""
    parameters: Mapping[str, ParameterAdapted] = field(default_factory=dict, hash=False)
    """Full parameter name -> what is otherwise."""
    omitted: tuple[str, ...] = ()
    """Paths of items that the site does not do."""
    inserted: tuple[Insertion, ...] = ()
