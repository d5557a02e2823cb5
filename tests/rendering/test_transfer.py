"""Parts: whatever their blanks hold they decode to the text, in short lines that nobody has to stuff or to tidy."""

import base64
import re
from email import message_from_bytes
from quopri import decodestring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.errors import MessageError
from newsletter.rendering import transfer

BODIES = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\n. =\t\r<&é"), max_size=400)
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=120)
MARKERS = {"wbabcdtokenxdcba": "token", "wbabcdaddressxdcba": "address"}


SCRIPTS = st.sampled_from(["世界简报" * 30, "نشرة الأخبار " * 20, "  \t two  spaces  ", "é" * 200, "=" * 80, "x" * 74])


def filled(text: str, values: dict[str, str]) -> tuple[transfer.Part, bytes]:
    """The part and its body, after it was read back and every line looked at."""
    part = transfer.part("plain", text, MARKERS)
    body = part.fill(values)
    wanted = text.replace("\r\n", "\n").replace("\r", "\n")
    for marker, name in MARKERS.items():
        wanted = wanted.replace(marker, values[name])
    message = b"Content-Transfer-Encoding: " + part.encoding.encode() + b"\r\n\r\n" + body
    decoded = message_from_bytes(message).get_payload(decode=True)
    assert isinstance(decoded, bytes)
    assert decoded.replace(b"\r\n", b"\n").decode() == wanted
    assert body.startswith(part.opening)
    for line in body.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith((b".", b"From "))
        assert not line.endswith(b" ")
        assert b"  " not in line
        assert re.fullmatch(rb"[\x20-\x7e]*", line)
    return part, body


@settings(max_examples=300)
@given(st.lists(BODIES | SCRIPTS | st.sampled_from([".", "From ", *MARKERS]), max_size=8), VALUES)
def test_a_filled_part_decodes_to_the_text_with_its_blanks_filled(pieces: list[str], value: str) -> None:
    filled("".join(pieces), {"token": "T" * 26, "address": value})


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("between", range(4))
@pytest.mark.parametrize("value", range(4))
def test_base64_is_spliced_wherever_a_blank_falls(before: int, between: int, value: int) -> None:
    token, address = MARKERS
    for text in (
        "世" * 60 + "a" * before + token + "b" * between + address,
        token + "世" * 60 + address + "b" * between,
    ):
        part, body = filled(text, {"token": "v" * value, "address": "w" * before})
        assert part.encoding == "base64"
        assert body.count(b"=") <= 2


def test_base64_ends_with_the_text_although_blanks_shorten_its_lines() -> None:
    token, _ = MARKERS
    part, body = filled("世" * 100 + token + "界" * 100, {"token": "T" * 26, "address": ""})
    assert part.encoding == "base64"
    assert len(body) < 1.02 * len(base64.encodebytes(("世" * 200 + "T" * 26).encode())) + 12


def test_the_smaller_encoding_is_chosen_for_a_part() -> None:
    assert transfer.part("plain", "A café in Lyon", {}).encoding == "quoted-printable"
    assert transfer.part("plain", "世界简报" * 20, {}).encoding == "base64"


def test_a_value_is_escaped_in_html_and_raw_in_text() -> None:
    marker = next(iter(MARKERS))
    assert b"a&amp;b" in transfer.part("html", f"<p>{marker}</p>", MARKERS).fill({"token": "a&b"})
    assert b"a&b" in decodestring(transfer.part("plain", marker, MARKERS).fill({"token": "a&b"}))


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(MessageError, match="surrogate"):
        transfer.part("html", "<p>\ud83d</p>", {})
