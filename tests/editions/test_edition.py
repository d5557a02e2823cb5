"""The values: what is stored comes back, and the digest sees what is printed."""

from dataclasses import replace

import pytest

from newsletter.editions.compose import compose
from newsletter.editions.edition import from_json, to_json
from newsletter.stories.story import Image
from tests.editions.examples import MONDAY, bank, plan, story

EDITION = compose(
    plan(byline="Ana"), [*bank(), story("img", section="lead", image=Image(url="/x.jpg", alt="x"))], MONDAY
)


def test_an_edition_comes_back_as_it_was_stored() -> None:
    assert from_json(to_json(EDITION)) == EDITION
    assert from_json(to_json(EDITION)).digest() == EDITION.digest()


@pytest.mark.parametrize("document", [b"", b"{}", b"[]", b"\xff", b'{"newsletter": 1}'])
def test_what_is_no_edition_is_a_value_error(document: bytes) -> None:
    with pytest.raises(ValueError, match="validation error"):
        from_json(document)


def test_the_digest_sees_every_printed_word_and_nothing_else() -> None:
    unprinted = replace(EDITION, choices=(), subjects=(), preheaders=(), gaps=("x",), frames=(), welcome="", number=9)
    assert unprinted.digest() == EDITION.digest()
    section = EDITION.sections[1]
    changed = replace(section, stories=(replace(section.stories[0], body="word " * 39 + "other"),))
    printed = [
        replace(EDITION, subject="x"),
        replace(EDITION, preheader="x"),
        replace(EDITION, intro="x"),
        replace(EDITION, byline="x"),
        replace(EDITION, notices=("x",)),
        replace(EDITION, sections=EDITION.sections[1:]),
        replace(EDITION, sections=(EDITION.sections[0], changed, *EDITION.sections[2:])),
    ]
    assert EDITION.digest() not in [one.digest() for one in printed]
