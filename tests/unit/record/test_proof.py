"""Proofs are RFC 6962's: the recursive definitions, word for word, are the honest twin; vectors of others agree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytoloop.core.errors import FindingError, UserError
from cytoloop.record.merkle import Tree, leaf_hash, node_hash
from cytoloop.record.proof import Levels, verify_consistency, verify_inclusion

MOST = 64


def leaves_of(count: int) -> list[bytes]:
    return [leaf_hash(b"entry %d" % index) for index in range(count)]


def root_of(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1: MTH."""
    return Tree().extend(leaves).root


def split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def path(index: int, leaves: list[bytes]) -> tuple[bytes, ...]:
    """RFC 6962 §2.1.1: PATH(m, D[n])."""
    if len(leaves) == 1:
        return ()
    at = split(len(leaves))
    if index < at:
        return (*path(index, leaves[:at]), root_of(leaves[at:]))
    return (*path(index - at, leaves[at:]), root_of(leaves[:at]))


def subproof(old: int, leaves: list[bytes], complete: bool) -> tuple[bytes, ...]:
    """RFC 6962 §2.1.2: SUBPROOF(m, D[n], b)."""
    if old == len(leaves):
        return () if complete else (root_of(leaves),)
    at = split(len(leaves))
    if old <= at:
        return (*subproof(old, leaves[:at], complete), root_of(leaves[at:]))
    return (*subproof(old - at, leaves[at:], False), root_of(leaves[:at]))


LEAVES = leaves_of(MOST)
LEVELS = Levels(LEAVES)


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_every_inclusion_proof_is_the_recursive_definition_and_verifies(size: int) -> None:
    root = root_of(LEAVES[:size])
    assert LEVELS.root(size) == root
    for index in range(size):
        proof = LEVELS.inclusion(index, size)
        assert proof == path(index, LEAVES[:size])
        verify_inclusion(LEAVES[index], index, size, proof, root)


@pytest.mark.parametrize("new", range(1, MOST + 1))
def test_every_consistency_proof_is_the_recursive_definition_and_verifies(new: int) -> None:
    for old in range(1, new + 1):
        proof = LEVELS.consistency(old, new)
        assert proof == subproof(old, LEAVES[:new], True)
        verify_consistency(old, new, LEVELS.root(old), LEVELS.root(new), proof)


@pytest.mark.parametrize("size", range(1, 17))
def test_no_inclusion_proof_stands_for_another_leaf_index_size_or_root(size: int) -> None:
    root = LEVELS.root(size)
    for index in range(size):
        proof = LEVELS.inclusion(index, size)
        wrong = [
            (LEAVES[MOST - 1], index, size, proof, root),
            (LEAVES[index], index, size, proof, LEVELS.root(size + 1)),
            (LEAVES[index], index, size, (*proof, root), root),
            *[(LEAVES[index], other, size, proof, root) for other in range(size) if other != index],
            *[(LEAVES[index], index, size, _flipped(proof, at), root) for at in range(len(proof))],
            *[(LEAVES[index], index, size, proof[:at], root) for at in range(len(proof))],
            (LEAVES[index], size, size, proof, root),
            (LEAVES[index], -1, size, proof, root),
        ]
        for each in wrong:
            with pytest.raises(FindingError):
                verify_inclusion(*each)


@pytest.mark.parametrize("new", range(2, 17))
def test_no_consistency_proof_stands_for_another_history(new: int) -> None:
    fork = Levels([*LEAVES[:1], *reversed(LEAVES)])
    for old in range(1, new):
        proof = LEVELS.consistency(old, new)
        roots = (LEVELS.root(old), LEVELS.root(new))
        wrong = [
            (old, new, roots[1], roots[0], proof),
            (old, new, roots[0], fork.root(new), proof),
            (old, new, fork.root(old + 1), roots[1], proof),
            (old, new, *roots, (*proof, roots[0])),
            *[(old, new, *roots, _flipped(proof, at)) for at in range(len(proof))],
            *[(old, new, *roots, proof[:at]) for at in range(len(proof))],
            (new, old, *roots, proof),
            (new, new, *roots, ()),
            (old, new, *roots, ()),
        ]
        for each in wrong:
            with pytest.raises(FindingError):
                verify_consistency(*each)


def test_every_tree_continues_the_empty_one() -> None:
    verify_consistency(0, 5, Levels().root(), LEVELS.root(5), LEVELS.consistency(0, 5))
    with pytest.raises(FindingError, match="does not continue"):
        verify_consistency(0, 5, LEVELS.root(1), LEVELS.root(5), ())
    with pytest.raises(FindingError, match="too long"):
        verify_consistency(0, 5, Levels().root(), LEVELS.root(5), (LEVELS.root(1),))


def test_the_worked_example_of_rfc_9162_holds() -> None:
    """RFC 9162 §2.1.5: the tree of seven leaves, its nodes by name."""
    a, b, c, d, e, f, j = LEAVES[:7]
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, l_node = node_hash(g, h), node_hash(i, j)
    assert LEVELS.inclusion(0, 7) == (b, h, l_node)
    assert LEVELS.inclusion(3, 7) == (c, g, l_node)
    assert LEVELS.inclusion(4, 7) == (f, j, k)
    assert LEVELS.inclusion(6, 7) == (i, k)
    assert LEVELS.consistency(3, 7) == (c, d, g, l_node)
    assert LEVELS.consistency(4, 7) == (l_node,)
    assert LEVELS.consistency(6, 7) == (i, j, k)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=6), st.data())
def test_levels_grown_in_parts_prove_the_same(parts: list[int], data: st.DataObject) -> None:
    total = sum(parts)
    leaves, levels, at = leaves_of(total), Levels(), 0
    for part in parts:
        levels.extend(leaves[at : at + part])
        at += part
    assert levels.size == total
    new = data.draw(st.integers(0, total))
    old = data.draw(st.integers(0, new))
    assert levels.root(new) == root_of(leaves[:new])
    verify_consistency(old, new, levels.root(old), levels.root(new), levels.consistency(old, new))
    if new:
        index = data.draw(st.integers(0, new - 1))
        verify_inclusion(leaves[index], index, new, levels.inclusion(index, new), levels.root(new))


def test_what_is_not_there_cannot_be_proven() -> None:
    with pytest.raises(UserError, match="entry 64 is not among the first 64"):
        LEVELS.inclusion(64)
    with pytest.raises(UserError, match="entry -1 is not among"):
        LEVELS.inclusion(-1)
    with pytest.raises(UserError, match="there are 64 entries"):
        LEVELS.inclusion(0, 65)
    with pytest.raises(UserError, match="cannot continue"):
        LEVELS.consistency(9, 8)


def _flipped(proof: tuple[bytes, ...], at: int) -> tuple[bytes, ...]:
    return tuple(bytes([each[0] ^ 1]) + each[1:] if place == at else each for place, each in enumerate(proof))
