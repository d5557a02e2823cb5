"""Bytes to text, whatever the document says of itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.stories.charsets import decode

RUSSIAN = "Мост открыт"


def said(encoding: str, text: str = RUSSIAN) -> str:
    return f'<?xml version="1.0" encoding="{encoding}"?><t>{text}</t>'


@pytest.mark.parametrize(
    "encoding", ["utf-8", "windows-1251", "koi8-r", "iso-8859-5", "utf-16", "utf-8-sig", "x-mac-cyrillic"]
)
def test_a_document_is_read_in_the_encoding_it_declares(encoding: str) -> None:
    assert RUSSIAN in decode(said(encoding).encode(encoding.removeprefix("x-")))


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("shift_jis", "橋が開通"),
        ("gb2312", "大桥开通"),
        ("euc-kr", "다리 개통"),
        ("big5", "大橋開通"),
        ("iso-2022-jp", "橋が開通"),
    ],
)
def test_encodings_of_two_bytes_are_read(encoding: str, text: str) -> None:
    assert text in decode(said(encoding, text).encode(encoding))


def test_wide_encodings_need_no_byte_order_mark() -> None:
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        assert RUSSIAN in decode(said("utf-16").encode(encoding))


@pytest.mark.parametrize(
    "wrong", ["windows-1251", "iso-8859-1", "utf-16", "us-ascii", "nonsense", "punycode", "zlib", "utf-7"]
)
def test_utf_8_is_recognised_whatever_is_declared(wrong: str) -> None:
    assert RUSSIAN in decode(said(wrong).encode())


def test_without_a_declaration_it_is_windows_1252() -> None:
    assert decode("<t>Élections “à” Orléans</t>".encode("cp1252")) == "<t>Élections “à” Orléans</t>"


def test_what_came_with_the_document_helps_where_it_says_nothing() -> None:
    assert decode("<t>Мост</t>".encode("cp1251"), "windows-1251") == "<t>Мост</t>"
    assert RUSSIAN in decode(said("koi8-r").encode("koi8-r"), "windows-1251")


def test_one_broken_character_does_not_spoil_the_others() -> None:
    assert decode("Élan, déjà vu, très près, où ça".encode() + b" \xc3") == "Élan, déjà vu, très près, où ça "


@given(st.binary(max_size=300), st.text(max_size=20))
def test_no_bytes_are_an_error(data: bytes, charset: str) -> None:
    assert isinstance(decode(data, charset), str)
