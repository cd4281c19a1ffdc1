"""Joined: the batches of a record as tidy tables, each row with the entry it comes from."""
