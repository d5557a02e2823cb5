"""Seals open for nobody else, and for nobody once their key is shredded; a former root stays readable."""

import pickle
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.addresses import Address
from subscribers.errors import InvalidToken, UnreadableSeal
from subscribers.keys import Box, Keys, Sealed
from subscribers.tokens import Purpose
from tests.keyring import RING

ROOT, NEW_ROOT = bytes(range(32)), bytes(range(1, 33))
SUBJECT, OTHER = b"s" * 16, b"t" * 16
ANNA = Address.parse("anna@example.org")
NOW = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)


def box() -> Box:
    return Keys(ROOT).draw(SUBJECT)[0]


@given(st.binary(max_size=300), st.sampled_from(Sealed))
def test_what_is_sealed_opens_again(plain: bytes, what: Sealed) -> None:
    mine = box()
    assert mine.open(what, mine.seal(what, plain)) == plain


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_an_altered_seal_does_not_open(place: int, change: int) -> None:
    mine = box()
    sealed = bytearray(mine.seal(Sealed.ADDRESS, b"anna@example.org"))
    sealed[place % len(sealed)] ^= change
    with pytest.raises(UnreadableSeal):
        mine.open(Sealed.ADDRESS, bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" + bytes(12), b"\x01" + bytes(20), b"\x02" + bytes(60)])
def test_a_cut_or_foreign_seal_does_not_open(sealed: bytes) -> None:
    with pytest.raises(UnreadableSeal):
        box().open(Sealed.ADDRESS, sealed)


def test_a_seal_opens_only_for_its_subject_its_purpose_and_its_root() -> None:
    keys = Keys(ROOT, ring=RING)
    mine, other = keys.new_subject(NOW), keys.new_subject(NOW)
    sealed = keys.seal(mine, Sealed.ADDRESS, b"anna@example.org")
    assert Keys(ROOT, ring=RING).open(mine, Sealed.ADDRESS, sealed) == b"anna@example.org"
    for stranger, subject, what in (
        (keys, other, Sealed.ADDRESS),
        (keys, mine, Sealed.EVIDENCE),
        (Keys(NEW_ROOT, ring=RING), mine, Sealed.ADDRESS),
        (Keys(NEW_ROOT, number=2, ring=RING), mine, Sealed.ADDRESS),
        (Keys(ROOT), mine, Sealed.ADDRESS),
    ):
        with pytest.raises(UnreadableSeal):
            stranger.open(subject, what, sealed)


def test_what_was_sealed_for_a_shredded_key_opens_for_nobody() -> None:
    keys = Keys(ROOT, ring=RING)
    mine, other = keys.new_subject(NOW), keys.new_subject(NOW)
    sealed, theirs = (keys.seal(one, Sealed.ADDRESS, b"a") for one in (mine, other))
    assert (keys.shred([mine]), keys.shred([mine])) == (1, 0)
    with pytest.raises(UnreadableSeal, match="not in the keyring"):
        keys.open(mine, Sealed.ADDRESS, sealed)
    with pytest.raises(UnreadableSeal):
        keys.seal(mine, Sealed.ADDRESS, b"a")
    assert keys.open(other, Sealed.ADDRESS, theirs) == b"a"


def test_a_seal_holds_nothing_of_the_address_and_is_new_each_time() -> None:
    mine = box()
    seals = {mine.seal(Sealed.ADDRESS, b"anna@example.org") for _ in range(50)}
    assert len(seals) == 50
    assert not any(b"anna" in one for one in seals)


def test_a_former_root_still_opens_reads_and_finds() -> None:
    old = Keys(ROOT, ring=RING)
    keys = Keys(NEW_ROOT, number=2, former={1: ROOT}, ring=RING)
    subject = old.new_subject(NOW)
    assert keys.open(subject, Sealed.ADDRESS, old.seal(subject, Sealed.ADDRESS, b"a")) == b"a"
    assert keys.read_token(Purpose.LEAVE, old.token(Purpose.LEAVE, SUBJECT)) == SUBJECT
    assert keys.fingerprint(ANNA) == old.fingerprint(ANNA)
    assert keys.is_head(b"head", old.sign_head(b"head"))
    assert keys.draw(SUBJECT)[1].kek == 2
    with pytest.raises(InvalidToken):
        old.read_token(Purpose.LEAVE, keys.token(Purpose.LEAVE, SUBJECT))


def test_fingerprints_are_the_same_for_twins_and_differ_for_others_and_other_roots() -> None:
    keys = Keys(ROOT)
    assert keys.fingerprint(ANNA) == keys.fingerprint(Address.parse("ANNA@Example.ORG"))
    assert keys.fingerprint(ANNA) != keys.fingerprint(Address.parse("anne@example.org"))
    assert keys.fingerprint(ANNA) != Keys(NEW_ROOT).fingerprint(ANNA)
    assert keys.fingerprint(ANNA) != keys.mailbox(ANNA)


def test_chance_is_an_argument() -> None:
    one, other = (Keys(ROOT, chance=bytes).draw(SUBJECT)[0] for _ in range(2))
    assert one.seal(Sealed.ADDRESS, b"a") == other.seal(Sealed.ADDRESS, b"a")


def test_keys_do_not_show_themselves_and_a_copy_takes_no_subject_along() -> None:
    keys = Keys(ROOT, ring=RING)
    subject = keys.new_subject(NOW)
    keys.fetch([subject])
    assert repr(keys) == "Keys(number=1)"
    with pytest.raises(UnreadableSeal):
        pickle.loads(pickle.dumps(keys.without_ring())).box(subject)


@pytest.mark.parametrize(("root", "number"), [(b"short", 1), (bytes(33), 1), (ROOT, 0), (ROOT, 256)])
def test_a_wrong_root_or_number_is_refused(root: bytes, number: int) -> None:
    with pytest.raises(ValueError, match="a root is 32 bytes"):
        Keys(root, number=number)


def test_an_empty_or_foreign_mark_is_not_genuine() -> None:
    keys = Keys(ROOT)
    assert not keys.is_head(b"head", b"")
    assert not keys.is_head(b"head", b"\x09" + bytes(32))
    assert not keys.is_head(b"other", keys.sign_head(b"head"))
