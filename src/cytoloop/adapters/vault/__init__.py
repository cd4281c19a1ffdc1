"""Vault: who the pseudonyms are, encrypted at rest, beside the record and never in it."""

from cytoloop.adapters.vault.keys import KeyFile
from cytoloop.adapters.vault.vault import Identity, Vault

__all__ = ["Identity", "KeyFile", "Vault"]
