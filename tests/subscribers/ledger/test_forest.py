"""A proof in a long ledger reads a few blocks, and is the one the whole tree gives."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import event as sql

from newsletter.database import Database
from subscribers.ledger import forest, merkle
from subscribers.ledger.consent import append
from subscribers.ledger.forest import Forest
from tests.subscribers.ledger.test_consent import event
from tests.subscribers.people import KEYS

SIZE = 3 * merkle.BLOCK + 77


@pytest.fixture
def long(database: Database, now: datetime) -> Database:
    with database.transaction() as session:
        append(session, KEYS, [event()] * SIZE, now)
    return database


def test_the_tree_of_kept_blocks_is_the_tree_of_all_entries(long: Database) -> None:
    forest.grow(long.transaction)
    with long.snapshot() as session:
        leaves = forest.entries(session, 0, SIZE)
        assert len(forest.blocks(session)) == 3
        for size in (1, 1023, 1024, 1025, 2048, 3000, SIZE):
            tree = Forest(session, size)
            assert tree.root() == merkle.root(leaves[:size])
            for seq in {1, size // 2 + 1, size}:
                assert merkle.included(leaves[seq - 1], seq - 1, size, tree.inclusion(seq), tree.root())
            for earlier in {1, size // 3 + 1, size}:
                before = merkle.root(leaves[:earlier])
                assert merkle.consistent(earlier, before, size, tree.root(), tree.consistency(earlier))


def test_a_proof_reads_two_blocks_of_entries_and_the_kept_roots(long: Database) -> None:
    forest.grow(long.transaction)
    read: list[Any] = []
    with long.snapshot() as session:
        tree = Forest(session, SIZE)

        def note(_connection: object, _cursor: object, _statement: str, parameters: Any, *_: object) -> None:
            read.append(parameters)

        sql.listen(long.engine, "before_cursor_execute", note)
        tree.inclusion(1500)
        sql.remove(long.engine, "before_cursor_execute", note)
    ranges = [tuple(one.values()) if isinstance(one, dict) else tuple(one) for one in read if one]
    assert sorted(ranges) == [(1024, 2048), (3072, 4096)]


def test_blocks_are_kept_once_they_are_complete_and_in_steps(long: Database, now: datetime) -> None:
    with long.transaction() as session:
        assert forest.extend(session, 1) == 1
        assert forest.extend(session) == 2
        assert forest.extend(session) == 0
        append(session, KEYS, [event()] * merkle.BLOCK, now)
        assert forest.extend(session) == 1


def test_without_kept_blocks_the_tree_is_the_same(long: Database) -> None:
    with long.snapshot() as session:
        assert Forest(session, SIZE).root() == merkle.root(forest.entries(session, 0, SIZE))
