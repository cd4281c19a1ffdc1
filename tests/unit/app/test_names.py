"""Names that records carry are said in both languages, and alike wherever they are said."""

import pytest

from cytoloop.app.names import DECISIONS, DEVIATIONS, DISPOSITIONS, GATE_ANSWERS, METHODS, VERDICTS, Names, named
from cytoloop.app.telling import tell
from cytoloop.core.facts.people import MisuseAlerted
from cytoloop.web.lexicon import load

GROUPS = {
    "deviation": DEVIATIONS, "decision": DECISIONS, "gate": GATE_ANSWERS, "finding": VERDICTS, "method": METHODS,
}  # fmt: skip


@pytest.mark.parametrize("group", GROUPS)
def test_pages_say_what_histories_and_reports_say(group: str) -> None:
    names: Names = GROUPS[group]
    for name, words in names.items():
        assert load().name(group, name, "zh") == words.zh
        assert load().name(group, name, "en").lower() == words.en.lower()


def test_a_name_that_nobody_knows_is_said_as_it_stands() -> None:
    assert named(DISPOSITIONS, "from-a-later-version").zh == "from-a-later-version"


def test_an_alert_that_concerns_no_single_account_says_so_in_both_languages() -> None:
    told = tell(MisuseAlerted(user="", what="wrong tries at 3 accounts within 15 minutes"))
    assert "several accounts" in told.en
    assert "多个账户" in told.zh
