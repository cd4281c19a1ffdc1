"""Every history that an earlier release wrote is decided by this one as it was decided then."""

import gzip
from pathlib import Path

import pytest

from cytoloop.app.records import readable_store
from cytoloop.core.entry import Recorded
from cytoloop.core.facts.production import BatchCreated, RecipeApproved, StepStarted
from cytoloop.core.master import MasterRecipe
from cytoloop.production.recipe_text import from_content
from cytoloop.production.replay import replay
from cytoloop.record.codec import Codec
from cytoloop.record.ledger import entry_of

STORES = Path(__file__).parents[2] / "data" / "stores"
RELEASES = sorted(each.name for each in STORES.iterdir())


@pytest.fixture(params=RELEASES)
def histories(request: pytest.FixtureRequest, tmp_path: Path) -> list[tuple[list[Recorded], MasterRecipe]]:
    """Every batch of the record that the release wrote, with the recipe it is pinned to."""
    packed = STORES / str(request.param) / "record.db.gz"
    (tmp_path / "record.db").write_bytes(gzip.decompress(packed.read_bytes()))
    codec, streams = Codec(), dict[str, list[Recorded]]()
    with readable_store(tmp_path) as store:
        for row in store.rows():
            streams.setdefault(row.stream, []).append(codec.decode(entry_of(row)))
    masters = {
        each.fact.content_sha256: from_content(each.fact.content)
        for entries in streams.values()
        for each in entries
        if isinstance(each.fact, RecipeApproved)
    }
    return [
        (entries, masters[entries[0].fact.recipe_sha256])
        for entries in streams.values()
        if isinstance(entries[0].fact, BatchCreated)
    ]


def test_every_decision_of_every_stored_history_comes_out_the_same(
    histories: list[tuple[list[Recorded], MasterRecipe]],
) -> None:
    assert histories
    for entries, master in histories:
        again = replay(entries, master)
        assert again.differs == ""
        steps = [each for each in entries if isinstance(each.fact, StepStarted) and each.fact.step != "discard"]
        assert again.decisions >= len(steps) > 0


def test_a_decision_that_was_never_made_is_found(histories: list[tuple[list[Recorded], MasterRecipe]]) -> None:
    entries, master = histories[0]
    first = next(index for index, each in enumerate(entries) if isinstance(each.fact, StepStarted))
    skipped = next(
        index for index, each in enumerate(entries) if index > first + 2 and isinstance(each.fact, StepStarted)
    )
    found = replay([*entries[:first], *entries[skipped:]], master)
    assert "this release decides step-started/1 there" in found.differs
