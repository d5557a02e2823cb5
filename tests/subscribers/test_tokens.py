"""Tokens give one right, never another, and survive what mail programs do to links."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.errors import InvalidToken
from subscribers.tokens import TOKEN_CHARACTERS, Purpose, mint, read

KEY = bytes(range(32))
OTHER = bytes(32)
ID = bytes(range(16))
ids = st.binary(min_size=16, max_size=16)


@given(ids, st.integers(1, 255), st.sampled_from(Purpose))
def test_a_token_reads_back_is_always_as_long_and_safe_in_any_link(one: bytes, number: int, purpose: Purpose) -> None:
    token = mint(KEY, number, purpose, one)
    assert read({number: KEY}, purpose, token) == one
    assert len(token) == TOKEN_CHARACTERS
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyz234567")
    assert mint(KEY, number, purpose, one) == token


def test_a_link_in_capitals_still_works() -> None:
    assert read({1: KEY}, Purpose.LEAVE, mint(KEY, 1, Purpose.LEAVE, ID).upper()) == ID


def test_a_token_of_one_purpose_is_refused_for_another() -> None:
    for made in Purpose:
        for asked in set(Purpose) - {made}:
            with pytest.raises(InvalidToken):
                read({1: KEY}, asked, mint(KEY, 1, made, ID))


@given(st.integers(0, TOKEN_CHARACTERS - 1), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_any_changed_character_is_refused(place: int, character: str) -> None:
    token = mint(KEY, 1, Purpose.LEAVE, ID)
    forged = token[:place] + character + token[place + 1 :]
    if forged != token:
        with pytest.raises(InvalidToken):
            read({1: KEY}, Purpose.LEAVE, forged)


@given(st.text(max_size=80))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidToken):
        read({1: KEY}, Purpose.LEAVE, text)


@pytest.mark.parametrize("cut", [0, 1, 8, 27, TOKEN_CHARACTERS - 1])
def test_a_cut_token_is_refused(cut: int) -> None:
    token = mint(KEY, 1, Purpose.LEAVE, ID)
    for text in (token[:cut], token + "a", token + "=", "\u0131" * TOKEN_CHARACTERS):
        with pytest.raises(InvalidToken):
            read({1: KEY}, Purpose.LEAVE, text)


def test_a_former_key_is_accepted_a_retired_or_future_one_is_not() -> None:
    token = mint(OTHER, 1, Purpose.LEAVE, ID)
    assert read({1: OTHER, 2: KEY}, Purpose.LEAVE, token) == ID
    with pytest.raises(InvalidToken):
        read({2: KEY}, Purpose.LEAVE, token)
    with pytest.raises(InvalidToken):
        read({1: OTHER}, Purpose.LEAVE, mint(KEY, 2, Purpose.LEAVE, ID))


def test_an_id_of_another_length_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        mint(KEY, 1, Purpose.LEAVE, b"short")
