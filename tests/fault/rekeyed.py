"""Identities are kept, sealed again under a new key, and one is erased: `python -m tests.fault.rekeyed FOLDER`."""

import sys
from pathlib import Path

from tests.fault.driven import remark

from cytoloop.adapters.vault import KeyFile, Vault

WHO = {"S-1": {"name": "first"}, "S-2": {"name": "second"}}


def vault_in(folder: Path) -> Vault:
    return Vault(folder / "identities.vault", KeyFile(folder / "keys" / "identities.key"))


if __name__ == "__main__":
    vault = vault_in(Path(sys.argv[1]))
    vault.keep(WHO)
    remark(done="kept")
    vault.rekey()
    remark(done="sealed again")
    vault.remove(["S-1"])
    remark(done="erased")
    remark(exit=0)
