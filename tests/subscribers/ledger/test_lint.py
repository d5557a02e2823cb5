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


GOOD = {
    "en": "Send me a daily email from Example Press. I can unsubscribe at any time. Our Privacy Policy tells more.",
    "fr-FR": "Example Press m’écrit chaque matin. Je peux me désabonner. Voir la politique de confidentialité.",
    "de": "Example Press schickt mir täglich E-Mails. Ich kann sie jederzeit abbestellen. Näheres in der "
    "Datenschutzerklärung.",
    "es": "Example Press me envía correos cada día. Puedo darme de baja. La política de privacidad le informa.",
    "ja": "Example Pressのニュースメールを毎日受け取ります。いつでも配信を停止できます。"
    "詳しくはプライバシーポリシーをご覧ください。",
    "ar": "أرسلوا إليّ رسائل Example Press كل يوم. ويمكنني إلغاء الاشتراك في أي وقت. وتجدون التفاصيل في سياسة الخصوصية.",
}
# By agreeing to the terms one agrees to mail; a policy that informs is agreed to; a gain is offered for agreeing.
BAD = {
    "bundled-purposes": {
        "en": "I accept the Terms of Use and agree to get emails.",
        "fr": "J’accepte les conditions d’utilisation et de recevoir des e-mails.",
        "de": "Ich akzeptiere die AGB und den Erhalt von Newslettern.",
        "es": "Acepto las condiciones de uso y recibir correos electrónicos.",
        "ja": "利用規約およびメールの受信に同意します。",
        "ar": "أوافق على شروط الاستخدام وعلى تلقي رسائل إخبارية.",
    },
    "agrees-to-privacy-policy": {
        "en": "I consent to the privacy notice.",
        "fr": "J’approuve la politique de confidentialité.",
        "de": "Ich bin mit der Datenschutzerklärung einverstanden.",
        "es": "Estoy de acuerdo con el aviso de privacidad.",
        "ja": "個人情報保護方針に同意します。",
        "ar": "أوافق على سياسة الخصوصية.",
    },
    "tied-to-a-gain": {
        "en": "Sign up and win one of ten prizes.",
        "fr": "Inscrivez-vous et gagnez un cadeau.",
        "de": "Melden Sie sich an und erhalten Sie einen Gutschein.",
        "es": "Suscríbase y participe en el sorteo.",
        "ja": "ご登録の方に割引クーポンをプレゼント。",
        "ar": "اشترك واحصل على قسيمة خصم.",
    },
}
# Somebody agrees to terms, and hands over an address of email: no mail is agreed to in that sentence.
APART = {
    "en": "By sending your email address, you accept the Terms of Use.",
    "fr": "En communiquant votre adresse e-mail, vous acceptez les conditions d’utilisation.",
    "de": "Mit der Angabe Ihrer E-Mail-Adresse stimmen Sie den Nutzungsbedingungen zu.",
    "es": "Al enviar su dirección de correo electrónico, acepta las condiciones de uso.",
    "ja": "メールアドレスを送信することにより、利用規約に同意したものとみなされます。",
    "ar": "بإرسال عنوان بريدك الإلكتروني فإنك توافق على شروط الاستخدام.",
}


@pytest.mark.parametrize("language", GOOD)
def test_a_good_wording_passes_in_each_language(language: str) -> None:
    assert rules(GOOD[language], language=language) == []
    assert rules(f"{GOOD[language]} {APART[language[:2]]}", language=language) == []


@pytest.mark.parametrize(
    ("rule", "language", "sentence"),
    [(rule, language, sentence) for rule, said in BAD.items() for language, sentence in said.items()],
)
def test_what_consent_is_tied_to_is_found_in_each_language(rule: str, language: str, sentence: str) -> None:
    good = next(said for code, said in GOOD.items() if code.startswith(language))
    assert rules(f"{sentence} {good}", language=language) == [rule]


@pytest.mark.parametrize("rule", ["no-frequency", "no-withdrawal"])
@pytest.mark.parametrize("language", GOOD)
def test_what_is_left_out_is_missed_in_each_language(language: str, rule: str) -> None:
    split = "。" if language == "ja" else ". "
    first, leaving, _ = GOOD[language].split(split, 2)
    left = {"no-frequency": f"Example Press{split}{leaving}{split}", "no-withdrawal": f"{first}{split}"}
    assert rules(left[rule], language=language) == [rule]


def test_a_language_nobody_here_reads_is_left_alone() -> None:
    assert rules("Example Press käyttöehdot.", language="fi") == []


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
