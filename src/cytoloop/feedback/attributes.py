"""Attributes: what a forecast speaks of."""

IN_VESSEL: dict[str, str] = {
    "viable_cell_density": "1e6 cells/mL",
    "total_viable_cells": "1e6 cells",
    "glucose": "mmol/L",
    "lactate": "mmol/L",
}
"""Attributes forecast as a sample at harvest would show them -> unit."""

IN_PRODUCT: dict[str, str] = {
    "viability": "fraction",
    "viable_car_cells": "1e6 cells",
    "car_fraction": "fraction",
    "memory_fraction": "fraction",
    "vector_copy_number": "copies/cell",
}
"""Attributes forecast as the release sample of the finished product would show them -> unit."""
