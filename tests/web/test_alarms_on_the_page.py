"""A batch's alarms on its page, in both languages."""

import pytest
from tests.web.site import running

from cytoloop.core.facts.monitoring import AlarmAcknowledged, AlarmCleared, AlarmRaised
from cytoloop.core.master import MasterRecipe
from cytoloop.testing.builders import START, Book, approved, created, signature
from cytoloop.web.app import make_app

NAME = "bioreactor-01/temperature/limit/20260601T100000Z"


@pytest.mark.parametrize(
    ("lang", "words"),
    [("en", ("Alarms", "Above its limit", "High", "not acknowledged")), ("zh", ("报警", "高于上限", "未确认"))],
)
def test_alarms_stand_on_the_batch_page(master: MasterRecipe, lang: str, words: tuple[str, ...]) -> None:
    book = Book()
    book.tell(f"recipe/fixed/{master.recipe.recipe}", approved(master, line="fixed"))
    book.tell("batch/B-1", created(master, "B-1", line="fixed"))
    raised = AlarmRaised(
        alarm=NAME, tag="bioreactor-01/temperature", kind="high", priority="high", since=START, at=START, value=39.04,
        unit="°C", low=36.0, high=38.0,
    )  # fmt: skip
    book.tell("batch/B-1", raised)
    (site,) = (each for each in [next(running(make_app(lambda: book.ledger)))])
    page = site.get(f"/batches/B-1?lang={lang}").text
    for word in (NAME, *words):
        assert word.lower() in page.lower()
    book.tell("batch/B-1", AlarmCleared(alarm=NAME, at=START, why="returned"))
    book.tell("batch/B-1", AlarmAcknowledged(alarm=NAME, reason="heater set right", signature=signature()))
    over = site.get(f"/batches/B-1?lang={lang}").text
    assert "heater set right" in over
    assert "Chen Wei" in over
