"""The Merkle tree of RFC 9162 section 2.1: hashes, inclusion and consistency proofs, and how they are checked. Pure.

A leaf's data is the entry hash of an event. Ranges of leaves are half open, and are cut where the RFC cuts them.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

BLOCK: Final = 1024
Node = Callable[[int, int], bytes]


class Tree:
    """The tree grown one leaf at a time; only the roots of complete subtrees are kept, one for each bit of the size.

    `blocks` are the roots of all complete subtrees of 1,024 leaves.
    """

    __slots__ = ("_peaks", "blocks", "size")

    def __init__(self) -> None:
        self.size = 0
        self.blocks: list[bytes] = []
        self._peaks: list[bytes] = []

    def add(self, data: bytes) -> None:
        """Append a leaf."""
        node = hashlib.sha256(b"\0" + data).digest()
        full, leaves = self.size, 1
        # Each set low bit is a complete subtree as large as the one just made: the two become one.
        while full & 1:
            node = hashlib.sha256(b"\1" + self._peaks.pop() + node).digest()
            full >>= 1
            leaves <<= 1
            if leaves == BLOCK:
                self.blocks.append(node)
        self._peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The tree's hash; of no leaves, the hash of nothing."""
        if not self._peaks:
            return hashlib.sha256().digest()
        node = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            node = _parent(peak, node)
        return node


def root(leaves: Sequence[bytes]) -> bytes:
    """The hash of a whole tree."""
    tree = Tree()
    for one in leaves:
        tree.add(one)
    return tree.root()


def split(first: int, last: int, node: Node) -> bytes:
    """The hash of a range from its two halves."""
    middle = first + _largest_power_below(last - first)
    return _parent(node(first, middle), node(middle, last))


def inclusion(place: int, size: int, node: Node) -> list[bytes]:
    """The audit path of a leaf (2.1.3.1). Raises ValueError when the tree has no such leaf."""
    if not 0 <= place < size:
        raise ValueError(f"a tree of {size} has no leaf {place}")
    first, last, path = 0, size, []
    while last - first > 1:
        middle = first + _largest_power_below(last - first)
        if place < middle:
            path.append(node(middle, last))
            last = middle
        else:
            path.append(node(first, middle))
            first = middle
    return path[::-1]


def included(data: bytes, place: int, size: int, path: Sequence[bytes], told: bytes) -> bool:
    """Whether the path proves the leaf (2.1.3.2)."""
    if not 0 <= place < size:
        return False
    here, last = place, size - 1
    made = hashlib.sha256(b"\0" + data).digest()
    for one in path:
        if last == 0:
            return False
        if here & 1 or here == last:
            made = _parent(one, made)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            made = _parent(made, one)
        here, last = here >> 1, last >> 1
    return last == 0 and made == told


def consistency(earlier: int, size: int, node: Node) -> list[bytes]:
    """The proof that a tree begins with an earlier one (2.1.4.1); empty when either is all there is to say."""
    if not 0 <= earlier <= size:
        raise ValueError(f"a tree of {size} does not begin with {earlier}")
    if earlier in {0, size}:
        return []
    first, last, whole, path = 0, size, True, []
    while last != earlier:
        middle = first + _largest_power_below(last - first)
        if earlier <= middle:
            path.append(node(middle, last))
            last = middle
        else:
            path.append(node(first, middle))
            first, whole = middle, False
    return ([] if whole else [node(first, last)]) + path[::-1]


def consistent(earlier: int, before: bytes, size: int, told: bytes, path: Sequence[bytes]) -> bool:
    """Whether the proof shows that the tree `told` begins with the tree `before` (2.1.4.2)."""
    if not 0 < earlier < size:
        return not path and (earlier == 0 or (earlier == size and before == told))
    # The earlier tree is complete: its root is the first node, and was left out.
    steps = [before, *path] if not earlier & (earlier - 1) else list(path)
    if not steps:
        return False
    here, last = earlier - 1, size - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    old = new = steps[0]
    for one in steps[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            old, new = _parent(one, old), _parent(one, new)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            new = _parent(new, one)
        here, last = here >> 1, last >> 1
    return last == 0 and old == before and new == told


def _largest_power_below(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)


def _parent(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()
