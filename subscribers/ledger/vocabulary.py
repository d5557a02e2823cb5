"""The words of a receipt: prefixes, the DPV 2.3 terms that exist, and what each kind of event is called there. Pure."""

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Final

from subscribers.ledger.evidence import Kind

CONTEXT: Final[Mapping[str, object]] = {
    "dpv": "https://w3id.org/dpv#",
    "pd": "https://w3id.org/dpv/pd#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "dct": "http://purl.org/dc/terms/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "schema": "https://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "wb": "urn:world-brief:consent:",
    "wb:path": {"@container": "@list"},
    "wb:events": {"@container": "@list"},
}
SCHEMA: Final = "https://w3id.org/dpv/schema/dpv-27560#"
TERMS: Final = frozenset(
    line
    for line in (files("subscribers.ledger") / "dpv-2.3.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
)
# The kinds that are states of a consent; the others are facts beside it.
STATUSES: Final[Mapping[Kind, str]] = {
    Kind.REQUESTED: "dpv:ConsentRequested",
    Kind.GIVEN: "dpv:ConsentGiven",
    Kind.RENEWED: "dpv:RenewedConsentGiven",
    Kind.IMPORTED: "dpv:ConsentGiven",
    Kind.IMPORTED_WITHOUT_EVIDENCE: "dpv:ConsentUnknown",
    Kind.REFUSED: "dpv:ConsentRefused",
    Kind.WITHDRAWN: "dpv:ConsentWithdrawn",
    Kind.OBJECTED: "dpv:ConsentWithdrawn",
    Kind.EXPIRED: "dpv:ConsentExpired",
    Kind.SUPPRESSED: "dpv:ConsentRevoked",
    Kind.INVALIDATED: "dpv:ConsentInvalidated",
}
_TERM: Final = re.compile(r"(?:dpv|pd|eu-gdpr):[A-Za-z0-9-]+")


def unknown(document: object) -> set[str]:
    """The terms in a document, keys and values, that DPV 2.3 does not have."""
    return {one for one in _strings(document) if _TERM.fullmatch(one)} - TERMS


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)
