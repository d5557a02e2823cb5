"""The record of processing activities (GDPR 30), from the configuration in force. Pure.

What the program does is said here once; who does it, for how long and by whose servers comes from the settings.
"""

import html
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

from newsletter.config import Config


class Form(StrEnum):
    """How a record is written."""

    MD = "md"
    HTML = "html"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One processing activity: why, on what basis, whose data, who else sees it, and how long it is kept."""

    name: str
    purpose: str
    basis: str
    people: str
    data: str
    recipients: str
    kept: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The controller and everything it does with the data of people."""

    controller: str
    address: str
    contact: str
    activities: tuple[Activity, ...]
    measures: tuple[str, ...]


MEASURES = (
    "Addresses and evidence are encrypted, each person’s under a key of their own, kept apart from the database.",
    "Addresses are found by a keyed hash; links are signed; sessions are stored as hashes only.",
    "The consent ledger is append-only and hash-chained; an erasure destroys the person’s key, in old backups too.",
    "Nothing is sent from a restored backup until everybody who left since has been taken out again.",
)

# What depends on no setting.
ALWAYS: Final = (
    Activity(
        name="Keeping mailboxes from being flooded",
        purpose="to let nobody have more confirmation letters sent to a mailbox than it can bear",
        basis="legitimate interest, GDPR 6(1)(f)",
        people="whoever an address was typed for, and who typed it",
        data="keyed hashes of mailbox, domain and network, and of an address whose holder said it was not them",
        recipients="nobody",
        kept="30 days; of the network one day; 90 days where the holder said so",
    ),
    Activity(
        name="Legal claims",
        purpose="to keep what a claim needs of somebody who is erased",
        basis="legal claims, GDPR 17(3)(e)",
        people="those under a legal hold",
        data="address and evidence, sealed with a key that is not in the house; a keyed hash of the address",
        recipients="whoever must answer the claim",
        kept="until the hold ends",
    ),
    Activity(
        name="Requests of readers",
        purpose="to answer what readers ask for under their rights within a month",
        basis="legal obligation, GDPR 6(1)(c)",
        people="whoever asks",
        data="kind, days, channel, a keyed hash of the address until an erasure",
        recipients="nobody",
        kept="as proof that it was answered",
    ),
)


def record(config: Config) -> Record:
    """What this installation processes."""
    site, privacy = config.site, config.privacy
    papers = ", ".join(one.name for one in config.newsletters.values()) or "none"
    relay = f"the mail relay {', '.join(config.relay_hosts)}"
    left = f"until they leave, and {privacy.proof_months} months after that as proof; erased at once when they ask"
    return Record(
        controller=site.publisher,
        address=site.postal_address,
        contact=site.contact_address,
        activities=(
            Activity(
                name="Sending newsletters",
                purpose=f"to send {papers} to those who asked for it",
                basis="consent, GDPR 6(1)(a)",
                people="subscribers",
                data="address, language, subscriptions, consent with time, wording and coarse network",
                recipients=relay,
                kept=left,
            ),
            Activity(
                name="Sign-up requests",
                purpose="to let the holder of an address confirm that the request was theirs",
                basis="steps at their request and legitimate interest, GDPR 6(1)(b) and (f)",
                people="whoever an address was typed for",
                data="address, time, wording, coarse network",
                recipients=relay,
                kept=f"{config.signup.confirm_hours} hours, and 7 days more when nobody confirmed",
            ),
            *ALWAYS,
            Activity(
                name="Not writing to people",
                purpose="to keep imports and restored backups from writing to those who left or objected",
                basis="legal obligation and legitimate interest, GDPR 6(1)(c) and (f), 21(3)",
                people="those who left, objected, complained or were erased",
                data="a keyed hash of the address, reason and month",
                recipients="nobody",
                kept=f"until the holder comes back; the restore journal {privacy.journal_days} days",
            ),
            Activity(
                name="Desk accounts",
                purpose="to know who wrote, approved and sent an edition",
                basis="legitimate interest, GDPR 6(1)(f)",
                people="staff",
                data="name, role, hash of the password, what was done when",
                recipients="nobody",
                kept=f"as long as the account; a session {config.web.session_hours} hours",
            ),
        ),
        measures=MEASURES,
    )


def written(one: Record, form: Form) -> str:
    """The record as a person or a program reads it."""
    if form is Form.JSON:
        return json.dumps(asdict(one), ensure_ascii=False, indent=2)
    head = ("# ", "## ", "- ") if form is Form.MD else ("h1", "h2", "li")
    lines = [(head[0], f"Record of processing activities: {one.controller}")]
    lines += [(head[2], text) for text in (one.address, one.contact) if text]
    for activity in one.activities:
        lines.append((head[1], activity.name))
        lines += [(head[2], f"{name}: {value}") for name, value in asdict(activity).items() if name != "name"]
    lines.append((head[1], "Security (GDPR 32)"))
    lines += [(head[2], text) for text in one.measures]
    if form is Form.MD:
        return "\n".join(f"{mark}{text}" for mark, text in lines)
    body = "\n".join(f"<{tag}>{html.escape(text)}</{tag}>" for tag, text in lines)
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Record of processing</title>\n{body}\n</html>'
    )
