"""The Merkle tree hash of RFC 9162 section 2.1.1, grown one leaf at a time. Pure."""

import hashlib


class Tree:
    """Only the roots of the complete subtrees are kept, as many as the size has bits set."""

    __slots__ = ("_peaks", "size")

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def add(self, data: bytes) -> None:
        """Append a leaf."""
        node = hashlib.sha256(b"\0" + data).digest()
        full = self.size
        # Each set low bit is a complete subtree as large as the one just made: the two become one.
        while full & 1:
            node = hashlib.sha256(b"\1" + self._peaks.pop() + node).digest()
            full >>= 1
        self._peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The tree's hash; of no leaves, the hash of nothing."""
        if not self._peaks:
            return hashlib.sha256().digest()
        node = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            node = hashlib.sha256(b"\1" + peak + node).digest()
        return node
