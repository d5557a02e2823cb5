"""The words of the form: verbatim, in six languages, and accepted only while a form shows them."""

from dataclasses import replace

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

import subscribers
from newsletter.config import Newsletter
from newsletter.editions import store
from newsletter.languages import CODES, language
from newsletter.rendering import proof
from newsletter.web import consents
from newsletter.web.app import application
from newsletter.web.pages import Pages
from tests.builders import SITE, make_newsletter
from tests.web.house import ON_SQLITE, House, hidden

PUBLISHER = "World Brief Ltd"
STYLES = ("standard", "strict")


def _client(house: House, paper: Newsletter) -> TestClient:
    config = replace(house.pages.config, newsletters={paper.key: paper})
    pages = Pages(config=config, database=house.database, vault=house.pages.vault, clock=house.clock)
    return TestClient(application(pages), base_url=SITE)


def test_the_standard_text_is_the_houses_sentence() -> None:
    assert consents.shown(make_newsletter(), PUBLISHER, "en").text == (
        "Sign up to receive World Brief in your inbox every weekday. By submitting your email, you agree to the "
        "Privacy Policy and Terms of Use and to receive email correspondence from us. You may opt out at any time."
    )


def test_the_strict_text_names_the_sender_and_agrees_to_nothing_else() -> None:
    strict = consents.shown(make_newsletter(wording_style="strict"), PUBLISHER, "en")
    assert strict.button == "Send me World Brief"
    assert strict.text == (
        "Send me World Brief, a weekday news email from World Brief Ltd. "
        "I can unsubscribe with one click in every issue."
    )


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("days", [("mon", "tue", "wed", "thu", "fri"), ("fri",), ("mon", "fri"), None])
def test_a_text_says_how_often_and_leaves_no_blank(style: str, code: str, days: tuple[str, ...] | None) -> None:
    every = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    one = consents.shown(make_newsletter(wording_style=style, days=days or every), PUBLISHER, code)
    other = consents.shown(make_newsletter(wording_style=style, days=("tue", "wed", "thu")), PUBLISHER, code)
    assert not {"{", "}"} & set(one.text + one.button)
    assert "World Brief" in one.text
    assert (one.text == other.text) is (days == ("mon", "fri"))


@pytest.mark.parametrize("code", CODES)
def test_the_lint_reads_both_texts_alike_in_every_language(code: str) -> None:
    found = {}
    for style in STYLES:
        one = consents.shown(make_newsletter(wording_style=style), PUBLISHER, code)
        shown = subscribers.lint.Shown(wording=one.text, language=code, controller=PUBLISHER)
        found[style] = [weak.rule for weak in subscribers.lint.inspect(shown)]
    assert found == {"standard": ["bundled-purposes", "agrees-to-privacy-policy", "no-controller"], "strict": []}


def test_an_own_wording_wins_and_stands_in_the_newsletters_language() -> None:
    paper = make_newsletter(wording="Ja, {name} von {publisher}.", language="de", wording_style="strict")
    one = consents.shown(paper, PUBLISHER, "ja")
    assert (one.text, one.language, one.button) == ("Ja, World Brief von World Brief Ltd.", "de", "")
    assert list(consents.deployed(paper, PUBLISHER)) == [one.digest]


@ON_SQLITE
@pytest.mark.parametrize("code", CODES)
def test_what_was_read_is_what_is_kept_and_the_letter_speaks_it_too(house: House, code: str) -> None:
    page = house.client.get(f"/?lang={code}").text
    one = consents.shown(house.paper, house.pages.config.site.publisher, code)
    assert one.text in page
    assert f'value="{one.digest}"' in page
    house.client.post(f"/signup?lang={code}", data=house.form(wording=one.digest, shown=hidden(page, "shown")))
    with house.database.snapshot() as session:
        asked = subscribers.requester(session, house.pages.keys, house.requests()[-1], house.clock.now)
        assert isinstance(asked, subscribers.Requester)
        found = subscribers.look_up(session, house.pages.keys, asked.token, house.clock.now)
    assert (asked.language, found.wording) == (code, one.text)
    query = sa.text("SELECT proof_digest FROM mailing WHERE kind = 'confirm'")
    with house.database.snapshot() as session:
        digest = session.connection().execute(query).scalar()
        letter = proof.from_bytes(store.frozen(session, str(digest)) or b"")
    spoken = language(code)
    assert letter.subject == spoken.say("Confirm your subscription to %(name)s") % {"name": "World Brief"}
    assert (letter.language, letter.direction) == (code, spoken.direction)
    assert f'lang="{code}"' in letter.html
    assert spoken.say("Confirm subscription") in letter.html
    assert spoken.say("Confirm subscription") in letter.text
    asked_again = house.client.get(f"/confirm/{asked.token}").text
    assert f'<html lang="{code}" dir="{spoken.direction}">' in asked_again
    assert f'action="/confirm/{asked.token}?lang={code}"' in asked_again


@ON_SQLITE
def test_words_that_no_form_shows_any_more_are_refused_and_the_new_ones_shown(house: House) -> None:
    old = house.form()
    client = _client(house, make_newsletter(wording_style="strict"))
    kept = house.rows()
    answer = client.post("/signup", data=old)
    assert answer.status_code == 409
    assert "Send me World Brief, a weekday news email" in answer.text
    assert "<button>Send me World Brief</button>" in answer.text
    house.settle()
    counted = {"signup_count"}
    assert {name: rows for name, rows in house.rows().items() if name not in counted} == {
        name: rows for name, rows in kept.items() if name not in counted
    }
