"""Seals open for nobody else; fingerprints find and do not tell; a former root stays readable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.addresses import Address
from subscribers.errors import InvalidToken, UnreadableSeal
from subscribers.keyring import Keys, Sealed
from subscribers.tokens import Purpose

ROOT, NEW_ROOT = bytes(range(32)), bytes(range(1, 33))
SUBJECT, OTHER = b"s" * 16, b"t" * 16
ANNA = Address.parse("anna@example.org")


@given(st.binary(max_size=300), st.sampled_from(Sealed))
def test_what_is_sealed_opens_again(plain: bytes, what: Sealed) -> None:
    keys = Keys(ROOT)
    assert keys.open(SUBJECT, what, keys.seal(SUBJECT, what, plain)) == plain


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_an_altered_seal_does_not_open(place: int, change: int) -> None:
    keys = Keys(ROOT)
    sealed = bytearray(keys.seal(SUBJECT, Sealed.ADDRESS, b"anna@example.org"))
    sealed[place % len(sealed)] ^= change
    with pytest.raises(UnreadableSeal):
        keys.open(SUBJECT, Sealed.ADDRESS, bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" + bytes(12), b"\x01" + bytes(20)])
def test_a_cut_seal_does_not_open(sealed: bytes) -> None:
    with pytest.raises(UnreadableSeal):
        Keys(ROOT).open(SUBJECT, Sealed.ADDRESS, sealed)


def test_a_seal_opens_only_for_its_subject_its_purpose_and_its_root() -> None:
    sealed = Keys(ROOT).seal(SUBJECT, Sealed.ADDRESS, b"anna@example.org")
    for keys, subject, what in (
        (Keys(ROOT), OTHER, Sealed.ADDRESS),
        (Keys(ROOT), SUBJECT, Sealed.EVIDENCE),
        (Keys(NEW_ROOT), SUBJECT, Sealed.ADDRESS),
        (Keys(NEW_ROOT, number=2), SUBJECT, Sealed.ADDRESS),
    ):
        with pytest.raises(UnreadableSeal):
            keys.open(subject, what, sealed)


def test_a_seal_holds_nothing_of_the_address_and_is_new_each_time() -> None:
    keys = Keys(ROOT)
    seals = {keys.seal(SUBJECT, Sealed.ADDRESS, b"anna@example.org") for _ in range(50)}
    assert len(seals) == 50
    assert not any(b"anna" in one for one in seals)


def test_a_former_root_still_opens_reads_and_finds_while_the_new_one_seals() -> None:
    old = Keys(ROOT)
    keys = Keys(NEW_ROOT, number=2, former={1: ROOT})
    assert keys.open(SUBJECT, Sealed.ADDRESS, old.seal(SUBJECT, Sealed.ADDRESS, b"a")) == b"a"
    assert keys.read_token(Purpose.LEAVE, old.token(Purpose.LEAVE, SUBJECT)) == SUBJECT
    assert keys.fingerprint(ANNA) == old.fingerprint(ANNA)
    assert keys.is_head(b"head", old.sign_head(b"head"))
    assert keys.seal(SUBJECT, Sealed.ADDRESS, b"a")[0] == 2
    with pytest.raises(InvalidToken):
        old.read_token(Purpose.LEAVE, keys.token(Purpose.LEAVE, SUBJECT))


def test_fingerprints_are_the_same_for_twins_and_differ_for_others_and_other_roots() -> None:
    keys = Keys(ROOT)
    assert keys.fingerprint(ANNA) == keys.fingerprint(Address.parse("ANNA@Example.ORG"))
    assert keys.fingerprint(ANNA) != keys.fingerprint(Address.parse("anne@example.org"))
    assert keys.fingerprint(ANNA) != Keys(NEW_ROOT).fingerprint(ANNA)
    assert keys.fingerprint(ANNA) != keys.mailbox(ANNA)


def test_chance_is_an_argument() -> None:
    one, other = (Keys(ROOT, chance=bytes) for _ in range(2))
    assert one.seal(SUBJECT, Sealed.ADDRESS, b"a") == other.seal(SUBJECT, Sealed.ADDRESS, b"a")


def test_keys_do_not_show_themselves() -> None:
    assert repr(Keys(ROOT)) == "Keys(number=1)"


@pytest.mark.parametrize(("root", "number"), [(b"short", 1), (bytes(33), 1), (ROOT, 0), (ROOT, 256)])
def test_a_wrong_root_or_number_is_refused(root: bytes, number: int) -> None:
    with pytest.raises(ValueError, match="a root is 32 bytes"):
        Keys(root, number=number)


def test_an_empty_or_foreign_mark_is_not_genuine() -> None:
    keys = Keys(ROOT)
    assert not keys.is_head(b"head", b"")
    assert not keys.is_head(b"head", b"\x09" + bytes(32))
    assert not keys.is_head(b"other", keys.sign_head(b"head"))
