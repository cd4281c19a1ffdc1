"""One table: who may do what, and who may not because of what they did before."""

import re
from pathlib import Path
from typing import get_args

import pytest

import cytoloop
from cytoloop.app.permissions import ALONE, MAY, RIGHTS, ROLE_WORDS, ROLES, Act, Apart, Circle, Role, allow, check
from cytoloop.core.errors import RefusedError
from cytoloop.core.signature import Signature
from cytoloop.core.time import Instant

PRODUCT = Path(cytoloop.__file__).parent


def signed(role: str, at: Instant) -> Signature:
    return Signature(
        signer="x.y", printed_name="X", role=role, meaning="approved", signed_at=at, zone="UTC", digest="0" * 64,
        components=("user-id", "password"),
    )  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("act", sorted(MAY))
def test_the_table_decides(act: Act, role: Role, start: Instant) -> None:
    if role in MAY[act]:
        check(act, signed(role, start))
        assert allow(act, "x.y", (role,)) == role
    else:
        with pytest.raises(RefusedError, match=f"may not {act}"):
            check(act, signed(role, start))
        with pytest.raises(RefusedError, match=f"may not {act}"):
            allow(act, "x.y", (role,))


def test_every_act_stands_in_the_table_once_and_every_role_has_words() -> None:
    assert tuple(RIGHTS) == get_args(Act)
    assert tuple(ROLE_WORDS) == ROLES == get_args(Role)


@pytest.mark.parametrize("act", ["dispose", "review-record"])
def test_nobody_releases_or_reviews_what_they_took_part_in(act: Act, start: Instant) -> None:
    role = next(iter(MAY[act]))
    with pytest.raises(RefusedError, match="took part in this batch"):
        check(act, signed(role, start), actors=frozenset({"x.y"}))
    check(act, signed(role, start), actors=frozenset({"somebody.else"}))


@pytest.mark.parametrize("act", [act for act, right in RIGHTS.items() if right.apart])
def test_who_stands_too_near_is_kept_away_for_each_reason(act: Act) -> None:
    role = next(iter(RIGHTS[act].roles))
    near: dict[Apart, Circle] = {
        "not-an-actor": Circle(actors=frozenset({"x.y"})),
        "not-the-owner": Circle(owner="x.y"),
        "not-the-issuer": Circle(issuers=frozenset({"x.y"})),
        "not-who-answered": Circle(answered="x.y"),
    }
    for apart, circle in near.items():
        if apart in RIGHTS[act].apart:
            with pytest.raises(RefusedError, match="ask somebody else"):
                allow(act, "x.y", (role,), circle)
        else:
            assert allow(act, "x.y", (role,), circle) == role


def test_only_the_qualified_person_signs_a_disposition() -> None:
    assert MAY["dispose"] == {"qualified_person"}


def test_an_inspector_holds_no_right_that_writes() -> None:
    assert {act for act, right in RIGHTS.items() if "inspector" in right.roles} == {"read-record", "export-bundle"}
    assert not any(right.writes for right in RIGHTS.values() if "inspector" in right.roles)


def test_who_runs_the_accounts_decides_nothing_about_batches() -> None:
    process = {"approve-recipe", "sign-change", "release-model", "dispose", "close-deviation", "resolve-step",
               "review-record", "correct-value", "look-up-identity", "answer", "verify-answer"}  # fmt: skip
    assert not any("administrator" in RIGHTS[act].roles for act in process if act in RIGHTS)  # type: ignore[index]  # acts
    assert "administrator" in ALONE


def test_every_act_is_asked_for_somewhere_in_the_product() -> None:
    """An act stands as a word in the code that asks for it, outside the table."""
    asked = {
        act
        for path in PRODUCT.rglob("*.py")
        if path.name != "permissions.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if ".command(" not in line
        for act in re.findall(r'"([a-z-]+)"', line)
        if act in RIGHTS
    }
    assert set(RIGHTS) == asked, "these acts are in the table and nobody asks for them"
