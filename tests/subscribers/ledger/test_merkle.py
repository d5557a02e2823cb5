"""The tree hash of RFC 9162, against the published roots and a plain recursion."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.ledger import merkle
from subscribers.ledger.merkle import Tree

# The inputs and roots of the reference implementation's test (certificate-transparency, merkletree).
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def _recursive(leaves: list[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + _recursive(leaves[:split]) + _recursive(leaves[split:])).digest()


def test_the_published_roots() -> None:
    tree = Tree()
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        tree.add(bytes.fromhex(leaf))
        assert tree.root().hex() == root
    assert tree.size == len(LEAVES)


def test_of_nothing_the_root_is_the_hash_of_nothing() -> None:
    assert Tree().root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(st.lists(st.binary(max_size=4), max_size=70))
def test_growing_leaf_by_leaf_is_the_recursion_of_the_rfc(leaves: list[bytes]) -> None:
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    assert tree.root() == _recursive(leaves)


# The hashes of all complete subtrees over those eight leaves, from the same test.
INPUTS = [bytes.fromhex(one) for one in LEAVES]
LEAF_0 = ROOTS[0]
LEAF_1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
LEAF_4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
TWO_0 = ROOTS[1]
TWO_2 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
TWO_4 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
TWO_6 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
FOUR_0 = ROOTS[3]
FOUR_4 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"


def node(leaves: list[bytes]) -> merkle.Node:
    return lambda first, last: merkle.root(leaves[first:last])


@pytest.mark.parametrize(
    ("place", "size", "path"),
    [
        (0, 1, []),
        (0, 2, [LEAF_1]),
        (1, 2, [LEAF_0]),
        (2, 3, [TWO_0]),
        (1, 5, [LEAF_0, TWO_2, LEAF_4]),
        (0, 8, [LEAF_1, TWO_2, FOUR_4]),
        (5, 8, [LEAF_4, TWO_6, FOUR_0]),
    ],
)
def test_the_published_inclusion_proofs(place: int, size: int, path: list[str]) -> None:
    made = merkle.inclusion(place, size, node(INPUTS))
    assert [one.hex() for one in made] == path
    assert merkle.included(INPUTS[place], place, size, made, merkle.root(INPUTS[:size]))


@pytest.mark.parametrize(
    ("earlier", "size", "path"),
    [(1, 1, []), (1, 8, [LEAF_1, TWO_2, FOUR_4]), (2, 5, [TWO_2, LEAF_4]), (6, 8, [TWO_4, TWO_6, FOUR_0])],
)
def test_the_published_consistency_proofs(earlier: int, size: int, path: list[str]) -> None:
    made = merkle.consistency(earlier, size, node(INPUTS))
    assert [one.hex() for one in made] == path
    assert merkle.consistent(earlier, merkle.root(INPUTS[:earlier]), size, merkle.root(INPUTS[:size]), made)


def test_every_proof_of_every_small_tree_holds_and_proves_nothing_else() -> None:
    leaves = [bytes([n]) for n in range(40)]
    for size in range(1, 41):
        told = merkle.root(leaves[:size])
        for place in range(size):
            path = merkle.inclusion(place, size, node(leaves))
            assert merkle.included(leaves[place], place, size, path, told)
            assert not merkle.included(b"other", place, size, path, told)
            assert not merkle.included(leaves[place], place + 1, size, path, told)
            assert not merkle.included(leaves[place], place, size, [*path, bytes(32)], told)
            assert not path or not merkle.included(leaves[place], place, size, path[:-1], told)
        for earlier in range(1, size + 1):
            before = merkle.root(leaves[:earlier])
            proof = merkle.consistency(earlier, size, node(leaves))
            assert merkle.consistent(earlier, before, size, told, proof)
            assert not merkle.consistent(earlier, bytes(32), size, told, proof)
            assert earlier == size or not merkle.consistent(earlier, before, size, bytes(32), proof)
            assert not merkle.consistent(earlier, before, size, told, [*proof, bytes(32)])


def test_a_leaf_or_a_tree_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="no leaf"):
        merkle.inclusion(8, 8, node(INPUTS))
    with pytest.raises(ValueError, match="does not begin"):
        merkle.consistency(9, 8, node(INPUTS))
    assert not merkle.included(b"", 8, 8, [], bytes(32))


def test_the_tree_tells_the_roots_of_its_blocks() -> None:
    tree = merkle.Tree()
    leaves = [n.to_bytes(4, "big") for n in range(2 * merkle.BLOCK + 5)]
    for one in leaves:
        tree.add(one)
    assert tree.blocks == [merkle.root(leaves[: merkle.BLOCK]), merkle.root(leaves[merkle.BLOCK : 2 * merkle.BLOCK])]
