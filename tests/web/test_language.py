"""Which language a visitor gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytoloop.core.words import LANGUAGES
from cytoloop.web.language import preferred


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("de,fr;q=0.9", "en"),
        ("de, zh-TW;q=0.5, en;q=0.4", "zh"),
        ("en;q=0.2, zh;q=0.7", "zh"),
        ("zh;q=broken, en;q=0.1", "en"),
    ],
)
def test_the_browser_s_wish_is_heard(accept: str, language: str) -> None:
    assert preferred(accept) == language


@given(st.text(max_size=60))
def test_any_header_gives_a_language(accept: str) -> None:
    assert preferred(accept) in LANGUAGES
