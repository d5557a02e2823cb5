"""Counted links lead where the edition leads, are the same for everybody, and are there only when they are wanted."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html import unescape
from typing import Final

import pytest

from newsletter.rendering import counting, letter
from newsletter.rendering.letter import Recipient
from newsletter.rendering.proof import Proof, from_bytes, to_bytes
from tests.builders import SITE, make_proof

NOW: Final = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
LEGAL: Final = frozenset({f"{SITE}/privacy", f"{SITE}/terms"})
HREF: Final = re.compile(r'href="([^"]+)"')
# The links each reader has alone: the way out and the way to pause (RFC 8058, DESIGN).
OWN: Final = re.compile(rf"{SITE}/(?:u|preferences)/[a-z0-9]+")


def copies(proof: Proof, count: int, reading: str = "") -> list[EmailMessage]:
    stencil = letter.cut(proof, bounce_domain="bounce.worldbrief.test", date=NOW)
    found = []
    for n in range(count):
        reader = Recipient(
            address=f"reader{n}@inbox.test",
            token=f"{n:056}",
            return_token=f"{n:032}",
            reading=f"{n:056}" if reading else "",
        )
        message = message_from_bytes(letter.address(stencil, reader).letter().message, policy=default)
        assert isinstance(message, EmailMessage)
        found.append(message)
    return found


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def urls(message: EmailMessage) -> set[str]:
    headers = " ".join(str(value) for value in message.values())
    text = f"{headers} {part(message, 'plain')} {part(message, 'html')}"
    return set(re.findall(r"https?://[^\s<>\"')]+", text))


def test_l8_without_tracking_a_hundred_copies_differ_in_nothing_but_the_two_links_out() -> None:
    proof = make_proof()
    assert proof.links == ()
    letters = copies(proof, 100)
    common = {OWN.sub("", one) for one in urls(letters[0])}
    for message in letters:
        assert {OWN.sub("", one) for one in urls(message)} == common
    sources = re.findall(r'(?:src|background)="([^"]+)"', part(letters[0], "html"))
    assert sources
    assert all(one.startswith(f"{SITE}/media/") for one in sources)


def test_every_outward_link_is_numbered_and_its_target_is_kept() -> None:
    proof = make_proof()
    made = counting.counted(proof, LEGAL)
    stories = list(dict.fromkeys(unescape(one) for one in HREF.findall(proof.html) if "/2026/11/" in one))
    assert list(made.links) == stories
    assert len(stories) > 5
    door = f"{SITE}/go/world-brief/2026-11-23"
    assert {f"{door}/{n}" for n in range(1, len(stories) + 1)} <= set(HREF.findall(made.html))
    assert not [one for one in HREF.findall(made.html) if "/2026/11/" in one]
    assert {one for one in LEGAL | {f"{SITE}/"} if f'href="{one}"' in made.html} == LEGAL | {f"{SITE}/"}
    # A reader of plain text sees where a link leads.
    assert made.text == proof.text


def test_counted_links_are_the_same_for_everybody() -> None:
    letters = copies(counting.counted(make_proof(), LEGAL), 20)
    common = {OWN.sub("", one) for one in urls(letters[0])}
    assert all({OWN.sub("", one) for one in urls(message)} == common for message in letters)
    assert not any("/opened/" in part(message, "html") for message in letters)


def test_the_link_map_is_part_of_what_is_approved() -> None:
    made = counting.counted(make_proof(), LEGAL)
    assert from_bytes(to_bytes(made)) == made
    other = replace(made, links=("https://evil.example/", *made.links[1:]))
    assert other.digest != made.digest


def test_only_who_agreed_gets_links_and_a_picture_of_their_own() -> None:
    proof = counting.counted(make_proof(), LEGAL, personal=True)
    [quiet] = copies(proof, 1)
    [agreed] = copies(proof, 1, reading="yes")
    assert "/opened/" not in part(quiet, "html")
    assert f"{SITE}/opened/world-brief/2026-11-23/{0:056}.gif" in part(agreed, "html")
    own = {one for one in urls(agreed) if "/go/" in one}
    assert len(own) == len(proof.links)
    assert all(one.endswith(f"/{0:056}") for one in own)
    assert {one.rpartition("/")[0] for one in own} == {one for one in urls(quiet) if "/go/" in one}


@pytest.mark.parametrize(
    "hostile", ["https://x.example/?a=1&amp;b=%22", "https://x.example/\u2028", "HTTPS://X.example/"]
)
def test_a_hostile_address_stays_one_link(hostile: str) -> None:
    html = f'<body><p><a class="x" href="{hostile}">x</a></p></body>'
    made = counting.counted(replace(make_proof(), html=html), LEGAL)
    assert len(made.links) in {0, 1}
    assert made.html.count("href=") == 1
