"""Who remembers what results and readings showed finds the same deviations as who looks anew each time."""

from tests.unit.production.test_replay import histories

from cytoloop.app.quality import Inspector, inspect
from cytoloop.core.batch import Batch, apply, begin

__all__ = ["histories"]


def grown(entries, master) -> "list[Batch]":  # type: ignore[no-untyped-def]  # as the fixture gives them
    """The batch after each of its entries."""
    batches = [begin(entries[0], master)]
    for recorded in entries[1:]:
        batches.append(apply(batches[-1], recorded))
    return batches


def test_every_stored_history_is_inspected_alike(histories) -> None:  # type: ignore[no-untyped-def]
    looks = 0
    for entries, master in histories:
        inspector = Inspector()
        for batch in grown(entries, master):
            found = inspector.inspect(batch, batch.created_at)
            assert found == inspect(batch, batch.created_at)
            looks += 1
    assert looks > 100
