"""What we are compared with: a message built and signed for each reader, as most Python programs do it.

`python -m tests.bench.peer CLIENT PORT FILE` sends those of a file in a process of its own. Nothing of the product is
read here, so that it runs where only the peers are installed.
"""

import asyncio
import json
import smtplib
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Self

import dkim as dkimpy

from tests.bench.children import go, say

HOST: Final = "127.0.0.1"
CONNECTIONS: Final = 8
ABSENT: Final = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who gets a letter, and what makes it theirs."""

    address: str
    token: str
    return_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What all letters share; `blanks` stand in text and HTML for the reader's address and token."""

    sender: tuple[str, str]
    subject: str
    listed: tuple[str, str]
    site: str
    at: str
    text: str
    html: str
    blanks: tuple[str, str]

    def filled(self, part: str, reader: Reader) -> str:
        address, token = self.blanks
        return part.replace(token, reader.token).replace(address, reader.address)

    def headers(self, reader: Reader) -> dict[str, str]:
        """Those beside From, To and Subject."""
        name, place = self.listed
        return {
            "Date": format_datetime(datetime.fromisoformat(self.at)),
            "Message-ID": f"<{reader.return_token}@{self.sender[1].rpartition('@')[2]}>",
            "List-ID": f"{name} <{place}>",
            "List-Unsubscribe": f"<{self.site}/u/{reader.token}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }

    def message(self, reader: Reader) -> EmailMessage:
        """The letter: headers, text and HTML with this reader's address and links."""
        local, _, domain = self.sender[1].rpartition("@")
        one = EmailMessage(policy=SMTP)
        one["From"] = Address(self.sender[0], local, domain)
        one["To"] = reader.address
        one["Subject"] = self.subject
        for name, value in self.headers(reader).items():
            one[name] = value
        one.set_content(self.filled(self.text, reader))
        one.add_alternative(self.filled(self.html, reader), subtype="html")
        return one


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What dkimpy signs with: the private key in PEM, or an Ed25519 one in base64; and the headers it covers."""

    algorithm: str
    selector: str
    domain: str
    secret: str
    covered: tuple[str, ...]

    def sign(self, message: bytes) -> bytes:
        """The message with its signature on top."""
        field: bytes = dkimpy.sign(
            message,
            self.selector.encode(),
            self.domain.encode(),
            self.secret.encode(),
            canonicalize=(b"relaxed", b"relaxed"),
            signature_algorithm=f"{self.algorithm}-sha256".encode(),
            include_headers=[name.encode() for name in self.covered],
        )
        return field + message


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Letters to send: who they are for, what they are made from and signed with."""

    pattern: Pattern
    seal: Seal
    readers: tuple[Reader, ...]

    @classmethod
    def read(cls, file: Path) -> Self:
        told = json.loads(file.read_text("utf-8"))
        return cls(
            pattern=Pattern(**told["pattern"]),
            seal=Seal(**told["seal"]),
            readers=tuple(Reader(**one) for one in told["readers"]),
        )

    def write(self, file: Path) -> Path:
        file.write_text(json.dumps(asdict(self)), "utf-8")
        return file

    @property
    def sender(self) -> str:
        return self.pattern.sender[1]

    def letter(self, reader: Reader) -> bytes:
        return self.seal.sign(self.pattern.message(reader).as_bytes())


def by_smtplib(job: Job, port: int) -> None:
    """One connection, kept open."""
    with smtplib.SMTP(HOST, port, local_hostname="localhost") as relay:
        for reader in job.readers:
            relay.sendmail(job.sender, [reader.address], job.letter(reader))


def by_aiosmtplib(job: Job, port: int) -> None:
    """Eight connections, kept open, each with a task of its own."""
    import aiosmtplib

    async def lane(readers: tuple[Reader, ...]) -> None:
        async with aiosmtplib.SMTP(hostname=HOST, port=port, local_hostname="localhost", start_tls=False) as relay:
            for reader in readers:
                await relay.sendmail(job.sender, [reader.address], job.letter(reader))

    async def lanes() -> None:
        await asyncio.gather(*(lane(job.readers[n::CONNECTIONS]) for n in range(CONNECTIONS)))

    asyncio.run(lanes())


def by_django(job: Job, port: int) -> None:
    """The connection of its SMTP backend, kept open; a message of its own kind for each reader."""
    from django.core.mail import EmailMultiAlternatives
    from django.core.mail.backends.smtp import EmailBackend

    pattern = job.pattern
    backend = EmailBackend(host=HOST, port=port)
    backend.open()
    for reader in job.readers:
        one = EmailMultiAlternatives(
            subject=pattern.subject,
            body=pattern.filled(pattern.text, reader),
            from_email=formataddr(pattern.sender),
            to=[reader.address],
            headers=pattern.headers(reader),
        )
        one.attach_alternative(pattern.filled(pattern.html, reader), "text/html")
        # What the backend does with a message, and a signature between.
        signed = job.seal.sign(one.message().as_bytes(linesep="\r\n"))
        backend.connection.sendmail(job.sender, [reader.address], signed)
    backend.close()


CLIENTS: Final[Mapping[str, Callable[[Job, int], None]]] = {
    "smtplib": by_smtplib,
    "aiosmtplib": by_aiosmtplib,
    "django": by_django,
}


def main(client: str, port: str, file: str) -> None:
    """Say that it is absent, or ready; when told to go, send, and say how many seconds that took."""
    if find_spec(client) is None:
        say(ABSENT)
        return
    if client == "django":
        _settle_django()
    job = Job.read(Path(file))
    go()
    began = time.perf_counter()
    CLIENTS[client](job, int(port))
    say(str(time.perf_counter() - began))


def _settle_django() -> None:
    """Read Django, and let it ask for this machine's name, which may take seconds that are no part of sending."""
    from django.conf import settings
    from django.core.mail.utils import DNS_NAME

    configured: Any = settings
    configured.configure()
    DNS_NAME.get_fqdn()


if __name__ == "__main__":
    main(*sys.argv[1:])
