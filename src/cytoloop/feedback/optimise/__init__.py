"""Optimise: between batches, the parameters of the next experiment; a prior may be wrong and is let go of."""
