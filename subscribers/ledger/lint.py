"""What is weak in a request for consent: its wording, and the form it stands on. Pure.

A weak wording is reported and kept, since whose words they are decides; a control that was ticked beforehand is none
that can be sent out (CJEU C-673/17: a ticked box is no consent).
"""

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Final

_SENTENCES: Final = re.compile(r"(?<=[.!?؟])\s+|(?<=[。！？])")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """What a wording says in one language: each a pattern that is looked for in a sentence, whatever its order."""

    agree: str
    privacy: str
    terms: str
    mail: str
    gain: str
    often: str
    way_out: str

    def says(self, what: str, sentence: str) -> bool:
        return bool(re.search(getattr(self, what), sentence, re.IGNORECASE))


# An address of email is no mail that somebody agrees to; a newsletter may be free, and a gift beside it may not.
# A wording in another language is judged by none of these.
_LANGUAGES: Final = {
    "en": _Words(
        agree=r"\b(?:agree|accept|consent)\w*\b",
        privacy=r"\bprivacy (?:policy|notice|statement)",
        terms=r"\bterms\b",
        mail=r"\b(?:receive|get|send)\b.*\b(?:e-?mails?|correspondence|newsletters?)\b",
        gain=r"\b(?:win|prizes?|raffle|sweepstakes?|discounts?|vouchers?|coupons?|gifts?|rewards?|bonus)\b|% off\b"
        r"|\bfree (?:e-?book|guide|download|trial|copy)\b",
        often=r"\b(?:daily|weekdays?|every (?:day|week|month|morning|evening)|weekly|monthly|times a|once a)\b",
        way_out=r"opt(?:ing)?[ -]out|unsubscribe|withdraw|leave at any time|stop at any time",
    ),
    "fr": _Words(
        agree=r"\b(?:accept\w+|consen\w+|approuv\w+|d[’']accord)\b",
        privacy=r"politique de confidentialité|(?:déclaration|notice|charte) de confidentialité|vie privée",
        terms=r"conditions (?:d[’']utilisation|générales)|\bCGU\b",
        mail=r"\b(?:re[cç][eo]\w+|m[’']envo\w+)\b.*\b(?:messages?|e-?mails?|courriels?|newsletters?|lettres?)\b",
        gain=r"\b(?:gagn\w+|concours|tirage au sort|cadeaux?|remises?|réductions?|bons? d[’']achat|code promo|bonus)\b",
        often=r"\b(?:chaque|du lundi au|quotidien\w*|hebdomadaire|mensuel\w*|tous les|par (?:jour|semaine|mois))\b",
        way_out=r"désabonn|désinscri|retirer",
    ),
    "de": _Words(
        agree=r"\b(?:stimm\w+|zustimm\w*|akzeptier\w+|einverstanden|willig\w+|einwillig\w+)\b",
        privacy=r"Datenschutz(?:erklärung|bestimmungen|hinweis\w*|richtlinie\w*)",
        terms=r"Nutzungsbedingungen|\bAGB\b|Geschäftsbedingungen",
        mail=r"\b(?:Erhalt|Empfang|Zusendung)\b.*\b(?:E-?Mails?|Newsletter\w*|Nachrichten|Werbung)\b"
        r"|\b(?:E-?Mails?(?!-Adresse)|Newsletter|Nachrichten|Werbung)\b.*\b(?:erhalten|bekommen|empfangen|zu(?:sen|gesan)d\w+)",
        gain=r"gewinn|verlos|preisausschreiben|rabatt|gutschein|geschenk|prämie|\bbonus",
        often=r"\b(?:(?:werk)?täglich\w*|von montag bis|werktags|wöchentlich\w*|monatlich\w*|jeden|\w+mals?)\b",
        way_out=r"abmelden|abbestell|widerruf|kündig",
    ),
    "es": _Words(
        agree=r"\b(?:acept\w+|consient\w+|consent\w+|de acuerdo)\b",
        privacy=r"(?:política|aviso|declaración) de privacidad",
        terms=r"(?:condiciones|términos) (?:de (?:uso|servicio)|generales|y condiciones)",
        mail=r"\b(?:recib\w+|me env[ií]\w+)\b.*\b(?:mensajes?|correos?|bolet[ií]n\w*|newsletters?|comunicaciones)\b",
        gain=r"\b(?:gan[ae]\w*|sorteos?|premios?|descuentos?|cupon\w*|cupón|vales?|regalos?)\b",
        often=r"\b(?:cada|de lunes a|diari[oa]\w*|semanal\w*|mensual\w*|todos los|vez por|veces por)\b",
        way_out=r"\bbaja\b|retirar|cancelar",
    ),
    "ja": _Words(
        agree=r"同意|承諾|了承",
        privacy=r"プライバシー(?:ポリシー|通知)|個人情報(?:保護方針|の取り?扱い)",
        terms=r"規約",
        mail=r"(?:メール(?!アドレス)|ニュースレター|お知らせ|ご案内).{0,12}(?:受信|受け取|配信|送付|お届け)|(?:受信|配信|送付).{0,8}メール(?!アドレス)",
        gain=r"抽選|プレゼント|割引|クーポン|特典|ポイント|当たる|景品|賞品",
        often=r"毎(?:日|朝|晩|週|月)|平日|[日週月](?:に|刊)",
        way_out=r"停止|解除|撤回|退会|取り消",
    ),
    "ar": _Words(
        agree=r"وافق|\b[أت]قبل\b|قبولك",
        privacy=r"الخصوصية",
        terms=r"شروط",
        mail=r"(?:تلقي|استلام|استقبال|تصلني|تصلك).*(?:رسائل|رسالة|نشرة|بريد)",
        gain=r"خصم|قسيمة|كوبون|هدية|هدايا|جائزة|جوائز|مكافأة|[اأت]ربح|الفوز",
        often=r"كل (?:يوم|أسبوع|شهر|صباح|مساء)|يومي|أسبوعي|شهري|مر(?:ة|ات) في",
        way_out=r"إلغاء|سحب|الانسحاب|التوقف",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Weakness:
    """One thing a lawyer would object to; `blocking` when nothing that carries it can be consent."""

    rule: str
    blocking: bool
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A request for consent: its words, its form as rendered, who asks, and what the form must link to."""

    wording: str
    language: str
    controller: str
    form: str = ""
    links: tuple[str, ...] = ()


def inspect(shown: Shown) -> list[Weakness]:
    """What is weak, in the order of reading."""
    words = _LANGUAGES.get(shown.language.partition("-")[0].lower())
    found = []
    if words:
        found += _bundled(words, shown.wording)
    if shown.controller.casefold() not in shown.wording.casefold():
        found.append(_warn("no-controller", f"it does not say that {shown.controller} asks"))
    if words and not words.says("often", shown.wording):
        found.append(_warn("no-frequency", "it does not say how often letters come"))
    if words and not words.says("way_out", shown.wording):
        found.append(_warn("no-withdrawal", "it does not say that consent can be withdrawn"))
    return found + form(shown.form, shown.links)


def _bundled(words: _Words, wording: str) -> list[Weakness]:
    """What consent is tied to: terms and policies agreed to in the same breath, or a gain (GDPR 7(2) and 7(4))."""
    found = []
    agreed = [one for one in _SENTENCES.split(wording) if words.says("agree", one)]
    papers = [one for one in agreed if words.says("terms", one) or words.says("privacy", one)]
    if any(words.says("mail", one) for one in papers):
        found.append(_warn("bundled-purposes", "one sentence agrees to terms and to mail: ask for each by itself"))
    if any(words.says("privacy", one) for one in agreed):
        advice = "a privacy policy informs: link to it, and ask nobody to agree to it"
        found.append(_warn("agrees-to-privacy-policy", advice))
    if words.says("gain", wording):
        found.append(_warn("tied-to-a-gain", "it offers something for agreeing: consent is free of any gain or loss"))
    return found


def form(html: str, links: tuple[str, ...] = ()) -> list[Weakness]:
    """What is weak in a form as it was rendered."""
    if not html:
        return []
    reader = _Form()
    reader.feed(html)
    found = [_warn("missing-link", f"the form does not link to {one}") for one in links if one not in reader.links]
    found += [
        Weakness(rule="pre-ticked", blocking=True, advice=f"the control “{one}” is ticked before anybody has chosen")
        for one in reader.ticked
    ]
    return found


class _Form(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.ticked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a":
            self.links.add(given.get("href") or "")
        if tag == "input" and (given.get("type") or "").lower() in {"checkbox", "radio"} and "checked" in given:
            self.ticked.append(given.get("name") or "without a name")


def _warn(rule: str, advice: str) -> Weakness:
    return Weakness(rule=rule, blocking=False, advice=advice)
