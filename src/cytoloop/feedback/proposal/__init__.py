"""Proposal: what would be better, what it claims, and whether the batches that follow bear it out."""
