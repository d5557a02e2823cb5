"""What an address is, before it becomes anybody's: parsing, the one normal form, the masked form. Pure, no DNS."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

from email_validator import EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES

from subscribers.errors import InvalidAddress

# RFC 5321 4.5.3.1.3 allows a path of 256 octets, its angle brackets included.
MAX_OCTETS: Final = 254
MAX_LOCAL_OCTETS: Final = 64
# Providers that deliver a.b+c@ and ab@ to the same mailbox.
DOTLESS_DOMAINS: Final = {"gmail.com": "gmail.com", "googlemail.com": "gmail.com"}
# A local part nobody could object to (the letters, digits and commonest signs of RFC 5322's dot-atom).
_PLAIN: Final = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address we could write to: the local part as typed, the domain as lower-case A-labels (RFC 5890)."""

    text: str
    local: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what somebody typed. Spaces around it are forgiven; everything doubtful raises InvalidAddress."""
        typed = text.strip(" \t")
        if not typed:
            raise InvalidAddress(text, "an address is needed")
        # Before any parsing: a hostile text of megabytes must not cost anything.
        if len(typed) > MAX_OCTETS:
            raise InvalidAddress(text, f"an address has at most {MAX_OCTETS} characters")
        try:
            local, domain = _parts(typed)
        except (EmailNotValidError, UnicodeError) as error:
            raise InvalidAddress(text, str(error)) from error
        # user%host@relay asks a relay to pass the letter on: a way around suppression, and nobody's mailbox.
        if "%" in local:
            raise InvalidAddress(text, "an address may not contain a percent sign")
        if len(local.encode()) > MAX_LOCAL_OCTETS:
            raise InvalidAddress(text, f"the part before the @ has at most {MAX_LOCAL_OCTETS} octets")
        if len(f"{local}@{domain}".encode()) > MAX_OCTETS:
            raise InvalidAddress(text, f"an address has at most {MAX_OCTETS} octets")
        return cls(text=f"{local}@{domain}", local=local, domain=domain)

    @property
    def identity(self) -> str:
        """The same for every spelling that is one subscriber: case and Unicode composition do not count."""
        if self.local.isascii():
            return f"{self.local.lower()}@{self.domain}"
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", self.local).casefold())
        return f"{folded}@{self.domain}"

    @property
    def mailbox(self) -> str:
        """Where letters probably end up, for counting only: tags fold away, and dots where the provider does so."""
        local, _, domain = self.identity.rpartition("@")
        local = local.partition("+")[0] or local
        if domain in DOTLESS_DOMAINS:
            local, domain = local.replace(".", ""), DOTLESS_DOMAINS[domain]
        return f"{local}@{domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a relay with SMTPUTF8 (RFC 6531) can take it."""
        return not self.local.isascii()

    @property
    def masked(self) -> str:
        """The form for screens and logs: `a…@example.org`."""
        return f"{self.local[:1]}…@{self.domain}"


def _parts(typed: str) -> tuple[str, str]:
    """Local part and domain. Of a list of people most share a domain, which is then looked at once."""
    local, _, domain = typed.rpartition("@")
    ordinary = len(local) <= MAX_LOCAL_OCTETS and local.lower() not in CASE_INSENSITIVE_MAILBOX_NAMES
    if ordinary and _PLAIN.fullmatch(local):
        return local, _domain(domain)
    return _validated(typed)


@lru_cache(maxsize=4_096)
def _domain(domain: str) -> str:
    return _validated(f"a@{domain}")[1]


def _validated(typed: str) -> tuple[str, str]:
    # `test_environment` admits the reserved top-level name "test", to which nothing can ever be delivered.
    found = validate_email(typed, check_deliverability=False, strict=True, test_environment=True)
    return found.local_part or "", found.ascii_domain.lower()
