"""What every test may ask for."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cytoloop.core.time import Instant

START = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


@pytest.fixture
def start() -> Instant:
    """A moment to begin at: Monday 1 June 2026, 08:00 UTC."""
    return START


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and law texts that lies beside the checkout; the test is skipped without it."""
    folder = Path(os.environ.get("CYTOLOOP_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data" / "tcell_guide").is_dir():
        pytest.skip(f"the real data are not here: put them at {folder} or name their folder in CYTOLOOP_SHARED")
    return folder
