"""Signatures: a receiver verifies them, the same letter gets the same ones, and what does not verify never leaves."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from newsletter.config import Config
from newsletter.delivery import dkim, keyfiles
from newsletter.delivery.keyfiles import Key
from newsletter.errors import MessageError, SecretError
from newsletter.relays import RelaySettings
from newsletter.rendering import letter
from newsletter.rendering.letter import Asked, Letter, Recipient
from newsletter.rendering.proof import Proof
from newsletter.signing import Dkim
from tests.builders import make_letter, make_proof
from tests.delivery import oracle

AT = datetime(2026, 11, 23, 5, 30, tzinfo=UTC)
ANA = Recipient(
    address="ana.reader@example.org",
    token="t0" * 13,
    return_token="r1" * 16,
    asked=Asked(code="ABCD2345", at=AT, network="192.0.2.0/24"),
)
BRIEF, CONFIRMATION = make_proof(), make_letter()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two selectors, each with its twin."""
    place = tmp_path_factory.mktemp("home")
    for selector in ("wb1", "wb2"):
        for name in keyfiles.pair(selector, twin=True):
            keyfiles.create(place, name)
    return place


def make_config(home: Path, relay: RelaySettings | None = None, **changes: object) -> Config:
    settings = Dkim(**({"selector": "wb1"} | changes))  # type: ignore[arg-type]
    return Config(home=home, relay=relay or RelaySettings(), dkim=settings)


def signed(config: Config, proof: Proof = BRIEF, at: datetime = AT) -> Letter:
    stencil = letter.cut(proof, bounce_domain="", date=at)
    return dkim.signer(config).seal(stencil).sign(letter.address(stencil, ANA))


def tags(one: Letter) -> list[dict[str, str]]:
    """The tags of each signature, from the top."""
    signature, _, _ = oracle.parted(one.message)
    fields = re.split(r"DKIM-Signature: ", signature.decode().replace("\r\n ", " "))[1:]
    return [dict(re.findall(r"(\w+)=([^;]*)", field)) for field in fields]


def covered(one: Letter) -> list[str]:
    return re.sub(r"\s", "", tags(one)[0]["h"]).split(":")


def verdicts(home: Path, one: Letter, domain: str = "worldbrief.test", at: datetime = AT) -> list[bool]:
    keys = [keyfiles.read(home, name) for name in keyfiles.selectors(home)]
    return oracle.verdicts(one.message, oracle.published(keys, domain), at)


@pytest.mark.parametrize("proof", [BRIEF, CONFIRMATION], ids=["edition", "confirmation"])
def test_a_receiver_verifies_one_signature_or_both(home: Path, proof: Proof) -> None:
    assert verdicts(home, signed(make_config(home), proof)) == [True]
    both = signed(make_config(home, ed25519=True), proof)
    assert verdicts(home, both) == [True, True]
    assert [one["a"] for one in tags(both)] == ["rsa-sha256", "ed25519-sha256"]
    assert [one["s"] for one in tags(both)] == ["wb1", "wb1-ed25519"]


def test_readers_who_agreed_to_be_counted_get_letters_of_their_own_signed_as_well(home: Path) -> None:
    stencil = letter.cut(replace(BRIEF, personal=True), bounce_domain="", date=AT)
    seal = dkim.signer(make_config(home, ed25519=True)).seal(stencil)
    plain, counted = (seal.sign(letter.address(stencil, replace(ANA, reading=reading))) for reading in ("", "d0" * 13))
    assert b"d0d0d0" in counted.message
    assert b"d0d0d0" not in plain.message
    assert verdicts(home, plain) == verdicts(home, counted) == [True, True]


def test_the_tags_follow_from_the_mailing_and_limit_a_replay(home: Path) -> None:
    [found] = tags(signed(make_config(home, expire_days=7)))
    moment = int(AT.timestamp())
    assert (found["v"], found["c"], found["d"]) == ("1", "relaxed/relaxed", "worldbrief.test")
    assert (found["t"], found["x"]) == (str(moment), str(moment + 7 * 86_400))
    assert not {"l", "i"} & set(found)
    old = signed(make_config(home, expire_days=7))
    assert verdicts(home, old, at=AT + timedelta(days=6)) == [True]
    assert verdicts(home, old, at=AT + timedelta(days=8)) == [False]


def test_an_edition_covers_what_rfc_8058_asks_for_and_nobody_can_add_another(home: Path) -> None:
    names = covered(signed(make_config(home), replace(BRIEF, reply_to="desk@worldbrief.test")))
    assert {name: names.count(name) for name in sorted(set(names))} == {
        "cc": 1,
        "content-language": 1,
        "content-type": 2,
        "date": 2,
        "feedback-id": 1,
        "from": 2,
        "list-archive": 1,
        "list-id": 1,
        "list-post": 1,
        "list-unsubscribe": 2,
        "list-unsubscribe-post": 2,
        "message-id": 1,
        "mime-version": 2,
        "reply-to": 2,
        "sender": 1,
        "subject": 2,
        "to": 2,
    }


def test_a_confirmation_covers_where_it_was_asked_for_and_takes_no_header_from_others(home: Path) -> None:
    one = signed(make_config(home), CONFIRMATION)
    assert {"form-sub", "list-unsubscribe", "list-unsubscribe-post"} <= set(covered(one))
    added = b"List-Unsubscribe: <https://x.org/u>\r\n"
    assert verdicts(home, replace(one, message=added + one.message)) == [False]
    elsewhere = one.message.replace(b"ip4=192.0.2.x", b"ip4=198.51.100.x")
    assert elsewhere != one.message
    assert verdicts(home, replace(one, message=elsewhere)) == [False]


def test_a_checkpoint_is_covered_where_there_is_one_and_a_relays_own_header_is_not(home: Path) -> None:
    config, said = make_config(home), {"X-PM-Message-Stream": "brief"}
    stencil = letter.cut(BRIEF, bounce_domain="", date=AT, checkpoint=f"worldbrief.test {'0' * 64}", headers=said)
    one = dkim.signer(config).seal(stencil).sign(letter.address(stencil, ANA))
    assert "x-consent-checkpoint" in covered(one)
    assert "x-consent-checkpoint" not in covered(signed(make_config(home)))
    assert "x-pm-message-stream" not in covered(one)
    assert verdicts(home, one) == [True]
    forged = one.message.replace(b"0" * 64, b"1" * 64)
    assert forged != one.message
    assert verdicts(home, replace(one, message=forged)) == [False]


def test_what_a_relay_rewrites_is_left_out(home: Path) -> None:
    relay = RelaySettings(unsigned=("Message-ID", "Date"))
    one = signed(make_config(home, relay))
    assert not {"message-id", "date"} & set(covered(one))
    rewritten = re.sub(rb"\r\nDate: [^\r]*", b"\r\nDate: Mon, 23 Nov 2026 06:00:00 +0000", one.message)
    assert rewritten != one.message
    assert verdicts(home, replace(one, message=rewritten)) == [True]


def test_the_same_letter_has_the_same_octets_whoever_signs_it_again(home: Path) -> None:
    config = make_config(home, ed25519=True)
    assert signed(config).message == signed(config).message


def test_without_a_selector_or_where_the_relay_signs_a_letter_leaves_as_it_is(home: Path) -> None:
    for config in (make_config(home, selector=""), make_config(home, RelaySettings(dkim="relay"))):
        assert dkim.signer(config).keys == {}
        assert b"DKIM-Signature" not in signed(config).message
    assert verdicts(home, signed(make_config(home, RelaySettings(dkim="both")))) == [True]


def test_the_next_key_signs_what_is_frozen_from_the_switch_on(home: Path) -> None:
    config = make_config(home, next_selector="wb2", switch_at=AT, ed25519=True)
    before, after = signed(config, at=AT - timedelta(seconds=1)), signed(config, at=AT)
    assert [one["s"] for one in tags(before)] == ["wb1", "wb1-ed25519"]
    assert [one["s"] for one in tags(after)] == ["wb2", "wb2-ed25519"]
    assert verdicts(home, before) == verdicts(home, after) == [True, True]


def test_a_next_key_is_needed_only_once_the_switch_is_set(tmp_path: Path) -> None:
    keyfiles.create(tmp_path, "wb1")
    assert set(dkim.signer(make_config(tmp_path, next_selector="wb2")).keys) == {"wb1"}
    with pytest.raises(SecretError, match=r"wb2\.pem: missing"):
        dkim.signer(make_config(tmp_path, next_selector="wb2", switch_at=AT))


def test_nothing_leaves_unsigned_because_a_key_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match=r"wb1\.pem: missing"):
        dkim.signer(make_config(tmp_path))
    keyfiles.create(tmp_path, "wb1")
    with pytest.raises(SecretError, match=r"wb1-ed25519\.pem: missing"):
        dkim.signer(make_config(tmp_path, ed25519=True))


def test_a_parent_domain_may_sign(home: Path) -> None:
    one = signed(make_config(home, domain="test"))
    assert tags(one)[0]["d"] == "test"
    assert verdicts(home, one, "test") == [True]


def test_a_signature_field_fits_its_lines_and_is_the_first_of_the_letter(home: Path) -> None:
    one = signed(make_config(home, ed25519=True))
    assert one.message.startswith(b"DKIM-Signature: v=1;")
    signature, _, _ = oracle.parted(one.message)
    assert signature.count(b"DKIM-Signature: ") == 2
    assert all(len(line) <= 76 for line in signature.split(b"\r\n"))
    long = signed(make_config(home, domain=f"{'a' * 60}.{'b' * 60}.test"))
    assert all(len(line) <= 998 for line in oracle.parted(long.message)[0].split(b"\r\n"))


def test_a_letter_of_another_stencil_is_not_signed(home: Path) -> None:
    seal = dkim.signer(make_config(home)).seal(letter.cut(BRIEF, bounce_domain="", date=AT))
    other = letter.cut(CONFIRMATION, bounce_domain="", date=AT)
    with pytest.raises(MessageError, match="another stencil"):
        seal.sign(letter.address(other, ANA))


def test_what_does_not_verify_is_refused_before_the_first_letter(home: Path) -> None:
    one = signed(make_config(home, ed25519=True))
    keys = [keyfiles.read(home, name) for name in keyfiles.pair("wb1", twin=True)]
    dkim.verify(one.message, keys)
    others: list[Key] = [keyfiles.read(home, name) for name in keyfiles.pair("wb2", twin=True)]
    second = re.sub(rb"(?<=\r\n)From: ", b"From: Ed <e@x.org>\r\nFrom: ", one.message, count=1)
    for changed, with_keys, says in (
        (one.message, keys[:1], "2 times, not 1"),
        (one.message, others, "for the headers with selector wb2"),
        (one.message, [keys[0], others[1]], "for the headers with selector wb2-ed25519"),
        (one.message.replace(b"Suva", b"Apia"), keys, "for the body"),
        (one.message.replace(b"Subject: ", b"Subject: Re: "), keys, "for the headers"),
        (second, keys, "for the headers"),
    ):
        with pytest.raises(MessageError, match=says):
            dkim.verify(changed, with_keys)
