"""What is sealed to a public key opens with its private half and with nothing else."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers import UnreadableSeal, envelopes, new_key

PRIVATE, PUBLIC = envelopes.new_pair(Random(1).randbytes)
OTHER, _ = envelopes.new_pair(Random(2).randbytes)


@given(st.binary(max_size=2_000))
def test_it_opens_with_the_private_half_alone(plain: bytes) -> None:
    sealed = envelopes.seal(PUBLIC, plain)
    assert envelopes.open_sealed(PRIVATE, sealed) == plain
    assert sealed != envelopes.seal(PUBLIC, plain)
    with pytest.raises(UnreadableSeal):
        envelopes.open_sealed(OTHER, sealed)


@given(st.binary(min_size=1, max_size=50), st.integers(min_value=0), st.integers(1, 255))
def test_a_changed_byte_anywhere_opens_nothing(plain: bytes, place: int, other: int) -> None:
    sealed = bytearray(envelopes.seal(PUBLIC, plain))
    sealed[place % len(sealed)] ^= other
    with pytest.raises(UnreadableSeal):
        envelopes.open_sealed(PRIVATE, bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", b"x", b"x" * 48])
def test_what_is_no_envelope_says_so(sealed: bytes) -> None:
    with pytest.raises(UnreadableSeal, match="altered"):
        envelopes.open_sealed(PRIVATE, sealed)


@pytest.mark.parametrize("pem", [b"", b"nonsense", PUBLIC, new_key(bytes(32))])
def test_what_is_no_private_key_opens_nothing(pem: bytes) -> None:
    with pytest.raises(UnreadableSeal, match="no private key"):
        envelopes.open_sealed(pem, envelopes.seal(PUBLIC, b"x"))


@pytest.mark.parametrize("pem", [b"", b"nonsense", PRIVATE])
def test_nothing_is_sealed_to_what_is_no_public_key(pem: bytes) -> None:
    with pytest.raises(UnreadableSeal, match="no public key"):
        envelopes.seal(pem, b"x")
    with pytest.raises(UnreadableSeal, match="no public key"):
        envelopes.require_public(pem)
