"""What comes back is told apart, and an address is called dead only where it is dead."""

import json
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.delivery import feedback, returns
from newsletter.delivery.feedback import AutoReply, Bounce, Complaint, Notice, Unknown, Withdrawal
from newsletter.delivery.outcome import Fault
from tests.delivery.returned import arf, note, report

CORPUS: Final = Path(__file__).parents[1] / "corpus" / "bounces"
KEY: Final = bytes(32)
REFUSALS: Final = (CORPUS.parent / "refusals.txt").read_text("utf-8").splitlines()[1:]
DAEMON: Final = {"from_": "Mail Delivery System <MAILER-DAEMON@relay.example.com>", "return_path": "<>"}


def bounce(data: bytes) -> Bounce:
    found = feedback.parse(data)
    assert isinstance(found, Bounce), found
    return found


def test_the_corpus_of_real_returned_mail_is_read_as_people_labelled_it() -> None:
    labels = json.loads((CORPUS / "labels.json").read_text("utf-8"))
    kinds, hards, reasons, false_hards, misses = 0, 0, 0, 0, []
    for name, label in labels.items():
        found = feedback.parse((CORPUS / "mail" / name).read_bytes())
        kind, hard = type(found).__name__.lower(), isinstance(found, Bounce) and found.hard
        kinds += kind == label["kind"]
        hards += hard == label["hard"]
        false_hards += hard and not label["hard"]
        reasons += getattr(found, "reason", "") == label["reason"]
        if (kind, hard) != (label["kind"], label["hard"]):
            misses.append(f"{name}: {label['kind']} {label['reason']} {label['hard']}, not {found}")
    living = sum(not label["hard"] for label in labels.values())
    rates = kinds / len(labels), hards / len(labels), false_hards / living, reasons / len(labels)
    said = f"kind, hard, living called dead, reason: {rates}\n" + "\n".join(misses)
    assert rates[0] >= 0.99, said
    assert rates[1] >= 0.97, said
    assert rates[2] <= 0.02, said
    assert rates[3] >= 0.88, said


def test_every_bounce_of_the_corpus_names_its_recipient() -> None:
    labels = json.loads((CORPUS / "labels.json").read_text("utf-8"))
    bounces = [name for name, label in labels.items() if label["kind"] == "bounce"]
    silent = [name for name in bounces if not feedback.parse((CORPUS / "mail" / name).read_bytes()).address]
    assert not silent


@pytest.mark.parametrize("line", REFUSALS)
def test_what_receivers_say_today_is_understood(line: str) -> None:
    fault, reason, hard, diagnostic = line.split(" | ", 3)
    found = bounce(report(diagnostic))
    assert (found.fault, found.hard) == (fault, hard == "hard"), found
    assert reason in {"*", found.reason}, found
    assert found.address == "reader@example.org"
    assert found.rule


def test_a_letter_that_may_still_arrive_kills_nobody() -> None:
    found = bounce(report("450 4.1.1 User unknown", action="delayed"))
    assert (found.hard, found.final) == (False, False)


@pytest.mark.parametrize("phase", ["MAIL FROM", "HELO", "connect"])
def test_what_was_said_before_a_recipient_was_named_kills_nobody(phase: str) -> None:
    data = report("550 5.0.0 no such domain").replace(b"RCPT TO command", f"{phase} command".encode())
    assert not bounce(data).hard


def test_an_unknown_user_said_only_after_the_content_kills_nobody() -> None:
    data = report("550 Unknown user", status="5.2.0").replace(b"RCPT TO command", b"end of DATA command")
    assert (bounce(data).hard, bounce(data).reason) == (False, "filtered")


def test_of_several_addresses_the_dead_one_is_named() -> None:
    another = (
        b"Final-Recipient: rfc822; gone@example.org\nAction: failed\nDiagnostic-Code: smtp; 550 5.1.1 User unknown\n\n"
    )
    end = b"--=_b\nContent-Type: text/rfc822"
    data = report("552 5.2.2 Mailbox full").replace(end, another + end)
    assert (bounce(data).hard, bounce(data).address) == (True, "gone@example.org")


def test_a_report_of_success_is_a_notice() -> None:
    found = feedback.parse(report("250 2.0.0 Ok", action="delivered"))
    assert isinstance(found, Notice)
    assert found.reason == "delivered"


@pytest.mark.parametrize(
    ("text", "hard"),
    [
        (
            "Hi. This is the qmail-send program.\n\n<a@b.example>:\nSorry, no mailbox here by that name. (#5.1.1)\n",
            True,
        ),
        ("was not delivered to:\n\n  a@b.example\n\nbecause:\n\n  User a not listed in Domino Directory\n", True),
        (">>> RCPT To:<a@b.example>\n<<< 550 5.1.1 <a@b.example>... User unknown\n", True),
        (
            "The following address(es) failed:\n\n  a@b.example\n    all hosts have been failing for a long time\n",
            False,
        ),
        ("Delivery failed 20 attempts: a@b.example\n", False),
        ("Could not deliver:\n<a@b.example>: mailbox is full\n", False),
    ],
)
def test_bounces_in_prose_are_read_when_a_mail_system_wrote_them(text: str, hard: bool) -> None:
    found = bounce(note(text, subject="Returned mail", **DAEMON))
    assert (found.address, found.hard) == ("a@b.example", hard), found


@pytest.mark.parametrize(
    "subject", ["Fwd: Undelivered Mail Returned to Sender", "What does this mean?", "Delivery failure"]
)
def test_a_person_who_quotes_a_bounce_has_not_bounced(subject: str) -> None:
    quoted = "I got this:\n\n> <x@example.org>: host mx said: 550 5.1.1 User unknown\n> could not be delivered\n"
    assert isinstance(feedback.parse(note(quoted, subject=subject)), Unknown)


def test_a_bounce_that_a_person_forwards_whole_has_not_bounced() -> None:
    inner = report("550 5.1.1 User unknown").decode()
    head = 'From: Ana <ana@example.org>\nSubject: Fwd: look\nContent-Type: multipart/mixed; boundary="o"\n\n'
    data = f"{head}--o\n\nlook\n--o\nContent-Type: message/rfc822\n\n{inner}\n--o--\n"
    assert isinstance(feedback.parse(data.encode()), Unknown)


@pytest.mark.parametrize(
    "headers",
    [
        {"subject": "Automatic reply: The World Brief"},
        {"subject": "Abwesenheitsnotiz"},
        {"subject": "Re: Brief", "auto_submitted": "auto-replied (vacation)"},
        {"subject": "Re: Brief", "x_autoreply": "yes"},
        {"subject": "=?utf-8?b?6Ieq5YuV6L+U5L+h?="},
    ],
)
def test_an_absence_is_an_automatic_reply(headers: dict[str, str]) -> None:
    found = feedback.parse(note("I am away until Monday; your message was not delivered to me.", **headers))
    assert isinstance(found, AutoReply)
    assert found.address == "reader@example.org"


@pytest.mark.parametrize(
    "subject",
    ["unsubscribe", "Unsubscribe", "Re: unsubscribe me please", "abmelden", "=?utf-8?q?d=C3=A9sinscription?="],
)
def test_a_wish_to_leave_is_a_withdrawal(subject: str) -> None:
    found = feedback.parse(note("", subject=subject))
    assert isinstance(found, Withdrawal)
    assert found.address == "reader@example.org"


def test_a_first_line_that_asks_to_leave_is_a_withdrawal_and_a_sentence_about_leaving_is_not() -> None:
    assert isinstance(feedback.parse(note("Unsubscribe.\n\n> quoted", subject="Re: The World Brief")), Withdrawal)
    assert isinstance(feedback.parse(note("How do I unsubscribe my aunt?", subject="A question")), Unknown)


def test_feedback_reports_say_who_complained() -> None:
    found = feedback.parse(arf("abuse"))
    assert isinstance(found, Complaint)
    assert (found.address, found.by_reader) == ("reader@example.org", True)


def test_a_report_on_authentication_is_nobodys_complaint() -> None:
    found = feedback.parse(arf("auth-failure"))
    assert isinstance(found, Complaint)
    assert (found.by_reader, found.fault) == (False, Fault.SENDER_AUTH)


def test_feedback_reports_may_be_withdrawals_or_notices() -> None:
    assert isinstance(feedback.parse(arf("opt-out")), Withdrawal)
    assert isinstance(feedback.parse(arf("not-spam")), Notice)


def test_our_token_is_found_where_the_mail_went_and_in_what_it_returns() -> None:
    token = returns.sign(KEY, 3, 4)
    there = f"Message-ID: <{token}@example.com>"
    assert feedback.parse(arf("abuse", original=there, rcpt="")).token == token
    assert bounce(report("550 5.1.1 User unknown", original=there)).token == token
    folded = f"To: b+{token.upper()}@bounces.example.com\n".encode() + report("550 5.1.1 User unknown")
    assert bounce(folded).token == token
    assert (
        feedback.parse(note("away", subject="Automatic reply: x", in_reply_to=f"<{token}@example.com>")).token == token
    )
    assert returns.read(KEY, token).recipient_id == 4
    assert not bounce(report("550 5.1.1 User unknown")).token


def test_a_notification_of_amazon_is_read_though_its_lines_are_broken() -> None:
    body = (
        '{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":\n '
        '"a@example.org","action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 user unkn\n own user'
        ' unknown"}]}}\n--\nunsubscribe'
    )
    found = bounce(note(body, subject="AWS Notification Message", from_="no-reply@sns.amazonaws.com"))
    assert (found.address, found.hard) == ("a@example.org", True)


HOSTILE: Final = {
    "nothing": b"",
    "only noise": bytes(range(256)) * 400,
    "NULs": b"\0" * 100_000,
    "one long line": b"a" * 2_000_000,
    "ten megabytes": report("550 5.1.1 User unknown") + b"x" * 10_000_000,
    "a header bomb": b"X: y\n" * 400_000,
    "one header without end": b"Subject: " + b"=?utf-8?q?" * 200_000,
    "folded without end": b"Subject: a\n" + b" b\n" * 300_000,
    "boundaries without end": b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n" * 300_000,
    "nested parts": b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(9_000)),
    "letters in letters": b"From: MAILER-DAEMON\nContent-Type: message/rfc822\n\n" * 50 + b"x",
    "a lie about the charset": b'From: <>\nContent-Type: text/plain; charset="zlib"\n\n550 user unknown',
    "a charset that is none": b'From: <>\nContent-Type: text/plain; charset="utf-99"\n\n\xff\xfe',
    "broken base64": b"From: <>\nContent-Transfer-Encoding: base64\n\n" + b"A" * 99_997,
    "addresses without end": b"From: MAILER-DAEMON\nSubject: failure notice\n\n" + b"<a@b.example>:\n\n" * 60_000,
    "almost addresses": b"From: MAILER-DAEMON\nSubject: failure notice\n\n" + b"a" * 500_000 + b"@" * 500_000,
    "codes without end": b"From: MAILER-DAEMON\nSubject: failure notice\n\n" + b"550 5.1.1 " * 100_000,
    "open tags": b"From: <>\nContent-Type: text/html\n\n" + b"<" * 1_000_000,
    "open styles": b"From: <>\nContent-Type: text/html\n\n" + b"<style" * 150_000,
    "deep JSON": b'From: <>\n\n{"bouncedRecipients":' + b"[" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_are_read_to_an_end(name: str) -> None:
    assert feedback.parse(HOSTILE[name]) is not None


@pytest.mark.parametrize("size", [0, 1, 7, 100, 400, 700, 1000])
def test_a_report_cut_off_anywhere_still_gives_a_kind(size: int) -> None:
    assert feedback.parse(report("550 5.1.1 User unknown")[:size]) is not None


LINES: Final = st.sampled_from(
    [
        *(b"From: MAILER-DAEMON", b"Subject: failure notice", b"", b"--b", b"--b--", b"{", b" ", b"=?utf-8?b?////?="),
        *(b"Content-Type: multipart/report; boundary=b", b"Content-Type: message/delivery-status", b"Action: failed"),
        *(b"Final-Recipient: rfc822;", b"Status: 5.", b"550 5.1.1", b"<a@b.example>:", b"Feedback-Type: abuse"),
        b"Content-Transfer-Encoding: base64",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(LINES | st.binary(max_size=40), max_size=30))
def test_any_lines_give_a_kind(lines: list[bytes]) -> None:
    found = feedback.parse(b"\n".join(lines))
    assert found == feedback.parse(b"\n".join(lines))
    assert isinstance(found, Bounce | Complaint | Withdrawal | AutoReply | Notice | Unknown)
