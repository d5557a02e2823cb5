"""The table of RFC 5321 and the newsroom: what a reply or a loss means for the letter, the relay and the mailing."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery import outcome
from newsletter.delivery.outcome import (
    DeliveryState,
    Fault,
    Lost,
    Outcome,
    Phase,
    Replied,
    Reply,
    Scope,
    Submitted,
)

NOW = datetime(2026, 11, 23, 5, 30, tzinfo=UTC)
EXPIRES = NOW + timedelta(hours=20)
SCHEDULE = (5, 15, 30, 60, 120)
MINUTE = timedelta(minutes=1)

ACCEPTED, DEFERRED, REFUSED, WAITING = (
    DeliveryState.ACCEPTED,
    DeliveryState.DEFERRED,
    DeliveryState.REFUSED,
    DeliveryState.WAITING,
)
BEFORE_THE_DOT = [phase for phase in Phase if phase not in {Phase.DOT, Phase.REPLIED}]
AT_THE_RELAY = [Phase.CONNECT, Phase.BANNER, Phase.EHLO, Phase.TLS, Phase.AUTH, Phase.MAIL]
ON_THE_LETTER = [Phase.RCPT, Phase.DATA, Phase.BODY, Phase.DOT]


def judge(result: Submitted, attempts: int = 0, chance: float = 0.0, expires_at: datetime = EXPIRES) -> Outcome:
    return outcome.judge(result, attempts=attempts, now=NOW, expires_at=expires_at, schedule=SCHEDULE, chance=chance)


def said(line: str, phase: Phase) -> Replied:
    code, _, rest = line.partition(" ")
    enhanced, _, text = rest.partition(" ")
    if enhanced.count(".") != 2:
        enhanced, text = "", rest
    return Replied(reply=Reply(code=int(code), enhanced=enhanced, text=text), phase=phase)


def test_a_250_to_the_dot_is_accepted() -> None:
    found = judge(said("250 2.0.0 Ok: queued as 4F1", Phase.DOT))
    assert found.state is ACCEPTED
    assert found.counted
    assert found.reason == "250 2.0.0 Ok: queued as 4F1"


@pytest.mark.parametrize("phase", BEFORE_THE_DOT)
def test_a_loss_before_the_dot_waits_and_counts_as_no_try(phase: Phase) -> None:
    found = judge(Lost(phase=phase, detail="reset by peer"))
    assert (found.state, found.scope, found.counted, found.stop) == (WAITING, Scope.RELAY, False, False)
    assert found.until is None
    assert phase in found.reason


def test_a_loss_after_the_dot_is_uncertain() -> None:
    found = judge(Lost(phase=Phase.DOT, detail="no answer in time"))
    assert (found.state, found.scope, found.counted) == (DeliveryState.UNCERTAIN, Scope.LETTER, True)


def test_a_relay_that_can_never_be_used_as_configured_is_stopped() -> None:
    found = judge(Lost(phase=Phase.TLS, detail="its certificate is not trusted", permanent=True))
    assert (found.state, found.scope, found.stop, found.counted) == (WAITING, Scope.RELAY, True, False)


@pytest.mark.parametrize("phase", [*AT_THE_RELAY, *ON_THE_LETTER])
def test_a_421_is_about_the_connection_wherever_it_is_said(phase: Phase) -> None:
    found = judge(said("421 4.7.0 Too many connections from your host", phase))
    assert (found.state, found.scope, found.counted, found.stop) == (WAITING, Scope.RELAY, False, False)


@pytest.mark.parametrize("phase", AT_THE_RELAY)
def test_a_4xx_before_a_recipient_throttles_the_relay_and_costs_the_letter_nothing(phase: Phase) -> None:
    found = judge(said("454 Throttling failure: Maximum sending rate exceeded", phase))
    assert (found.state, found.scope, found.counted, found.stop) == (WAITING, Scope.RELAY, False, False)
    assert found.until is None


def test_a_throttling_relay_may_say_for_how_long() -> None:
    assert judge(said("451 4.7.0 slow down, retry in 90 seconds", Phase.MAIL)).until == NOW + 90 * MINUTE / 60


@pytest.mark.parametrize("phase", ON_THE_LETTER)
def test_a_4xx_on_the_letter_defers_it(phase: Phase) -> None:
    found = judge(said("451 4.3.0 Try again later", phase))
    assert (found.state, found.scope, found.counted) == (DEFERRED, Scope.LETTER, True)
    assert found.until == NOW + 5 * MINUTE


@pytest.mark.parametrize(("attempts", "minutes"), [(0, 5), (1, 15), (2, 30), (3, 60), (4, 120), (5, 120), (99, 120)])
def test_retries_follow_the_schedule_and_its_last_step_repeats(attempts: int, minutes: int) -> None:
    assert judge(said("451 4.3.0 Later", Phase.RCPT), attempts).until == NOW + minutes * MINUTE


def test_retries_are_spread_and_never_earlier_than_scheduled() -> None:
    untils = [judge(said("451 4.3.0 Later", Phase.RCPT), chance=chance).until for chance in (0.0, 0.5, 0.999)]
    assert untils == sorted(until for until in untils if until)
    assert untils[0] == NOW + 5 * MINUTE
    assert NOW + 6 * MINUTE < (untils[-1] or NOW) < NOW + 6.25 * MINUTE


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("Greylisted, please try again in 300 seconds", 5 * MINUTE),
        ("Greylisted for 10 minutes", 10 * MINUTE),
        ("retry after 90s", 1.5 * MINUTE),
        ("wait 2 min", 2 * MINUTE),
        ("come back in 999999 minutes", 120 * MINUTE),
        ("try again in 0 seconds", 5 * MINUTE),
        ("in 5 days perhaps", 5 * MINUTE),
    ],
)
def test_a_wait_named_in_the_reply_is_honoured_within_reason(text: str, wait: timedelta) -> None:
    assert judge(said(f"450 4.2.0 {text}", Phase.RCPT)).until == NOW + wait


def test_nothing_is_tried_again_at_or_after_the_expiry() -> None:
    later = said("451 4.3.0 Later", Phase.RCPT)
    assert judge(later, expires_at=NOW + 5 * MINUTE).state is DeliveryState.EXPIRED
    assert judge(later, expires_at=NOW + 5.1 * MINUTE).state is DEFERRED
    lost = judge(Lost(phase=Phase.MAIL, detail="reset"), expires_at=NOW)
    assert (lost.state, lost.scope, lost.until) == (DeliveryState.EXPIRED, Scope.RELAY, None)


def test_acceptance_and_doubt_are_recorded_whatever_the_hour() -> None:
    past = NOW - MINUTE
    assert judge(said("250 ok", Phase.DOT), expires_at=past).state is ACCEPTED
    assert judge(Lost(phase=Phase.DOT, detail="reset"), expires_at=past).state is DeliveryState.UNCERTAIN
    assert judge(said("550 5.1.1 unknown", Phase.RCPT), expires_at=past).state is REFUSED


@pytest.mark.parametrize(
    ("line", "phase"),
    [
        ("535 5.7.8 Authentication credentials invalid", Phase.AUTH),
        ("530 5.7.0 Authentication required", Phase.MAIL),
        ("554 5.7.1 Service unavailable; client host blocked", Phase.BANNER),
        ("550 5.7.1 Sender not allowed", Phase.MAIL),
        ("502 5.5.1 STARTTLS not implemented", Phase.TLS),
        # Relays that check everything at RCPT (Postfix does) say there what is meant for MAIL or AUTH.
        ("530 5.7.0 Must issue a STARTTLS command first", Phase.RCPT),
        ("554 5.7.1 (address): Relay access denied", Phase.RCPT),
        ("550 relaying denied", Phase.RCPT),
        ("550 5.7.1 relay not permitted", Phase.RCPT),
        ("550 5.1.8 Sender address rejected: Domain not found", Phase.RCPT),
        ("550 5.7.30 REQUIRETLS support required", Phase.DOT),
        ("550 5.7.1 Authentication required", Phase.RCPT),
    ],
)
def test_a_refusal_of_us_stops_the_relay_and_is_nobodys_fault(line: str, phase: Phase) -> None:
    found = judge(said(line, phase))
    assert (found.state, found.scope, found.stop, found.counted) == (WAITING, Scope.RELAY, True, False)
    assert found.fault is Fault.RELAY


@pytest.mark.parametrize(
    ("line", "phase"),
    [
        ("552 5.3.4 Message size exceeds fixed limit", Phase.MAIL),
        ("552 Error: message size exceeds fixed maximum message size", Phase.MAIL),
        ("554 5.3.4 Message too big for system", Phase.DOT),
        ("552 5.2.3 Message length exceeds administrative limit", Phase.RCPT),
        ("552 Error: Too much mail data", Phase.DOT),
        ("552 Message too large", Phase.DOT),
        ("554 5.6.3 not offered: the letter is not 7-bit text", Phase.DATA),
    ],
)
def test_a_letter_too_large_for_the_relay_stops_the_mailing_and_nobody_is_refused(line: str, phase: Phase) -> None:
    found = judge(said(line, phase))
    assert (found.state, found.scope, found.stop, found.counted) == (WAITING, Scope.MAILING, True, False)
    assert found.fault is Fault.CONTENT


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("550 5.1.1 (address): Recipient address rejected: User unknown in local recipient table", "recipient-dead"),
        ("550 5.1.1 The email account that you tried to reach does not exist. NoSuchUser - gsmtp", "recipient-dead"),
        ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP lookup", "recipient-dead"),
        ("550 No such user here", "recipient-dead"),
        ("554 delivery error: dd This user doesn't have a yahoo.test account; mailbox not found", "recipient-dead"),
        ("556 5.1.10 nullMX", "recipient-dead"),
        ("550 5.7.17 Mailbox owner has changed", "recipient-dead"),
        ("550 5.4.4 Invalid domain name", "recipient-dead"),
        ("550 5.2.1 The email account that you tried to reach is disabled", "recipient-inactive"),
        ("550 5.7.13 user account disabled", "recipient-inactive"),
        ("554 Mailbox for this user has been suspended", "recipient-inactive"),
        ("550 Requested action not taken: mailbox unavailable", "recipient-inactive"),
        ("552 5.2.2 Mailbox over quota", "recipient-full"),
        ("552 storage allocation exceeded", "recipient-full"),
        ("554 mailbox full", "recipient-full"),
        ("553 5.6.7 not offered: the address cannot be written in an SMTP command", "unsupported-address"),
        ("554 5.6.0 message content rejected", "content"),
        ("550 5.7.1 Virus found in message", "content"),
        ("550 5.4.1 Recipient address rejected", "relay"),
        ("550 5.5.4 bad parameter", "relay"),
        ("503 5.5.1 Bad sequence of commands", "relay"),
    ],
)
def test_a_5xx_to_the_recipient_is_refused_and_says_whose_fault_it_is(line: str, fault: str) -> None:
    found = judge(said(line, Phase.RCPT))
    assert (found.state, found.scope, found.until) == (REFUSED, Scope.LETTER, None)
    assert found.fault == fault


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("550 5.7.26 This mail is unauthenticated: neither SPF nor DKIM passed", "sender-auth"),
        ("550 5.7.515 Access denied, sending domain does not meet the required authentication level", "sender-auth"),
        ("550 5.7.25 The IP address sending this message does not have a PTR record setup", "sender-auth"),
        ("550 5.7.28 Mail flood detected", "sender-reputation"),
        ("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.test", "sender-reputation"),
        ("550 5.7.1 Our system has detected that this message is likely unsolicited mail", "sender-reputation"),
        ("553 5.7.1 [TSS04] Messages from 192.0.2.1 temporarily deferred", "sender-reputation"),
        ("550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. (S3140)", "sender-reputation"),
        ("550 5.7.1 rejected by local policy", "sender-reputation"),
    ],
)
@pytest.mark.parametrize("phase", [Phase.RCPT, Phase.DOT])
def test_a_fault_of_the_senders_keeps_the_letter_pending_until_it_expires(line: str, fault: str, phase: Phase) -> None:
    found = judge(said(line, phase))
    assert found.state is DEFERRED
    assert found.fault == fault
    assert found.until == NOW + 5 * MINUTE
    assert judge(said(line, phase), expires_at=NOW + MINUTE).state is DeliveryState.EXPIRED


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("450 4.2.0 (address): Recipient address rejected: Greylisted", "recipient-rate"),
        ("450 4.2.1 The user you are trying to contact is receiving mail too quickly", "recipient-rate"),
        ("452 4.2.2 The email account that you tried to reach is over quota", "recipient-full"),
        ("421 4.7.0 unsolicited", "relay"),
        ("451 4.7.1 try later, your reputation is low", "sender-reputation"),
        ("452 4.3.1 Insufficient system storage", "relay"),
        ("450 4.1.1 (address): Recipient address rejected: unverified address: user unknown", "relay"),
        ("450 4.1.1 unverified", "relay"),
    ],
)
def test_a_4xx_names_a_fault_but_never_a_dead_address(line: str, fault: str) -> None:
    assert judge(said(line, Phase.RCPT)).fault == fault


def test_a_refusal_of_the_whole_letter_says_nothing_of_the_reader() -> None:
    assert judge(said("554 Transaction failed", Phase.DOT)).fault is Fault.CONTENT
    assert judge(said("550 No", Phase.DOT)).fault is Fault.RELAY


def test_an_empty_schedule_still_waits() -> None:
    found = outcome.judge(said("451 later", Phase.RCPT), attempts=3, now=NOW, expires_at=EXPIRES, schedule=(), chance=0)
    assert found.until == NOW + 5 * MINUTE


@given(
    code=st.integers(200, 599),
    enhanced=st.sampled_from(["", "5.1.1", "4.2.2", "5.7.1", "5.3.4", "2.0.0", "5.999.999"]),
    text=st.text(max_size=80),
    phase=st.sampled_from(Phase),
    attempts=st.integers(0, 50),
    chance=st.floats(0, 1, exclude_max=True),
    minutes=st.integers(-60, 1500),
)
def test_whatever_is_said_the_letter_has_one_state_and_no_retry_passes_the_expiry(
    code: int, enhanced: str, text: str, phase: Phase, attempts: int, chance: float, minutes: int
) -> None:
    expires_at = NOW + minutes * MINUTE
    result = Replied(reply=Reply(code=code, enhanced=enhanced, text=text), phase=phase)
    found = judge(result, attempts, chance, expires_at)
    assert found.state not in {DeliveryState.CLAIMED, DeliveryState.DROPPED, DeliveryState.UNCERTAIN}
    assert (found.state is ACCEPTED) == (code < 300)
    if found.until:
        assert NOW < found.until < expires_at
    if found.state is DEFERRED:
        assert found.until
    if found.fault is Fault.RECIPIENT_DEAD:
        assert found.state is REFUSED
        assert found.scope is Scope.LETTER
    if found.scope is not Scope.LETTER:
        assert not found.counted
