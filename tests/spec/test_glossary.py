"""The glossary is complete: every fact, and every public word of the core, in both languages."""

import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

from cytoloop.core import batch, device, entry, equipment, master, product, reading, recipe, rule, signature
from cytoloop.core.facts import claim, clinic, feedback
from cytoloop.record.codec import ALL_FACTS
from cytoloop.web.lexicon import load

GLOSSARY = (Path(__file__).parents[2] / "docs" / "GLOSSARY.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in GLOSSARY.splitlines() if line[:2] == "| "]
TERMS = {term.lower() for row in ROWS for term in re.split(r" / |, | \(COI\)", row[0])}
HAN = re.compile(r"[\u4e00-\u9fff]")

HOUSE_TABLE = (
    "batch", "entry", "step", "procedure", "unit procedure", "operation", "reading", "sample", "result", "deviation",
    "planned deviation", "out of specification", "disposition", "release", "chain of identity", "batch number",
    "subject pseudonym", "proposal", "change", "recipe version", "recorded time", "happened time",
)  # fmt: skip

KINDS_OF = {"Told": "fact", "StepRecord": "step", "Recorded": "entry", "AlarmLimit": "excursion"}
"""Classes that are only a form of a word that stands in the glossary."""

PARTS_OF_A_STEP = {
    "IdentityScan", "Answer", "Instruction", "SetPoint", "Program", "Hold", "Read", "Common", "MaterialAddition",
    "Transfer", "LabelPrint", "Ramp", "Incubation", "Wait", "Calculation", "Decision", "Sign", "Loop", "Repeat",
    "Within",
}  # fmt: skip


def public_words(module: ModuleType) -> list[str]:
    """Names of the frozen values a core module defines, as words: "SamplingPlan" -> "sampling plan"."""
    names = [
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and hasattr(value, "__dataclass_fields__")
    ]
    facts = {fact.__name__ for fact in ALL_FACTS}
    plain = [KINDS_OF.get(name, name) for name in names if name not in facts | PARTS_OF_A_STEP]
    return [re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower().replace("equipment class", "equipment") for name in plain]


@pytest.mark.parametrize("name", [fact.NAME for fact in ALL_FACTS])
def test_every_fact_is_in_the_glossary(name: str) -> None:
    assert f"`{name}`" in TERMS


def test_no_fact_is_in_the_glossary_that_is_not_in_the_program() -> None:
    names = {fact.NAME for fact in ALL_FACTS}
    assert set(re.findall(r"^\| `([a-z-]+/\d+)`", GLOSSARY, re.MULTILINE)) == names


@pytest.mark.parametrize("word", HOUSE_TABLE)
def test_every_word_of_the_house_is_in_the_glossary(word: str) -> None:
    assert word in TERMS


@pytest.mark.parametrize(
    "module",
    [batch, device, entry, equipment, master, product, reading, recipe, rule, signature, claim, clinic, feedback],
)
def test_every_word_of_the_core_is_in_the_glossary(module: ModuleType) -> None:
    assert [word for word in public_words(module) if word not in TERMS] == []


def test_every_term_has_both_languages_and_a_meaning() -> None:
    rows = [row for row in ROWS if row[0] not in ("word", "name")]
    assert len(rows) > 80
    assert [row[0] for row in rows if len(row) < 3 or not HAN.search(row[1]) or not row[2]] == []


def test_no_term_stands_twice() -> None:
    terms = [row[0] for row in ROWS if row[0] not in ("word", "name")]
    assert len(terms) == len(set(terms))


NOT_THE_GLOSSARYS_WORD_YET = {
    "batch.number": "the head of a column of batch numbers",
    "criticality.CPP": "the abbreviation",
    "criticality.KPP": "the abbreviation",
    "field.disposition": "short in a column",
    "field.parameter": "short in a column",
    "moves.parameter": "short in a column",
    "recipe.nor": "the abbreviation",
    "recipe.par": "the abbreviation",
    "specification.attribute": "short in a column",
    "specification.result": "short in a column",
}
"""Texts of the pages that say a term of the glossary in another Chinese word, and why. May only shrink."""


def test_pages_say_the_glossarys_words_in_chinese() -> None:
    chinese = {
        term.lower(): row[1]
        for row in ROWS
        if len(row) > 1 and HAN.search(row[1]) and row[1] != "中文"
        for term in re.split(r" / |, | \(COI\)", row[0])
    }
    other = {
        key
        for key, words in load().words.items()
        for term in {words.en.lower(), words.en.lower().removesuffix("s")} & chinese.keys()
        if not any(each in words.zh for each in re.split("[、，/ ]", chinese[term]))
    }
    assert other == set(NOT_THE_GLOSSARYS_WORD_YET)
