"""Checkpoints are spelled as C2SP says, signed so that anybody can check, and read only as they were written."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from subscribers.errors import InvalidCheckpoint
from subscribers.ledger.signed_notes import Claim, Signer, Verifier, new_key, read, split

SIGNER = Signer("worldbrief.test/consent-ledger", new_key(bytes(range(32))))
CLAIM = Claim(origin=SIGNER.origin, size=7, root=hashlib.sha256(b"root").digest())
NOTE = SIGNER.sign(CLAIM)


def test_a_note_is_origin_size_and_root_with_one_signature_line() -> None:
    text, blank, marks = NOTE.partition("\n\n")
    assert blank
    assert text.split("\n") == [CLAIM.origin, "7", base64.b64encode(CLAIM.root).decode()]
    assert marks.startswith(f"\u2014 {SIGNER.origin} ")
    made = base64.b64decode(marks.split(" ")[2])
    public = SIGNER.verifier.public
    named = hashlib.sha256(SIGNER.origin.encode() + b"\n\x01" + public).digest()
    assert made[:4] == named[:4]
    Ed25519PublicKey.from_public_bytes(public).verify(made[4:], f"{text}\n".encode())


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "c74f20a3"),
        ("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8", "033de0ae"),
    ],
)
def test_published_verifier_keys_are_read_and_written_the_same(line: str, named: str) -> None:
    """Those of Go's note package and of its checksum database."""
    verifier = Verifier.parse(line)
    assert verifier.key_hash.hex() == named
    assert verifier.line == line


def test_the_same_text_is_signed_with_the_same_bytes() -> None:
    assert SIGNER.sign(CLAIM) == NOTE


def test_the_key_is_read_from_either_of_its_forms_or_both() -> None:
    verifier = SIGNER.verifier
    for form in (verifier.line, f"{verifier.line}\n\n{verifier.pem}"):
        assert Verifier.parse(form) == verifier
    bare = Verifier.parse(verifier.pem)
    assert bare.public == verifier.public
    assert bare.open(NOTE) == CLAIM


@pytest.mark.parametrize("text", ["", "none", "a+b+c", "-----BEGIN PUBLIC KEY-----\nAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidCheckpoint):
        Verifier.parse(text)


@given(st.integers(0, len(NOTE) - 2), st.characters(codec="utf-8"))
def test_no_other_text_is_this_note(place: int, instead: str) -> None:
    changed = NOTE[:place] + instead + NOTE[place + 1 :]
    if changed == NOTE:
        return
    with pytest.raises(InvalidCheckpoint):
        SIGNER.verifier.open(changed)


def test_another_key_of_the_same_name_is_told_apart() -> None:
    other = Signer(SIGNER.origin, new_key(bytes(32)))
    with pytest.raises(InvalidCheckpoint, match="not signed with this key"):
        other.verifier.open(NOTE)


def test_a_journal_is_its_notes() -> None:
    other = SIGNER.sign(Claim(origin=SIGNER.origin, size=8, root=CLAIM.root))
    assert split(f"{NOTE}\n{other}\n") == [NOTE, other]
    assert split("no notes\n\nin here\n") == []


@pytest.mark.parametrize(
    "text", ["a\n07\nAA==\n", "a\n7\nAA==\n", "a\n7\n", "\n7\n" + "A" * 43 + "=\n", "a\n²\nAA==\n"]
)
def test_there_is_one_spelling(text: str) -> None:
    assert read(text) is None


def test_a_blinded_line_tells_nothing_and_fixes_everything() -> None:
    line = CLAIM.blinded(bytes(32))
    told = hashlib.sha256(b"wb/checkpoint/v1" + (7).to_bytes(8, "big") + CLAIM.root + bytes(32)).digest()
    assert line == f"{SIGNER.origin} {base64.b64encode(told).decode()}"
    assert CLAIM.blinded(bytes(31) + b"\1") != line


def test_a_key_that_is_none_is_said_to_be_none() -> None:
    with pytest.raises(InvalidCheckpoint, match="no PEM"):
        Signer("a", b"none").sign(CLAIM)
