"""What comes back by mail: bytes -> Bounce | Complaint | Withdrawal | AutoReply | Notice | Unknown. Pure.

Reports are believed by their structure, texts only when a mail system wrote them: a person who quotes a bounce has not
bounced. A bounce is hard only where the address itself is dead; the id of the rule that says so is kept.
"""

import json
import re
from dataclasses import dataclass, replace
from typing import Final

from newsletter.delivery import outcome, reports, rules, signs, texts
from newsletter.delivery.outcome import Fault, Phase, Reply
from newsletter.delivery.reports import Fields, Report
from newsletter.delivery.rules import Rule, Rules
from newsletter.delivery.texts import Diagnosis


@dataclass(frozen=True, slots=True, kw_only=True)
class _Returned:
    """What every kind knows: the reader's address as the mail names it, and the signed token of our letter, if any.

    The token is only found here; whether we signed it is for returns.read to say.
    """

    address: str = ""
    token: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce(_Returned):
    """A letter that was not delivered, or (`final` false) not yet."""

    hard: bool
    fault: Fault
    reason: str
    status: str = ""
    code: int = 0
    text: str = ""
    final: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint(_Returned):
    """A feedback report (RFC 5965). `by_reader` is false when a machine wrote it of itself: nobody complained then."""

    fault: Fault = Fault.NONE
    reason: str = "feedback"
    by_reader: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal(_Returned):
    """A reader asked by mail for no more letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoReply(_Returned):
    """A machine answered for a reader who is away (RFC 3834)."""

    reason: str = "vacation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(_Returned):
    """A machine tells something that calls for nothing: delivered, read, relayed, an authentication report."""

    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(_Returned):
    """Nothing we know; a person may have written it."""


Feedback = Bounce | Complaint | Withdrawal | AutoReply | Notice | Unknown

# `returns.sign` gives 32 characters of base32; relays may fold their case.
_TOKEN: Final = re.compile(r"(?<![a-z0-9])([a-z2-7]{32})@", re.IGNORECASE)
_MINE: Final = ("to", "x-original-to", "delivered-to", "envelope-to", "x-envelope-to", "in-reply-to", "references")
_THEIRS: Final = ("message-id", "list-unsubscribe", "return-path", "x-return-path", "x-original-message-id")

_NOWHERE: Final = frozenset({"", "<>", "<null>", "null"})
_MOST_RECIPIENTS: Final = 10
_FAILED: Final = frozenset(
    {"failed", "failure", "fail", "expired", "error", "undeliverable", "delayed", "bounced", "rejected"}
)
_ENHANCED: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_TYPED: Final = re.compile(r"(?:smtp|dns|lmtp|x-(?!unix)[\w-]{1,20})[ \t]{0,4}; ?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mail:
    """A message as far as it matters here. `sender` and `subject` are decoded and in lower case."""

    report: Report
    words: str
    original: Fields
    sender: str
    subject: str
    token: str

    @property
    def headers(self) -> Fields:
        return self.report.headers

    @property
    def by_machine(self) -> bool:
        """Whether a mail system says it wrote this: its name, or the empty return path of RFC 5321 4.5.5."""
        paths = [path.strip().lower() for path in self.headers.all("return-path")]
        return (
            bool(signs.DAEMON.search(self.sender))
            or self.sender in _NOWHERE
            or any(path in _NOWHERE or "mailer-daemon" in path for path in paths)
            or bool(self.headers.get("x-failed-recipients"))
        )


def parse(data: bytes, by: Rules | None = None) -> Feedback:
    """What a message that came back is; `by` are the rules to judge a bounce by. Never raises, whatever the bytes."""
    mail = _open(data)
    by = by or rules.shipped()
    return (
        _by_feedback_report(mail)
        or _by_status_report(mail, by)
        or _by_notification(mail, by)
        or _by_wish(mail)
        or _by_absence(mail)
        or _by_words(mail, by)
        or _by_manners(mail)
        or Unknown(address=_writer(mail), token=mail.token, rule="nothing-known")
    )


def _open(data: bytes) -> _Mail:
    report = reports.take_apart(data)
    if not report.recipients and report.enclosed and signs.DAEMON.search(report.headers.get("from").lower()):
        # Some gateways wrap the report of another system in a message of their own.
        wrapped = reports.take_apart(report.enclosed)
        report = replace(report, recipients=wrapped.recipients, original=wrapped.original or report.original)
    words, returned = texts.cut(report.text)
    original = report.original or reports.fields(returned)
    tokens = _TOKEN.search(" ".join(report.headers.all(*_MINE) + original.all(*_THEIRS)))
    return _Mail(
        report=report,
        words=words,
        original=original,
        sender=reports.words(report.headers.get("from")).strip().lower(),
        subject=" ".join(reports.words(report.headers.get("subject")).split()).lower(),
        token=tokens[1].lower() if tokens else "",
    )


def _by_feedback_report(mail: _Mail) -> Feedback | None:
    fields = mail.report.feedback
    inline = mail.words.lower().find("\nfeedback-type:")
    if not fields and inline >= 0:
        fields = reports.fields(mail.words[inline + 1 :])
    if not fields:
        told = signs.COMPLAINT.search(mail.subject) or signs.COMPLAINT.search(mail.words[:2000].lower())
        known = told or mail.original.get("x-hmxmroriginalrecipient")
        return Complaint(address=_complainer(mail, fields), token=mail.token, rule="complaint-words") if known else None
    kind = fields.get("feedback-type").lower()
    address, token, rule = _complainer(mail, fields), mail.token, f"feedback-type-{kind or 'none'}"[:60]
    if kind.startswith("opt-out"):
        return Withdrawal(address=address, token=token, rule=rule)
    if kind == "not-spam":
        return Notice(address=address, token=token, rule=rule, reason=kind)
    complaint = Complaint(address=address, token=token, rule=rule)
    if kind in {"auth-failure", "dmarc"}:
        return replace(complaint, fault=Fault.SENDER_AUTH, reason="authfailure", by_reader=False)
    return complaint


def _by_status_report(mail: _Mail, by: Rules) -> Feedback | None:
    groups = mail.report.recipients or (reports.groups_in(mail.words) if mail.by_machine else ())
    if not groups:
        return None
    failed = [group for group in groups if _has_failed(group)]
    if failed:
        return _worst([_judge(mail, _recipient(mail, group), group, by) for group in failed[:_MOST_RECIPIENTS]])
    action = _action(groups[0]) or "delivered"
    return Notice(
        address=_recipient(mail, groups[0]), token=mail.token, rule=f"action-{action}"[:60], reason=action[:60]
    )


def _by_notification(mail: _Mail, by: Rules) -> Feedback | None:
    """The JSON that Amazon's notification service sends by mail, by structure as a report."""
    text = mail.words.strip()
    if not text.startswith("{") or '"bouncedRecipients"' not in text:
        return None
    try:
        bounced = json.JSONDecoder(strict=False).raw_decode(text)[0]["bounce"]["bouncedRecipients"][0]
        named = {str(name).lower(): str(value) for name, value in bounced.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    fields = (
        ("action", named.get("action", "failed")),
        ("status", named.get("status", "")),
        ("diagnostic-code", named.get("diagnosticcode", "")),
    )
    return _judge(replace(mail, words=""), named.get("emailaddress", ""), Fields(pairs=fields), by)


def _by_wish(mail: _Mail) -> Feedback | None:
    lines = [line.strip().lower() for line in mail.words[:2000].split("\n") if line.strip()]
    if mail.by_machine or not (signs.LEAVE.fullmatch(mail.subject) or (lines and signs.LEAVE.fullmatch(lines[0]))):
        return None
    return Withdrawal(address=_writer(mail), token=mail.token, rule="asks-to-leave")


def _by_absence(mail: _Mail) -> Feedback | None:
    fields = mail.headers
    by_field = fields.all(*signs.AWAY_FIELDS) or fields.get("precedence").lower() in {"auto_reply", "auto-reply"}
    if not signs.AWAY.match(mail.subject.removeprefix("re: ")) and not by_field:
        return None
    return AutoReply(address=_writer(mail), token=mail.token, rule="away-field" if by_field else "away-subject")


def _by_words(mail: _Mail, by: Rules) -> Feedback | None:
    """A bounce in prose: only of a machine, and only when its subject or its own words say so."""
    reported = mail.report.report_type == "delivery-status"
    told = signs.BOUNCE_SUBJECT.search(mail.subject) or signs.BOUNCE_WORDS.search(mail.words.lower())
    if not reported and not (mail.by_machine and told):
        return None
    return _worst([_judge(mail, address, Fields(), by) for address in _recipients(mail)])


def _by_manners(mail: _Mail) -> Feedback | None:
    """What is left of the machines: an answer, or something told."""
    submitted = mail.headers.get("auto-submitted").lower()
    address = _writer(mail)
    if submitted.startswith("auto-replied"):
        return AutoReply(address=address, token=mail.token, rule="auto-replied")
    if mail.report.report_type == "disposition-notification":
        return Notice(address=address, token=mail.token, rule="disposition", reason="read")
    if submitted.startswith("auto-") or signs.CHALLENGE.search(mail.subject):
        return Notice(address=address, token=mail.token, rule="machine", reason="told")
    return None


def _worst(bounces: list[Bounce]) -> Bounce:
    """The first address that is dead, of the several a report may name; else the first."""
    return next((bounce for bounce in bounces if bounce.hard), bounces[0])


def _judge(mail: _Mail, address: str, group: Fields, by: Rules) -> Bounce:
    """Why one recipient was not reached: by what was said of her, then by all that was said, then by the codes."""
    about = texts.excerpt(mail.words, address)
    code_line = _TYPED.sub("", group.get("diagnostic-code"), count=1)
    told = (code_line, texts.reply(about), texts.reply(mail.words), about, f"{mail.subject}\n{mail.words}")
    said = [texts.diagnosis(text) for text in told if text]
    code, enhanced = _cited(said, group.get("status"))
    phase = texts.phase(about) if texts.phase(about) is not Phase.REPLIED else texts.phase(mail.words)
    rule = _rule(said, Diagnosis(code=code, enhanced=enhanced), phase, by)
    final = _action(group) != "delayed" if group else not signs.LATER.search(f"{mail.subject}\n{about}".lower())
    if rule and rule.hard and len(mail.report.recipients) == 1 and _says_full(said[-1], by):
        # The words and the report contradict each other: nobody is dead by half of a witnessed.
        rule = rules.first(by.texts, said[-1], phase)
    text = said[0].text if said else ""
    return Bounce(
        address=address,
        token=mail.token,
        rule=rule.id if rule else "unclassified",
        # What may still arrive has not failed, whatever was said of it.
        hard=bool(rule and rule.hard and final),
        fault=rule.fault if rule else _unruled(code, enhanced, text, phase),
        reason=rule.reason if rule else "undefined",
        status=enhanced,
        code=code,
        text=text[:400],
        final=final,
    )


def _rule(said: list[Diagnosis], cited: Diagnosis, phase: Phase, by: Rules) -> Rule | None:
    for asked in (by.texts, by.vague):
        for each in said:
            rule = rules.first(asked, replace(cited, text=each.text), phase)
            if rule:
                return rule
    return rules.first(by.statuses, cited, phase) or rules.first(by.replies, cited, phase)


def _says_full(said: Diagnosis, by: Rules) -> bool:
    return any(rule.fault is Fault.RECIPIENT_FULL and rule.fits(said, Phase.REPLIED) for rule in by.texts)


def _cited(said: list[Diagnosis], status: str) -> tuple[int, str]:
    """The reply code and the enhanced code that stand for a bounce: the first of each that says something."""
    stated = _ENHANCED.match(status)
    enhanced = [said[0].enhanced if said else "", stated[0] if stated else "", *(each.enhanced for each in said[1:])]
    telling = [each for each in enhanced if each and not each.endswith(".0.0")]
    code = next((each.code for each in said if each.code), 0)
    return code, next(iter(telling), next((each for each in enhanced if each), ""))


def _unruled(code: int, enhanced: str, text: str, phase: Phase) -> Fault:
    """The relay's own table decides on what no rule knows, but never that somebody is dead."""
    if not code:
        return Fault.RELAY
    fault = outcome.classify(Reply(code=code, enhanced=enhanced, text=text), phase)
    return Fault.RECIPIENT_INACTIVE if fault is Fault.RECIPIENT_DEAD else fault


def _action(group: Fields) -> str:
    found = re.match(r"[a-z-]{1,30}", group.get("action").strip().lower())
    return found[0] if found else ""


def _has_failed(group: Fields) -> bool:
    action = _action(group)
    return action in _FAILED or (not action and not group.get("status").startswith("2"))


def _recipient(mail: _Mail, group: Fields) -> str:
    """Whom a group of a report is about."""
    for value in group.all("final-recipient", "original-recipient", "x-actual-recipient"):
        kind, _, rest = value.rpartition(";")
        found = texts.addresses(rest)
        if found and "/" not in found[0] and "unix" not in kind.lower():
            return found[0]
    return _recipients(mail)[0]


def _recipients(mail: _Mail) -> list[str]:
    """Who was not reached by the mail system's word, the text's, or the returned letter's; one empty text if unsaid."""
    mine = [address for value in mail.headers.all("to", "from") for address in texts.addresses(value)]
    named = [address for value in mail.headers.all("x-failed-recipients") for address in texts.addresses(value)]
    return (
        named[:_MOST_RECIPIENTS]
        or texts.failed_addresses(mail.words, mine)
        or [_first(mail.original, "to", "delivered-to")]
    )


def _complainer(mail: _Mail, fields: Fields) -> str:
    return (
        _first(fields, "original-rcpt-to", "removal-recipient")
        or _first(mail.original, "x-hmxmroriginalrecipient", "to", "delivered-to")
        or ""
    )


def _writer(mail: _Mail) -> str:
    return _first(mail.headers, "from", "reply-to", "sender")


def _first(fields: Fields, *names: str) -> str:
    return next((address for value in fields.all(*names) for address in texts.addresses(value)), "")
