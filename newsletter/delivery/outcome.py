"""From what a relay said, or the phase in which it was lost, to what becomes of the letter. Pure.

The table is RFC 5321 read by a newsroom: a loss before the last dot is certainly not accepted and tried again at once;
a loss after it is unknowable (RFC 1047) and never guessed; a refusal counts against a reader only when it is about her.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class DeliveryState(StrEnum):
    """Where one letter stands. Waiting, claimed and deferred are open; the others are settled."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REFUSED = "refused"
    DROPPED = "dropped"
    UNCERTAIN = "uncertain"
    EXPIRED = "expired"


class Phase(StrEnum):
    """How far a conversation has come. DOT: the letter's last byte is with the kernel. REPLIED: nothing is open."""

    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    DOT = "dot"
    REPLIED = "replied"


class Fault(StrEnum):
    """Whose fault a refusal is. Only RECIPIENT_DEAD may ever lead to a suppression at once."""

    NONE = "none"
    RECIPIENT_DEAD = "recipient-dead"
    RECIPIENT_INACTIVE = "recipient-inactive"
    RECIPIENT_FULL = "recipient-full"
    RECIPIENT_RATE = "recipient-rate"
    UNSUPPORTED_ADDRESS = "unsupported-address"
    SENDER_REPUTATION = "sender-reputation"
    SENDER_AUTH = "sender-auth"
    CONTENT = "content"
    RELAY = "relay"


class Scope(StrEnum):
    """What an outcome is about: this letter, every letter through this relay, or every letter of this mailing."""

    LETTER = "letter"
    RELAY = "relay"
    MAILING = "mailing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An SMTP reply: code, enhanced status code (RFC 3463, or empty) and the text without either, on one line."""

    code: int
    enhanced: str = ""
    text: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.enhanced, self.text) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replied:
    """The relay decided: its first refusal, or its answer to the dot; `phase` is what it answered."""

    reply: Reply
    phase: Phase


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """The connection went away or fell silent in `phase`. `permanent`: trying again as configured cannot help."""

    phase: Phase
    detail: str
    permanent: bool = False


Submitted = Replied | Lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Our judgement of one try.

    `stop` is true when the relay (or mailing) of `scope` must not be used until a person has looked; `counted` when
    this was a try of the letter; `until` is when to try again, empty for at once or never.
    """

    state: DeliveryState
    fault: Fault = Fault.NONE
    until: datetime | None = None
    scope: Scope = Scope.LETTER
    reason: str = ""
    stop: bool = False
    counted: bool = True


SENDER_FAULTS: Final = frozenset({Fault.SENDER_REPUTATION, Fault.SENDER_AUTH})

# What is said before a recipient is named is about the relay and us, never about a reader.
_RELAY_PHASES: Final = frozenset({Phase.CONNECT, Phase.BANNER, Phase.EHLO, Phase.TLS, Phase.AUTH, Phase.MAIL})
_SIZE_CODES: Final = frozenset({"5.3.4", "5.2.3"})
# 5.6.3 is "8-bit data, and no way to convert it": true of every letter of a mailing, as its size is.
_MAILING_CODES: Final = _SIZE_CODES | {"5.6.3"}
# A relay that delays its checks (Postfix does) says at RCPT what is meant for MAIL or AUTH.
_OUR_CODES: Final = frozenset({530, 534, 535, 538})
_OUR_ENHANCED: Final = frozenset({"5.1.8", "5.7.30"})
_OUR_TEXT: Final = re.compile(
    r"relay(ing)?( access)? (is )?(denied|not (permitted|allowed))|authentication (is )?required"
)
_SIZE_TEXT: Final = re.compile(r"(message|mail|letter)( \w+)? (is )?(too (large|big|long)|size)|too much mail data")
_DEFAULT_SCHEDULE: Final = (5,)
_JITTER: Final = 0.25

# The text is read first, because providers misuse codes; the first rule that matches wins.
_TEXT_RULES: Final = tuple(
    (fault, re.compile("|".join(patterns)))
    for fault, *patterns in (
        (
            Fault.RECIPIENT_RATE,
            r"gr[ae]y[- ]?list",
            r"too quickly",
            r"too many (messages|recipients) (for|to) this",
            r"rate.?limit",
        ),
        (
            Fault.SENDER_AUTH,
            r"\b(spf|dkim|dmarc|ptr)\b",
            r"unauthenticated",
            r"reverse dns",
            r"sender (address|domain|verif)",
        ),
        (Fault.CONTENT, r"virus", r"malware", r"infected", r"phishing"),
        (
            Fault.SENDER_REPUTATION,
            r"spam|unsolicited|reputation",
            r"(block|black|deny) ?list",
            r"\b(dns)?[rs]?bls?\b",
            r"listed (at|by|in|on)\b",
            r"\b(tss0\d|s3140)\b",
            r"(ip|host|server|network|message)\b.{0,40}\bblocked",
        ),
        (Fault.RECIPIENT_FULL, r"quota", r"(mail ?box|inbox) (is )?full", r"out of storage"),
        (
            Fault.RECIPIENT_INACTIVE,
            r"(account|mailbox|user|recipient|address)\b.{0,60}\b(disabled|suspended|inactive|deactivated|not active)",
            r"(disabled|suspended|inactive|deactivated) (account|mailbox|user|recipient)",
        ),
        (
            Fault.RECIPIENT_DEAD,
            r"(user|recipient|mailbox|address|account|domain)\b.{0,80}\b(unknown|not exist|n.t exist|not found)",
            r"(unknown|no such|invalid) (user|recipient|mailbox|address|account|domain|local)",
            r"nosuchuser|nxdomain",
        ),
    )
)
_DEAD_DETAILS: Final = frozenset({"1.1", "1.2", "1.3", "1.6", "1.10", "7.17", "7.18"})
_DETAILS: Final = {
    "1.7": Fault.SENDER_AUTH,
    "1.8": Fault.SENDER_AUTH,
    "2.1": Fault.RECIPIENT_INACTIVE,
    "2.2": Fault.RECIPIENT_FULL,
    "2.3": Fault.CONTENT,
    "3.4": Fault.CONTENT,
    "6.7": Fault.UNSUPPORTED_ADDRESS,
    "7.13": Fault.RECIPIENT_INACTIVE,
    "7.515": Fault.SENDER_AUTH,
    **{f"7.{n}": Fault.SENDER_AUTH for n in range(20, 31)},
    # "Mail flood detected" (draft-levine-mailbomb-header-02 section 4): our forms are being abused.
    "7.28": Fault.SENDER_REPUTATION,
    **dict.fromkeys(_DEAD_DETAILS, Fault.RECIPIENT_DEAD),
}
_SUBJECTS: Final = {"6": Fault.CONTENT, "7": Fault.SENDER_REPUTATION}
_CODES: Final = {
    550: Fault.RECIPIENT_INACTIVE,
    551: Fault.RECIPIENT_INACTIVE,
    552: Fault.RECIPIENT_FULL,
    553: Fault.RECIPIENT_INACTIVE,
}
_WAIT: Final = re.compile(r"\b(?:in|after|for|wait) (\d{1,6}) ?(s|sec|secs|seconds?|m|min|mins|minutes?)\b")


def judge(
    result: Submitted,
    *,
    attempts: int,
    now: datetime,
    expires_at: datetime,
    schedule: tuple[int, ...],
    chance: float,
) -> Outcome:
    """What becomes of the letter, and of the relay or mailing, after one try.

    `attempts` are the counted tries before this one, `schedule` the minutes to wait after the first, second, ... of
    them (the last repeats), `chance` in [0, 1) spreads the retries. Nothing is tried again at or after `expires_at`.
    """
    if isinstance(result, Lost):
        outcome = _judge_loss(result)
    elif 200 <= result.reply.code < 300:
        return Outcome(state=DeliveryState.ACCEPTED, reason=str(result.reply))
    else:
        wait = _wait(result, attempts, schedule or _DEFAULT_SCHEDULE)
        outcome = _judge_refusal(result, now + wait * (1 + _JITTER * chance))
    if outcome.state in {DeliveryState.WAITING, DeliveryState.DEFERRED} and (outcome.until or now) >= expires_at:
        return Outcome(
            state=DeliveryState.EXPIRED,
            fault=outcome.fault,
            scope=outcome.scope,
            reason=outcome.reason,
            stop=outcome.stop,
            counted=outcome.counted,
        )
    return outcome


def classify(reply: Reply, phase: Phase) -> Fault:
    """Whose fault a 4xx or 5xx reply to RCPT, DATA or the dot is: by its text, its enhanced code, then its code."""
    fault = _by_text(reply) or _by_enhanced(reply) or _by_code(reply, phase)
    # An address that may work tomorrow is not dead, whatever the text says.
    return Fault.RELAY if fault is Fault.RECIPIENT_DEAD and reply.code < 500 else fault


def _judge_loss(lost: Lost) -> Outcome:
    if lost.phase is Phase.DOT:
        return Outcome(state=DeliveryState.UNCERTAIN, reason=f"lost after the dot: {lost.detail}")
    reason = f"lost in {lost.phase}: {lost.detail}"
    return _wait_for_relay(reason, until=None, stop=lost.permanent)


def _judge_refusal(result: Replied, retry_at: datetime) -> Outcome:
    reply, phase = result.reply, result.phase
    reason = str(reply)
    temporary = reply.code < 500
    if not temporary and _concerns_mailing(reply):
        return _wait_for_mailing(reason)
    if reply.code == 421 or phase in _RELAY_PHASES or (not temporary and _concerns_us(reply)):
        until = retry_at if temporary and _hint(reply) else None
        return _wait_for_relay(reason, until=until, stop=not temporary)
    fault = classify(reply, phase)
    if temporary or fault in SENDER_FAULTS:
        return Outcome(state=DeliveryState.DEFERRED, fault=fault, until=retry_at, reason=reason)
    return Outcome(state=DeliveryState.REFUSED, fault=fault, reason=reason)


def _wait_for_mailing(reason: str) -> Outcome:
    """The letters keep waiting: what the relay takes may be raised, and nothing is refused in their place."""
    return Outcome(
        state=DeliveryState.WAITING,
        fault=Fault.CONTENT,
        scope=Scope.MAILING,
        reason=reason,
        stop=True,
        counted=False,
    )


def _wait_for_relay(reason: str, *, until: datetime | None, stop: bool) -> Outcome:
    return Outcome(
        state=DeliveryState.WAITING,
        fault=Fault.RELAY,
        until=until,
        scope=Scope.RELAY,
        reason=reason,
        stop=stop,
        counted=False,
    )


def _concerns_mailing(reply: Reply) -> bool:
    return reply.enhanced in _MAILING_CODES or (
        reply.code == 552 and not reply.enhanced and bool(_SIZE_TEXT.search(reply.text.lower()))
    )


def _concerns_us(reply: Reply) -> bool:
    return reply.code in _OUR_CODES or reply.enhanced in _OUR_ENHANCED or bool(_OUR_TEXT.search(reply.text.lower()))


def _by_text(reply: Reply) -> Fault | None:
    text = reply.text.lower()
    return next((fault for fault, pattern in _TEXT_RULES if pattern.search(text)), None)


def _by_enhanced(reply: Reply) -> Fault | None:
    if not reply.enhanced:
        return None
    _, subject, detail = reply.enhanced.split(".")
    return _DETAILS.get(f"{subject}.{detail}") or _SUBJECTS.get(subject)


def _by_code(reply: Reply, phase: Phase) -> Fault:
    if reply.enhanced or phase is not Phase.RCPT:
        return Fault.CONTENT if reply.code == 554 and not reply.enhanced else Fault.RELAY
    return _CODES.get(reply.code, Fault.RELAY)


def _wait(result: Replied, attempts: int, schedule: tuple[int, ...]) -> timedelta:
    """What the relay asked for, at most our own longest wait; else our schedule."""
    asked = _hint(result.reply)
    if asked:
        return min(asked, timedelta(minutes=max(schedule)))
    return timedelta(minutes=schedule[min(attempts, len(schedule) - 1)])


def _hint(reply: Reply) -> timedelta | None:
    found = _WAIT.search(reply.text.lower())
    if not found or not int(found[1]):
        return None
    number = int(found[1])
    return timedelta(minutes=number) if found[2].startswith("m") else timedelta(seconds=number)
