"""Master recipe: everything a batch is pinned to, as one value with one hash.

The recipe alone does not say what is acceptable: its product's specification and its plant's alarm limits belong
to the same approval (ISA-88 Part 1: header, formula, equipment requirements, procedure).
"""

from dataclasses import dataclass

from cytoloop.core.product import Plant, Product
from cytoloop.core.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterRecipe:
    """Recipe, product and plant as approved together."""

    recipe: Recipe
    product: Product
    plant: Plant
