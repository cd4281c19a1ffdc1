"""What the fault tests share: the disk that tells, compiled once."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shim, compiled: a C compiler is part of what the tests need (tools/install-compiler.sh)."""
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    assert compiler, "the fault tests need a C compiler: sh tools/install-compiler.sh, or name one in CC"
    made = tmp_path_factory.mktemp("shim") / "disk.so"
    source = Path(__file__).parent / "disk_shim.c"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", made, source, "-ldl", "-lpthread"], check=True)
    return made
