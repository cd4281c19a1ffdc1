"""Mechanistic models as data: what each is of, its equations with numbers, units and citations, compiled."""
