"""Words for people, in the two languages of the house."""

from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One text in English and Chinese."""

    en: str
    zh: str

    def text(self, language: Language) -> str:
        """The text in `language`."""
        return self.zh if language == "zh" else self.en

    def filled(self, *values: object) -> "Words":
        """The same with its {places} filled."""
        return Words(en=self.en.format(*values), zh=self.zh.format(*values))
