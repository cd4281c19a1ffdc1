"""Starting factors: what may be known of a patient before anything is collected. Stated here, before any data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cytoloop.core.words import Words

PlanB = Literal["timing", "second-collection", "reserved-slot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One pre-stated factor."""

    words: Words
    unit: str
    low: float
    high: float
    """Values that can be."""
    log: bool = False
    """Whether it acts on the log scale: a count that halves."""
    timing: bool = False
    """Whether it recovers with time after a treatment, so that another day may help."""
    spelled: tuple[str, ...] = ()
    """Other spellings of its unit, as observations carry it."""
    codes: tuple[str, ...] = ()
    """LOINC codes of observations that carry it."""


FACTORS: Mapping[str, Factor] = {
    "weight": Factor(
        words=Words(en="weight", zh="体重"), unit="kg", low=1.0, high=400.0, log=True, codes=("29463-7",)
    ),
    "age": Factor(words=Words(en="age", zh="年龄"), unit="years", low=0.0, high=120.0, spelled=("a", "year"),
        codes=("30525-0",)),
    "lymphocytes": Factor(
        words=Words(en="lymphocytes in blood", zh="血液淋巴细胞计数"), unit="1e6 cells/mL", low=0.0, high=1000.0,
        log=True, timing=True, codes=("731-0", "26474-7"),
    ),
    "cd3": Factor(
        words=Words(en="CD3+ cells in blood", zh="血液 CD3+ 细胞计数"), unit="1e6 cells/mL", low=0.0, high=1000.0,
        log=True, timing=True, codes=("8122-4",),
    ),
    "lines_of_therapy": Factor(
        words=Words(en="earlier lines of therapy", zh="既往治疗线数"), unit="1", low=0.0, high=30.0,
    ),
    "collected_t_cells": Factor(
        words=Words(en="T cells collected", zh="采集到的 T 细胞数"), unit="1e6 cells", low=0.0, high=1e6, log=True
    ),
}  # fmt: skip
"""Name -> factor. `collected_t_cells` is known only once the collection was tested."""

CODES: Mapping[str, str] = {code: name for name, factor in FACTORS.items() for code in factor.codes}
"""LOINC code -> factor."""
