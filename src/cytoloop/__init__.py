"""Cytoloop runs a cell or gene therapy as one closed loop.

Clinic, production, quality and compliance, feedback, a signed change, the next batch. Everything the plant must
remember is an Entry in the record; everything else is derived from the record, or is a door to the world.
"""

__version__ = "0.4.0"
