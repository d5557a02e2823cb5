"""A return path proves that we wrote it, and says nothing of whom it is about."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery import returns
from newsletter.delivery.returns import ReturnPath, ReturnPathError
from newsletter.errors import NewsletterError

KEY = b"k" * 32
IDS = st.integers(min_value=0, max_value=2**40 - 1)


@given(IDS, IDS)
def test_a_token_reads_back_as_what_was_signed(mailing: int, recipient: int) -> None:
    token = returns.sign(KEY, mailing, recipient)
    assert re.fullmatch(r"[a-z2-7]{32}", token)
    assert returns.sign(KEY, mailing, recipient) == token
    assert returns.read(KEY, token) == ReturnPath(mailing_id=mailing, recipient_id=recipient)


def test_the_local_part_fits_in_64_octets() -> None:
    # RFC 5321 4.5.3.1.1: a local part may have 64 octets. Relays and callers' databases cut or refuse longer ones, and
    # a return path that loses its end is a bounce nobody can attribute. Room is left for a prefix a host may add.
    local = f"b+{returns.sign(KEY, 2**40 - 1, 2**40 - 1)}"
    assert len(local) <= 64 - 24


def test_relays_may_fold_the_case() -> None:
    token = returns.sign(KEY, 7, 11)
    assert returns.read(KEY, token.upper()) == returns.read(KEY, token)


@given(IDS, IDS, st.integers(0, 31), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_no_altered_token_is_believed(mailing: int, recipient: int, at: int, letter: str) -> None:
    token = returns.sign(KEY, mailing, recipient)
    altered = token[:at] + letter + token[at + 1 :]
    if altered != token:
        with pytest.raises(ReturnPathError):
            returns.read(KEY, altered)


@given(st.text(max_size=50))
def test_text_from_strangers_is_refused_in_one_way(text: str) -> None:
    with pytest.raises(ReturnPathError, match="not a return path of ours"):
        returns.read(KEY, text)


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(ReturnPathError) as caught:
        returns.read(b"x" * 32, returns.sign(KEY, 1, 2))
    assert isinstance(caught.value, NewsletterError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("number", [-1, 2**40])
def test_a_number_no_database_has_is_not_cut_silently(number: int) -> None:
    with pytest.raises(OverflowError):
        returns.sign(KEY, number, 1)


def test_a_row_of_tokens_does_not_tell_the_numbers() -> None:
    tokens = [returns.sign(KEY, 1, recipient) for recipient in range(1, 65)]
    assert len({token[:8] for token in tokens}) == 64
    assert len({token[-8:] for token in tokens}) == 64
