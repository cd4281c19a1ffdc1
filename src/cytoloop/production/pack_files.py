"""The texts of a pack that are checked against each other, with what they say."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cytoloop.core.product import Plant, Product, SamplingPlan
from cytoloop.core.recipe import Recipe
from cytoloop.production.yaml_text import Text

LABORATORY = "qc_laboratory"
"""The equipment class that tests samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The four texts that are checked against each other, with what they say."""

    product_text: Text
    product: Product
    sampling_text: Text
    plans: tuple[SamplingPlan, ...]
    plant_text: Text
    plant: Plant
    recipe_text: Text
    recipe: Recipe


def repeated(names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Index and name of each name that came before."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield index, name
        seen.add(name)


def listed(names: Iterable[str]) -> str:
    """Names for a sentence: what could have been written."""
    return ", ".join(sorted(names)) or "it has none"
