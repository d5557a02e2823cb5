"""Every letter on the wire, whoever wrote the headline: a short run of what `tests.bench wire` does at length."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from newsletter.rendering.letter import Asked, Recipient
from newsletter.rendering.proof import Proof
from tests.builders import make_letter, make_proof
from tests.delivery import conformance, oracle
from tests.delivery.conformance import CHECKS, SES, Specimen, specimens

READER = Recipient(
    address="o'neil+a=b&c@inbox.test",
    token="t0" * 13,
    return_token="r1" * 16,
    asked=Asked(code="ABCD2345", at=conformance.AT, network="192.0.2.0/24"),
)
ONE = Specimen(proof=make_proof(), recipient=READER, profile={}, unsigned=(), ed25519=False)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(specimens())
def test_whatever_is_written_the_letter_conforms_and_its_signature_holds(one: Specimen) -> None:
    assert [name for name, found in conformance.results(one).items() if not found] == []


@pytest.mark.parametrize("proof", [make_proof(), make_letter()], ids=["edition", "letter"])
@pytest.mark.parametrize("profile", conformance.PROFILES)
@pytest.mark.parametrize("unsigned", [(), SES], ids=["all", "ses"])
def test_what_the_shipped_templates_make_conforms(
    proof: Proof, profile: dict[str, str], unsigned: tuple[str, ...]
) -> None:
    one = replace(ONE, proof=proof, profile=profile, unsigned=unsigned, ed25519=True)
    assert [name for name, found in conformance.results(one).items() if not found] == []


def _with(one: Specimen, message: bytes) -> Specimen:
    """The specimen as if these octets had left instead."""
    other = replace(one)
    other.__dict__["message"] = message
    return other


def _changed(old: bytes, new: bytes) -> Callable[[Specimen], Specimen]:
    def change(one: Specimen) -> Specimen:
        signature, head, body = oracle.parted(one.message)
        assert old in head or old in body
        return _with(one, signature + head.replace(old, new, 1) + body.replace(old, new, 1))

    return change


def _signed_as(**changes: object) -> Callable[[Specimen], Specimen]:
    return lambda one: _with(one, replace(one, **changes).message)  # type: ignore[arg-type]


BREAKS = {
    "lines within 998 octets, in bodies within 76": _changed(b"=\r\n", b""),
    "seven-bit, and CRLF alone ends a line": _changed(b"\r\nTo:", b"\nTo:"),
    "no line begins with a dot or “From ”": _changed(b"=\r\n", b"=\r\n."),
    "each header once": _changed(b"Precedence: bulk", b"Precedence: bulk\r\nprecedence: bulk"),
    "no encoded-word in List-*, Message-ID, Feedback-ID": _changed(b"List-ID: World", b"List-ID: =?utf-8?q?World?="),
    "two parsers agree": _changed(b"Subject: ", b"Subject: =?utf-8?q?One?=, "),
    "headers say what was meant": _changed(b"To: o", b"To: p"),
    "decoded bodies are the rendered source": _changed(b"Suva", b"Apia"),
    "written again, the same to the octet": _changed(b"Precedence", b"precedence"),
    "the body is its own canonical form": _changed(b" ", b"  "),
    "every signature holds (dkimpy)": _changed(b"From: World", b"From: Wxrld"),
    "List-Unsubscribe, -Post and the checkpoint are covered": lambda one: _with(
        one, re.sub(rb"list-unsubscribe-post[:;]", b"list-help:", one.message)
    ),
    "a second From, Subject, To or List-Unsubscribe voids": _signed_as(unsigned=("subject", "to")),
    "Message-ID and Date of a relay’s own: holds as configured": _signed_as(unsigned=SES),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_check_says_no_to_a_letter_that_breaks_it(name: str) -> None:
    assert CHECKS[name](ONE) is True
    assert conformance.answer(CHECKS[name], BREAKS[name](ONE)) is False


def test_every_check_is_known_to_say_no_but_the_one_that_no_letter_fails() -> None:
    # No octet of a body is left uncovered without l=, which we never write.
    assert set(CHECKS) - set(BREAKS) == {"one changed octet of the body voids"}
