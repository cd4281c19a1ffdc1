"""One table: who may do what, and who may not because they took part."""

import pytest

from cytoloop.app.permissions import MAY, Act, check
from cytoloop.core.errors import RefusedError
from cytoloop.core.signature import Signature
from cytoloop.core.time import Instant

ROLES = ("operator", "qa", "qualified_person", "principal_investigator", "clinician", "planner", "inspector")


def signed(role: str, at: Instant) -> Signature:
    return Signature(
        signer="x.y", printed_name="X", role=role, meaning="approved", signed_at=at, zone="UTC", digest="0" * 64,
        components=("user-id", "password"),
    )  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("act", sorted(MAY))
def test_the_table_decides(act: Act, role: str, start: Instant) -> None:
    if role in MAY[act]:
        check(act, signed(role, start))
    else:
        with pytest.raises(RefusedError, match=f"may not {act}"):
            check(act, signed(role, start))


def test_nobody_releases_what_they_took_part_in(start: Instant) -> None:
    with pytest.raises(RefusedError, match="took part in this batch"):
        check("dispose", signed("qualified_person", start), actors=frozenset({"x.y"}))
