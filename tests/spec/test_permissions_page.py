"""The page of rights is rendered from the table. CYTOLOOP_RENDER=1 writes it anew; otherwise it must fit."""

import os
from pathlib import Path

from cytoloop.app.permissions import ALONE, APART_WORDS, RIGHTS, ROLE_WORDS, ROLES, Right

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "permissions.md"

HEAD = """# Permissions 权限表

A test renders this page from the program (`CYTOLOOP_RENDER=1 pytest tests/spec/test_permissions_page.py`).
Whoever asks for an act is proven first, then looked up here; what is refused is an entry (`act-refused/1`).
"""


def rendered() -> str:
    """The table of rights in both languages."""
    lines = [HEAD, "| act | 权限 | roles 角色 | and who 且 | writes |", "|---|---|---|---|---|"]
    lines += [_line(act, right) for act, right in RIGHTS.items()]
    lines += ["", "## Roles 角色", "", "| role | English | 中文 | |", "|---|---|---|---|"]
    for role in ROLES:
        alone = "goes with no other role" if role in ALONE else ""
        lines.append(f"| `{role}` | {ROLE_WORDS[role].en} | {ROLE_WORDS[role].zh} | {alone} |")
    return "\n".join([*lines, ""])


def _line(act: str, right: Right) -> str:
    roles = ", ".join(f"`{role}`" for role in ROLES if role in right.roles)
    apart = "; ".join(f"{APART_WORDS[each].en} {APART_WORDS[each].zh}" for each in right.apart)
    return f"| `{act}`: {right.words.en} | {right.words.zh} | {roles} | {apart} | {'yes' if right.writes else ''} |"


def test_page_fits_the_table() -> None:
    if os.environ.get("CYTOLOOP_RENDER"):
        PAGE.write_text(rendered(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == rendered(), "docs/reference/permissions.md is behind the table"
