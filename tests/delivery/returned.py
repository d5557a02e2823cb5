"""Returned mail for the tests, in the forms mail systems give it."""

from email.message import Message


def report(
    diagnostic: str,
    *,
    status: str = "",
    action: str = "failed",
    address: str = "reader@example.org",
    original: str = "Message-ID: <1@example.com>",
) -> bytes:
    """A delivery status report (RFC 3464) as a modern relay writes it."""
    status = status or next((word for word in diagnostic.split() if word.count(".") == 2 and word[0] in "245"), "5.0.0")
    return f"""\
Return-Path: <>
From: MAILER-DAEMON@relay.example.com (Mail Delivery System)
To: brief@example.com
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_b"

--=_b
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not
be delivered to one or more recipients.

<{address}>: host mx.example.org[192.0.2.1] said: {diagnostic} (in reply to RCPT TO command)

--=_b
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example.com

Final-Recipient: rfc822; {address}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {diagnostic}

--=_b
Content-Type: text/rfc822-headers

To: {address}
{original}

--=_b--
""".encode()


def arf(kind: str, *, original: str = "Message-ID: <1@example.com>", rcpt: str = "reader@example.org") -> bytes:
    """A feedback report (RFC 5965); without `rcpt` the reader's address is withheld."""
    known = f"Original-Rcpt-To: {rcpt}\n" if rcpt else ""
    return f"""\
From: complaints@isp.example
To: fbl@example.com
Subject: FW: The World Brief
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="=_a"

--=_a
Content-Type: text/plain

This is an email abuse report for an email message received from IP 192.0.2.2.
--=_a
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: Loop/1.0
Version: 1
{known}
--=_a
Content-Type: message/rfc822

From: brief@example.com
{original}

Body
--=_a--
""".encode()


def note(text: str, **headers: str) -> bytes:
    """A plain message; `_` in a header's name stands for a hyphen."""
    message = Message()
    for name, value in {"from_": "Reader <reader@example.org>", "to": "brief@example.com", **headers}.items():
        message[name.rstrip("_").replace("_", "-").title()] = value
    message.set_payload(text)
    return message.as_bytes()
