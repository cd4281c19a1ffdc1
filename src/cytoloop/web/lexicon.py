"""Lexicon: every text that a page shows, by key, in the two languages of the house."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import yaml

from cytoloop.app.names import (
    ALARM_KINDS,
    ALARM_STATES,
    CLAIM_STATES,
    DECISIONS,
    DEVIATIONS,
    GATE_ANSWERS,
    METHODS,
    PRIORITIES,
    VERDICTS,
    Names,
)  # fmt: skip
from cytoloop.app.permissions import ROLE_WORDS
from cytoloop.core.words import Language, Words

FOLDER = Path(__file__).parent / "words"
GROUPS: Mapping[str, str] = {
    "act": "act",
    "attribute": "attribute",
    "decision": "decision",
    "disposition": "disposition",
    "judgement": "judgement",
    "kind": "deviation",
    "method": "method",
    "roles": "role",
    "stage": "test_stage",
    "unit": "unit",
    "verdict": "second",
}
"""Field of what is signed -> the group whose words its values have."""


HEADED: Mapping[str, Names] = {
    "deviation": DEVIATIONS, "decision": DECISIONS, "gate": GATE_ANSWERS, "finding": VERDICTS,
}  # fmt: skip
"""Names that pages begin a line with."""
PLAIN: Mapping[str, Names] = {
    "role": dict[str, Words](ROLE_WORDS.items()), "method": METHODS, "alarm": ALARM_KINDS,
    "alarm_state": ALARM_STATES, "claim_state": CLAIM_STATES, "priority": PRIORITIES,
}  # fmt: skip
"""Names that stand inside a line."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Texts by key ("loop.title")."""

    words: Mapping[str, Words] = field(hash=False)

    def text(self, key: str, language: Language, **values: object) -> str:
        """The text of `key`, its {places} filled with `values`; KeyError names a key that is not there."""
        text = self.words[key].text(language)
        return text.format(**values) if values else text

    def counted(self, key: str, count: int | str, language: Language) -> str:
        """The text of `key` for that many: its singular ("<key>.one") for 1 where there is one."""
        singular = f"{key}.one"
        chosen = singular if count == 1 and singular in self.words else key
        return self.text(chosen, language, count=f"{count:,}" if isinstance(count, int) else count)

    def value(self, field: str, value: str, language: Language) -> str:
        """The words for a value that a field of this name holds; the value itself where there are none."""
        return self.name(GROUPS[field], value, language) if field in GROUPS else value

    def name(self, group: str, name: str, language: Language, otherwise: Words | None = None) -> str:
        """The words for a name that data carry ("state", "running"); else the data's own words, else the name."""
        found = self.words.get(f"{group}.{name}", otherwise)
        return found.text(language) if found else name


def load(folder: Path = FOLDER) -> Lexicon:
    """The lexicon of the files in `folder`, with the names that reports and histories say as well.

    ValueError when a key stands twice or lacks a language.
    """
    words = {f"{group}.{name}": said for group, names in PLAIN.items() for name, said in names.items()}
    words |= {f"{group}.{name}": _headed(said) for group, names in HEADED.items() for name, said in names.items()}
    for path in sorted(folder.glob("*.yaml")):
        for key, pair in cast(dict[str, dict[str, str]], yaml.safe_load(path.read_text(encoding="utf-8"))).items():
            if key in words:
                raise ValueError(f"{path.name}: the key {key!r} stands twice")
            if set(pair) != {"en", "zh"} or not all(pair.values()):
                raise ValueError(f"{path.name}: {key!r} needs a text in en and in zh, and nothing else")
            words[key] = Words(en=pair["en"], zh=pair["zh"])
    return Lexicon(words)


def _headed(said: Words) -> Words:
    return Words(en=said.en[:1].upper() + said.en[1:], zh=said.zh)
