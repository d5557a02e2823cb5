"""Weak wordings are warned of by name; only a control that was ticked beforehand blocks."""

import pytest

from subscribers.ledger import lint
from subscribers.ledger.lint import Shown

DEFAULT = (
    "Sign up to receive World Brief in your inbox every weekday. By submitting your email, you agree to the Privacy "
    "Policy and Terms of Use and to receive email correspondence from us. You may opt out at any time."
)
STRICT = "Send me World Brief, a weekday news email from Example Press. I can unsubscribe in every issue."


def rules(wording: str, form: str = "", language: str = "en", links: tuple[str, ...] = ()) -> list[str]:
    shown = Shown(wording=wording, language=language, controller="Example Press", form=form, links=links)
    return [one.rule for one in lint.inspect(shown)]


def test_the_default_wording_is_kept_although_it_is_weak() -> None:
    assert rules(DEFAULT) == ["bundled-purposes", "agrees-to-privacy-policy", "no-controller"]


def test_a_strict_wording_passes() -> None:
    assert rules(STRICT) == []


@pytest.mark.parametrize(
    ("wording", "rule"),
    [
        ("Example Press sends you news every day.", "no-withdrawal"),
        ("Example Press sends you news. Unsubscribe when you like.", "no-frequency"),
        ("We send you news every day. Unsubscribe when you like.", "no-controller"),
        ("I accept the Privacy Notice of Example Press. Daily. Opt out at any time.", "agrees-to-privacy-policy"),
    ],
)
def test_each_weakness_alone_is_named(wording: str, rule: str) -> None:
    assert rules(wording) == [rule]


@pytest.mark.parametrize(
    ("language", "wording"),
    [
        ("de", "Example Press schickt mir täglich Nachrichten. Ich kann sie jederzeit abbestellen."),
        ("fr-FR", "Example Press m’écrit chaque matin. Je peux me désabonner."),
        ("es", "Example Press me escribe cada día. Puedo darme de baja."),
        ("ja", "Example Press が配信します。"),
    ],
)
def test_other_languages_are_read_in_their_words_or_left_alone(language: str, wording: str) -> None:
    assert rules(wording, language=language) == []


def test_a_link_that_is_missing_from_the_form_is_named() -> None:
    form = '<form></form><a href="/terms">Terms</a>'
    found = lint.form(form, ("/privacy", "/terms"))
    assert [one.advice for one in found] == ["the form does not link to /privacy"]


@pytest.mark.parametrize(
    "control",
    ["<input type=checkbox name=track checked>", '<INPUT TYPE="Radio" NAME="track" CHECKED="checked"/>'],
)
def test_a_control_ticked_beforehand_blocks(control: str) -> None:
    [found] = lint.form(f"<form>{control}</form>")
    assert (found.rule, found.blocking) == ("pre-ticked", True)
    assert "track" in found.advice


def test_an_unticked_control_does_not() -> None:
    assert lint.form('<form><input type="checkbox" name="checked"></form>') == []
