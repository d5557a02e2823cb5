"""The catalogues: complete, true to the templates' blanks and links; and each language as pages and letters use it."""

import re
from datetime import date

import jinja2
import pytest
from babel.messages import Message
from hypothesis import given
from hypothesis import strategies as st

from newsletter import languages
from newsletter.languages import CODES, language
from tests.tools import messages
from tests.tools.messages import TRANSLATED

BLANK = re.compile(r"%\(\w+\)s|</?\w+[^>]*>")


def _strings(message: Message) -> list[str]:
    return list(message.string) if isinstance(message.string, tuple) else [str(message.string or "")]


def _ids(message: Message) -> list[str]:
    return [str(one) for one in message.id] if isinstance(message.id, tuple | list) else [str(message.id)]


@pytest.mark.parametrize("code", TRANSLATED)
def test_everything_readers_are_told_is_translated(code: str) -> None:
    kept = {_ids(message)[0]: message for message in messages.kept(code)}
    said = {_ids(message)[0] for message in messages.said() if message.id}
    assert said - kept.keys() == set(), "run `make messages`, then translate"
    assert kept.keys() - said == set(), "run `make messages`"
    assert [name for name, message in kept.items() if not all(_strings(message))] == []


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_translation_keeps_the_blanks_and_links_of_its_original(code: str) -> None:
    for message in messages.kept(code):
        wanted = set(BLANK.findall(_ids(message)[-1]))
        for text in _strings(message):
            # A language with words for one and two says them without the figure.
            spare = {"%(count)s"} if isinstance(message.string, tuple) else set()
            found = set(BLANK.findall(text))
            assert found <= wanted <= found | spare, text


@pytest.mark.parametrize("code", CODES)
def test_a_template_speaks_every_language(code: str) -> None:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    languages.install(environment)
    source = "{{ _('Signed Up') }} {% trans name=name %}Leave {{ name }}?{% endtrans %}"
    shown = environment.from_string(source).render(spoken=language(code), name="<b>")
    assert "&lt;b&gt;" in shown
    assert shown.startswith("Signed Up Leave") is (code == "en")


def test_arabic_counts_in_six_ways() -> None:
    environment = jinja2.Environment(autoescape=True)
    languages.install(environment)
    one, many = (f"The link works for {{{{ count }}}} hour{s}." for s in ("", "s"))
    source = "{% trans count=n %}" + one + "{% pluralize %}" + many + "{% endtrans %}"
    template = environment.from_string(source)
    said = {template.render(spoken=language("ar"), n=n) for n in (1, 2, 3, 72)}
    assert len(said) == 4
    assert [template.render(spoken=language("en"), n=n) for n in (1, 72)] == [
        "The link works for 1 hour.",
        "The link works for 72 hours.",
    ]


def test_dates_directions_and_names_are_the_languages_own() -> None:
    monday = date(2026, 11, 23)
    assert language("en").date(monday) == "Monday, November 23, 2026"
    assert language("de").date(monday) == "Montag, 23. November 2026"
    assert language("ja").date(monday) == "2026年11月23日月曜日"
    assert [one for one in CODES if language(one).direction == "rtl"] == ["ar"]
    assert [language(one).name for one in CODES] == ["English", "Français", "Deutsch", "Español", "日本語", "العربية"]
    assert language("en").listed(["Mondays", "Thursdays"]) == "Mondays and Thursdays"


@pytest.mark.parametrize(
    ("asked", "own", "accepted", "chosen"),
    [
        ("fr", "de", "ja", "fr"),
        ("xx", "de", "ja", "de"),
        ("", "de-AT", "ja", "de"),
        ("", "pt", "ja;q=0.5, ar", "ar"),
        ("", "", "pt, es-MX;q=0.8, fr;q=0.9", "fr"),
        ("", "", "fr, de", "fr"),
        ("", "", "fr;q=0", "en"),
        ("", "", "*", "en"),
        ("", "", "", "en"),
    ],
)
def test_a_language_is_asked_for_else_the_papers_else_the_browsers(
    asked: str, own: str, accepted: str, chosen: str
) -> None:
    assert languages.choose(asked, own, accepted).code == chosen


@given(st.text(max_size=200), st.text(max_size=20), st.text(max_size=200))
def test_whatever_is_asked_there_is_a_language(asked: str, own: str, accepted: str) -> None:
    assert languages.choose(asked, own, accepted).code in CODES
