"""The tree is RFC 6962's: known vectors, and the recursive definition as the honest twin."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from cytoloop.record.merkle import EMPTY_ROOT, Tree, leaf_hash, node_hash

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
"""The reference vectors of Certificate Transparency's own Merkle tree tests."""


def recursive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(recursive_root(leaves[:split]), recursive_root(leaves[split:]))


def test_roots_are_those_of_the_reference_vectors() -> None:
    for size, root in ROOTS.items():
        tree = Tree().extend(leaf_hash(leaf) for leaf in LEAVES[:size])
        assert tree.root.hex() == root


def test_an_empty_tree_has_the_hash_of_nothing() -> None:
    assert Tree().root == EMPTY_ROOT == sha256(b"").digest()


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_root_is_the_recursive_definition(leaves: list[bytes]) -> None:
    assert Tree().extend(map(leaf_hash, leaves)).root == recursive_root(leaves)


@given(st.lists(st.binary(max_size=4), max_size=40), st.integers(0, 40))
def test_appending_in_parts_is_appending_at_once(leaves: list[bytes], cut: int) -> None:
    hashes = [leaf_hash(leaf) for leaf in leaves]
    parts = Tree().extend(hashes[:cut])
    for each in hashes[cut:]:
        parts = parts.append(each)
    assert parts == Tree().extend(hashes)
