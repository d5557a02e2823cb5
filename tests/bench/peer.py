"""What we are compared with: the standard library as most Python programs use it, one message built per reader."""

import smtplib
from collections.abc import Iterable
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from newsletter.rendering.letter import Recipient
from newsletter.rendering.proof import Proof, blank


def message(proof: Proof, recipient: Recipient, date: datetime) -> EmailMessage:
    """The same letter: headers, text and HTML with this reader's address and links."""

    def filled(part: str) -> str:
        part = part.replace(blank(proof.nonce, "token"), recipient.token)
        return part.replace(blank(proof.nonce, "address"), recipient.address)

    local, _, domain = proof.sender.address.rpartition("@")
    one = EmailMessage(policy=SMTP)
    one["From"] = Address(proof.sender.name, local, domain)
    one["To"] = recipient.address
    one["Subject"] = proof.subject
    one["Date"] = format_datetime(date)
    one["Message-ID"] = f"<{recipient.return_token}@{domain}>"
    one["List-ID"] = f"{proof.list_name} <{proof.list_id}>"
    one["List-Unsubscribe"] = f"<{proof.site}/u/{recipient.token}>"
    one["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    one.set_content(filled(proof.text))
    one.add_alternative(filled(proof.html), subtype="html")
    return one


def send(proof: Proof, recipients: Iterable[Recipient], date: datetime, port: int) -> None:
    """One connection, one `send_message` per reader, no ledger."""
    with smtplib.SMTP("127.0.0.1", port) as relay:
        for recipient in recipients:
            relay.send_message(message(proof, recipient, date))
