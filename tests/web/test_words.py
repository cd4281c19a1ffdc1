"""Every text in both languages, every key there, no bare text in a template."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from cytoloop.app.permissions import MAY
from cytoloop.app.views_alarms import AlarmState
from cytoloop.app.views_loop import BatchState
from cytoloop.app.views_steps import OperationState
from cytoloop.core.batch import StepState
from cytoloop.core.facts.monitoring import AlarmKind
from cytoloop.core.facts.people import Method
from cytoloop.core.facts.quality import Decision, DeviationKind, DispositionKind
from cytoloop.core.master import MasterRecipe
from cytoloop.core.product import Priority, Stage
from cytoloop.core.recipe import Criticality
from cytoloop.core.rule import Verdict
from cytoloop.core.signature import Meaning
from cytoloop.core.words import LANGUAGES
from cytoloop.quality.specification import Judgement
from cytoloop.web.app import FOLDER
from cytoloop.web.lexicon import GROUPS, load

TEMPLATES = sorted((FOLDER / "templates").glob("*.html"))
JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
KEY = re.compile(r"\b[tn]\(\s*['\"]([\w.]+)['\"]")
LISTED = re.compile(r"\"((?:nav|clinic|production|quality|feedback|stage)\.\w+)\"")
READ_ALOUD = re.compile(r"(?:title|alt|aria-label|placeholder)=\"([^\"]*)\"")
BARE: frozenset[str] = frozenset({"kg", "v", "h"})
"""Words a template may hold itself: units and the version mark. This list may only shrink."""


def without_jinja(text: str) -> str:
    """The template with everything that Jinja fills in taken out."""
    return JINJA.sub("", text)


def test_every_key_has_two_different_places_for_two_languages() -> None:
    for key, words in load().words.items():
        for language in LANGUAGES:
            assert words.text(language).strip(), f"{key} has no text in {language}"
        assert set(re.findall(r"\{\w+\}", words.en)) == set(re.findall(r"\{\w+\}", words.zh)), key


def test_chinese_is_chinese() -> None:
    same = {"brand", "utc", "language.en", "language.zh", "record.sequence", "signal.ph", "specification.cqa"}
    same |= {"recipe.nor", "recipe.par", "criticality.CPP", "criticality.KPP"}
    untranslated = {
        key for key, words in load().words.items() if key not in same and not re.search("[\u4e00-\u9fff]", words.zh)
    }
    assert untranslated == set()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_key_a_template_uses_exists(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    used = set(KEY.findall(text)) | set(LISTED.findall(text))
    assert used - set(load().words) == set()


def test_no_key_is_left_unused() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in (*TEMPLATES, *FOLDER.glob("*.py")))
    groups = set(re.findall(r"(?:name|say)\(\"(\w+)\"", texts)) | {"attribute", "signal"} | set(GROUPS.values())
    unused = {
        key for key in load().words if key.removesuffix(".one") not in texts and key.partition(".")[0] not in groups
    }
    assert unused == set()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_holds_bare_text(template: Path) -> None:
    plain = without_jinja(template.read_text(encoding="utf-8"))
    shown = re.sub(r"<[^>]*>|[\w-]+=\"[^\"]*\"", " ", plain)
    spoken = " ".join(READ_ALOUD.findall(plain))
    assert set(re.findall(r"[^\W\d_]+", f"{shown} {spoken}")) <= BARE


NAMES: dict[str, Any] = {
    "state": get_args(BatchState),
    "step": get_args(StepState),
    "operation": get_args(OperationState),
    "deviation": get_args(DeviationKind),
    "decision": get_args(Decision),
    "disposition": get_args(DispositionKind),
    "meaning": get_args(Meaning),
    "criticality": get_args(Criticality),
    "finding": tuple(verdict.value for verdict in Verdict),
    "gate": ("apply", "refuse", "ask-a-person", "open-a-change", "trend"),
    "proposal": ("open", "signed", "declined"),
    "line": ("fixed", "closed_loop"),
    "judgement": get_args(Judgement),
    "method": get_args(Method),
    "alarm": get_args(AlarmKind),
    "alarm_state": get_args(AlarmState),
    "priority": get_args(Priority),
    "test_stage": get_args(Stage),
    "role": tuple(set().union(*MAY.values())),
}


@pytest.mark.parametrize("group", NAMES)
def test_every_name_the_record_can_carry_has_words(group: str) -> None:
    known = load().words
    assert {name for name in NAMES[group] if f"{group}.{name}" not in known} == set()


def test_every_signal_of_the_shipped_pack_has_words(master: MasterRecipe) -> None:
    signals = {signal for each in master.plant.classes for signal in each.signals}
    assert {signal for signal in signals if f"signal.{signal}" not in load().words} == set()


def test_a_name_without_words_is_shown_by_the_words_of_the_data_or_as_it_is(master: MasterRecipe) -> None:
    lexicon = load()
    words = master.product.words
    assert lexicon.name("attribute", "colour", "zh", words) == words.zh
    assert lexicon.name("attribute", "colour", "zh") == "colour"


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("x.y: {en: One, zh: 一}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="stands twice"):
        load(tmp_path)


def test_a_key_without_chinese_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("x.y: {en: One}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"x\.y"):
        load(tmp_path)
