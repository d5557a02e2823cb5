"""What the exports of other platforms look like: which columns say who, in what standing, and what proves a consent.

Data, and the little that reads it; pure. A platform keeps no copy of the words people were shown, so its times and
sources prove something only together with the wording an operator attests.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Standing(StrEnum):
    """What a row says of its person."""

    SUBSCRIBED = "subscribed"
    UNCONFIRMED = "unconfirmed"
    LEFT = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    BLOCKED = "blocked"


LEAVING: Final = frozenset({Standing.LEFT, Standing.BOUNCED, Standing.COMPLAINED, Standing.BLOCKED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A column whose value gives a standing: one of `values`, or a pattern found in it, or anything at all."""

    column: str
    means: Standing
    values: frozenset[str] = frozenset()
    pattern: str = ""

    def fits(self, value: str) -> bool:
        low = value.strip().lower()
        if self.pattern:
            return re.search(self.pattern, low) is not None
        return low in self.values if self.values else bool(low)


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """Two columns that together show an opt-in: when it was, and from where."""

    given_at: str
    source: str
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """One kind of export. A file is one when its header has all columns of one of `signs`; names in lower case."""

    name: str
    title: str
    signs: tuple[frozenset[str], ...]
    email: tuple[str, ...] = ("email",)
    rules: tuple[Rule, ...] = ()
    otherwise: Standing = Standing.UNCONFIRMED
    witnesses: tuple[Witness, ...] = ()
    left_at: tuple[str, ...] = ()
    # A column that stands only in the export of those who left, and the one that tells a mixed export.
    only_left: tuple[tuple[str, str, Standing], ...] = ()
    newsletter: str = ""
    neutralised: bool = False


def _is(column: str, values: str, means: Standing) -> Rule:
    return Rule(column=column, means=means, values=frozenset(values.split("|")))


def _filled(column: str, means: Standing) -> Rule:
    return Rule(column=column, means=means)


OWN_COLUMNS: Final = (
    "address",
    "newsletter",
    "state",
    "ended_reason",
    "since",
    "consent_kind",
    "consent_at",
    "consent_source",
    "consent_wording",
    "consent_method",
)
EVIDENCE_COLUMNS: Final = ("consent_at", "consent_source", "consent_wording", "consent_method")
ADDRESS_COLUMNS: Final = ("email", "e-mail", "address", "email address", "e-mail address")
SYNONYMS: Final = {"consent_text": "consent_wording"}

CSV: Final = Loader(
    name="csv",
    title="a CSV of our own columns",
    signs=tuple(frozenset({column}) for column in (*EVIDENCE_COLUMNS, *SYNONYMS)),
    email=ADDRESS_COLUMNS,
    otherwise=Standing.SUBSCRIBED,
)
OWN: Final = Loader(
    name="worldbrief",
    title="an export of World Brief",
    signs=(frozenset(OWN_COLUMNS),),
    email=("address",),
    rules=(
        _is("state", "suppressed", Standing.BLOCKED),
        _is("ended_reason", "complained|objected", Standing.COMPLAINED),
        _is("ended_reason", "bounced", Standing.BOUNCED),
        _is("state", "ended", Standing.LEFT),
        _is("state", "active", Standing.SUBSCRIBED),
    ),
    left_at=("since",),
    newsletter="newsletter",
    neutralised=True,
)
LISTMONK: Final = Loader(
    name="listmonk",
    title="listmonk",
    signs=(frozenset({"uuid", "email", "name", "attributes", "status", "created_at", "updated_at"}),),
    rules=(
        _is("status", "blocklisted|blacklisted", Standing.BLOCKED),
        _is("status", "disabled|unsubscribed", Standing.LEFT),
        _is("status", "enabled", Standing.SUBSCRIBED),
    ),
    left_at=("updated_at",),
)
# Audience exports come as one file per status; only rows with the network a form was sent from were opted in by one,
# the others were added or imported there, and their CONFIRM_TIME is the moment of that.
MAILCHIMP: Final = Loader(
    name="mailchimp",
    title="Mailchimp",
    signs=(frozenset({"email address", "leid", "euid"}), frozenset({"email address", "optin_time", "confirm_time"})),
    email=("email address",),
    rules=(
        Rule(column="unsub_reason", means=Standing.COMPLAINED, pattern="abuse|spam|complain"),
        _is("status", "cleaned", Standing.BOUNCED),
        _is("status", "unsubscribed|archived|deleted", Standing.LEFT),
        _is("status", "nonsubscribed|non-subscribed|transactional|pending", Standing.UNCONFIRMED),
        _filled("clean_time", Standing.BOUNCED),
        _filled("unsub_time", Standing.LEFT),
    ),
    otherwise=Standing.SUBSCRIBED,
    witnesses=(
        Witness(given_at="confirm_time", source="confirm_ip", method="double opt-in"),
        Witness(given_at="optin_time", source="optin_ip", method="sign-up form"),
    ),
    left_at=("unsub_time", "clean_time", "last_changed"),
    only_left=(("clean_time", "unsub_time", Standing.BOUNCED), ("unsub_time", "clean_time", Standing.LEFT)),
)
GHOST: Final = Loader(
    name="ghost",
    title="Ghost",
    signs=(frozenset({"email", "subscribed_to_emails", "complimentary_plan", "stripe_customer_id", "created_at"}),),
    rules=(
        _filled("deleted_at", Standing.LEFT),
        _is("subscribed_to_emails", "false|0|no", Standing.LEFT),
        _is("subscribed_to_emails", "true|1|yes", Standing.SUBSCRIBED),
    ),
    left_at=("deleted_at",),
)
SUBSTACK: Final = Loader(
    name="substack",
    title="Substack",
    signs=(frozenset({"email", "active_subscription", "expiry", "email_disabled", "created_at"}),),
    rules=(
        _is("email_disabled", "true|1|yes", Standing.LEFT),
        _is("email_disabled", "false|0|no", Standing.SUBSCRIBED),
    ),
)
KEILA: Final = Loader(
    name="keila",
    title="Keila",
    signs=(frozenset({"email", "first name", "last name", "data", "status"}),),
    rules=(
        _is("status", "unsubscribed", Standing.LEFT),
        _is("status", "unreachable", Standing.BOUNCED),
        _is("status", "active", Standing.SUBSCRIBED),
    ),
)
# Its header names columns by their descriptions, which called people users in 2 and subscribers in 3.
_PHPLIST: Final = ("subscriber", "user")
PHPLIST: Final = Loader(
    name="phplist",
    title="phpList",
    signs=tuple(frozenset({"email", f"is this {who} confirmed", f"is this {who} blacklisted"}) for who in _PHPLIST),
    rules=(
        *(_is(f"is this {who} blacklisted", "1|yes|true", Standing.BLOCKED) for who in _PHPLIST),
        _is("is this account disabled?", "1|yes|true", Standing.LEFT),
        *(_is(f"is this {who} confirmed", "0|no|false", Standing.UNCONFIRMED) for who in _PHPLIST),
        *(_is(f"is this {who} confirmed", "1|yes|true", Standing.SUBSCRIBED) for who in _PHPLIST),
    ),
    left_at=("last modified",),
)
LOADERS: Final = {one.name: one for one in (CSV, OWN, LISTMONK, MAILCHIMP, GHOST, SUBSTACK, KEILA, PHPLIST)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the rows of one file are read: its loader, and the place of each column it knows."""

    loader: Loader
    places: dict[str, int]
    width: int
    email: int
    # What a file says of everybody in it.
    all_are: Standing | None = None

    def standing(self, values: dict[str, str]) -> Standing:
        """What a row says of its person, the gravest first."""
        for rule in self.loader.rules:
            if rule.fits(values.get(rule.column, "")):
                return rule.means
        return self.all_are or self.loader.otherwise


def plan(header: Sequence[str], wanted: str, file: str) -> Plan:
    """Find the loader of a file by its header, or use the one that is `wanted`; raises ValueError saying why not."""
    names = [name.strip().lower() for name in header]
    loader = LOADERS.get(wanted) if wanted else _detected(frozenset(names))
    if loader is None:
        raise ValueError(f"there is no loader {wanted!r}; there are {', '.join(LOADERS)}")
    if wanted and loader is not CSV and not any(signs <= set(names) for signs in loader.signs):
        raise ValueError(f"this is no export of {loader.title}: its header has other columns")
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        known = _known(name, header[place], loader)
        if known in places and known in {"email", *EVIDENCE_COLUMNS}:
            raise ValueError(f"two columns say {known}")
        # phpList ends every row with a delimiter, other exports repeat columns: the first one of a name counts.
        places.setdefault(known, place)
    if "email" not in places:
        raise ValueError("no column `email`; the first row names the columns")
    return Plan(
        loader=loader, places=places, width=len(names), email=places["email"], all_are=_all_are(loader, names, file)
    )


def _known(name: str, typed: str, loader: Loader) -> str:
    if name in loader.email:
        return "email"
    name = SYNONYMS.get(name, name)
    if loader is CSV and name.startswith("consent") and name not in EVIDENCE_COLUMNS:
        near = difflib.get_close_matches(name, EVIDENCE_COLUMNS, n=1, cutoff=0)[0]
        raise ValueError(f"unknown column {typed.strip()[:40]!r}; did you mean {near}?")
    return name


def _detected(names: frozenset[str]) -> Loader:
    fitting = [one for one in LOADERS.values() if any(signs <= names for signs in one.signs)]
    if OWN in fitting:
        return OWN
    if len(fitting) > 1:
        found = " or ".join(one.name for one in fitting)
        raise ValueError(f"this may be {found}; say which with --from")
    return fitting[0] if fitting else CSV


def _all_are(loader: Loader, names: Sequence[str], file: str) -> Standing | None:
    for column, mixed, means in loader.only_left:
        if column in names and mixed not in names:
            return means
    # The one export whose header does not tell it from that of the subscribed.
    if loader is MAILCHIMP and file.lower().startswith(("nonsubscribed", "non-subscribed")):
        return Standing.UNCONFIRMED
    return None
