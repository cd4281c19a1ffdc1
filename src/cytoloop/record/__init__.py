"""The record: append, Merkle tree, verify, read back. Pure: it keeps nothing itself, a store does."""
