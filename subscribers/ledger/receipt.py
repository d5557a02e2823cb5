"""A consent receipt as ISO/IEC TS 27560 has it, in the W3C Data Privacy Vocabulary (JSON-LD). Pure.

Every status in it carries the ledger's own bytes, the path to a signed checkpoint and the personal evidence, so that
whoever holds the receipt and the ledger's public key can check it without us: see `check`.
"""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from subscribers.errors import InvalidCheckpoint, ReceiptRefused
from subscribers.instants import to_text
from subscribers.ledger import evidence, merkle, vocabulary
from subscribers.ledger.evidence import Actor, Kind
from subscribers.ledger.signed_notes import Verifier

UNTIL: Final = "until consent is withdrawn, and for the time within which it may have to be proved"
VALID: Final = "until it is withdrawn"
RIGHTS: Final = ("A7-3", "A13", "A15", "A16", "A17", "A18", "A20", "A21", "A77")
PURPOSE: Final = "sending the newsletter that was asked for"
WAY_OUT: Final = "the unsubscribe link in every letter"
# How the texts a header names are called: what asked for consent, what informed of it, and what is agreed to beside it.
SHOWN: Final[Mapping[str, str]] = {
    "wording": "dpv:ConsentNotice",
    "notice": "dpv:PrivacyNotice",
    "terms": "dpv:TermsOfService",
}
_NOT_AVAILABLE: Final[dict[str, Any]] = {"dpv:hasApplicability": [{"@id": "dpv:NotAvailable"}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who is responsible, as the newsroom says of itself; what is empty was not told."""

    name: str
    address: str
    contact: str
    url: str
    country: str
    authority: str
    relay: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A text the person was shown, as it was then."""

    digest: str
    language: str
    text: str = field(repr=False)
    effective_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """One event with all that proves it: the stored header, the opened payload, the path to the checkpoint's root."""

    seq: int
    kind: Kind
    header: str
    payload: str = field(repr=False)
    previous: bytes
    path: Sequence[bytes]

    @property
    def told(self) -> dict[str, Any]:
        """What the header says."""
        return dict(json.loads(self.header))

    @property
    def evidence(self) -> dict[str, Any]:
        """What the payload says, but for its salt."""
        return {name: value for name, value in json.loads(self.payload).items() if name != "salt"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """Everything a receipt is made of."""

    issuer: Issuer
    subject: bytes
    newsletters: Mapping[str, str]
    events: Sequence[Certified]
    texts: Mapping[str, Shown]
    checkpoint: str
    receipt_id: bytes
    made_at: datetime


def make(matter: Matter) -> dict[str, Any]:
    """The receipt as JSON-LD; its context stands in itself, so that nothing need be fetched to read it."""
    papers = dict.fromkeys(str(one.told["newsletter"]) for one in matter.events)
    return {
        "@context": dict(vocabulary.CONTEXT),
        "@type": ["dpv:ConsentReceipt"],
        "dct:conformsTo": [{"@id": f"{vocabulary.SCHEMA}receipt-eu-gdpr"}],
        "dpv:hasIdentifier": [str(uuid.UUID(bytes=matter.receipt_id, version=4))],
        "dct:created": [to_text(matter.made_at)],
        "dpv:hasRecordOfActivity": [_record(matter, paper) for paper in papers],
        "wb:ledgerProof": [
            {
                "wb:checkpoint": [matter.checkpoint],
                "wb:events": [_proof(one) for one in matter.events],
            }
        ],
    }


def check(document: object, verifier: Verifier) -> int:
    """How many events a receipt proves, each checked from its bytes to the signature. Raises ReceiptRefused."""
    try:
        return _checked(document, verifier)
    except InvalidCheckpoint as error:
        raise ReceiptRefused(f"the checkpoint: {error}") from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ReceiptRefused):
            raise
        raise ReceiptRefused("that is no receipt of this kind") from error


def _checked(document: Any, verifier: Verifier) -> int:
    [proof] = document["wb:ledgerProof"]
    claim = verifier.open(proof["wb:checkpoint"][0])
    proved: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
    for one in proof["wb:events"]:
        seq, payload = int(one["wb:seq"]), one["wb:payload"]
        committed = evidence.commitment(payload.encode())
        entry = evidence.entry(bytes.fromhex(one["wb:previous"]), one["wb:header"].encode(), committed)
        path = [bytes.fromhex(step) for step in one["wb:path"]]
        header = json.loads(one["wb:header"])
        if header["seq"] != seq or not merkle.included(entry, seq - 1, claim.size, path, claim.root):
            raise ReceiptRefused(f"event {seq} is not in the ledger the checkpoint was made of")
        proved[seq] = header, json.loads(payload)
    for record in document["dpv:hasRecordOfActivity"]:
        _agrees(record, proved)
    strange = vocabulary.unknown(document)
    if strange:
        raise ReceiptRefused(f"there is no {', '.join(sorted(strange))} in DPV 2.3")
    return len(proved)


def _agrees(record: Any, proved: Mapping[int, tuple[dict[str, Any], dict[str, Any]]]) -> None:
    """What the record says for people to read is what the proved bytes say."""
    texts = [*record["dpv:hasNotice"], *record.get("dpv:hasContractualClause", [])]
    shown = {one["dpv:hasIdentifier"][0]: one["dct:description"][0] for one in texts if "dpv:hasIdentifier" in one}
    for digest, text in shown.items():
        if evidence.digest(text) != digest:
            raise ReceiptRefused(f"the text shown is not that of digest {digest[:16]}")
    [process] = record["dpv:hasProcess"]
    [subject] = record["dpv:hasDataSubject"]
    for status in process["dpv:hasConsentStatus"]:
        seq = status["wb:seq"]
        if seq not in proved:
            raise ReceiptRefused(f"event {seq} is not proved")
        header, payload = proved[seq]
        told = (
            status["@type"][0],
            status["dpv:isIndicatedAtTime"],
            process["dpv:hasIdentifier"],
            subject["dpv:hasIdentifier"],
            status["dpv:hasIndicationMethod"],
        )
        kind = Kind(header["kind"])
        held = (vocabulary.STATUSES[kind], [_when(payload)], [header["newsletter"]], [header["subject"]])
        if told != (*held, [payload["method"]]):
            raise ReceiptRefused(f"event {seq} says something else than the receipt")
        for name in SHOWN:
            if header.get(name) and header[name] not in shown:
                raise ReceiptRefused(f"the {name} of event {seq} is not shown")


def _record(matter: Matter, paper: str) -> dict[str, Any]:
    events = [one for one in matter.events if one.told["newsletter"] == paper]
    shown = _shown(matter, events)
    texts = [_text(matter, kind, one) for kind, one in shown]
    terms = [one for one in texts if one["@type"] == [SHOWN["terms"]]]
    made = evidence.digest(f"wb/record/v1 {matter.subject.hex()} {paper}")
    return {
        "@type": ["dpv:ConsentRecord"],
        "dct:conformsTo": [{"@id": f"{vocabulary.SCHEMA}record-eu-gdpr"}],
        "dpv:hasIdentifier": [str(uuid.UUID(hex=made[:32], version=4))],
        "dct:language": sorted({one.language for _, one in shown}) or ["und"],
        "dpv:hasDataSubject": [
            {"@id": _subject(matter), "@type": ["dpv:DataSubject"], "dpv:hasIdentifier": [matter.subject.hex()]}
        ],
        "dpv:hasNotice": [one for one in texts if one not in terms] or [_NOT_AVAILABLE],
        **({"dpv:hasContractualClause": terms} if terms else {}),
        "dpv:hasProcess": [_process(matter, paper, events)],
    }


def _process(matter: Matter, paper: str, events: Sequence[Certified]) -> dict[str, Any]:
    return {
        "@type": ["dpv:Process"],
        "dpv:hasIdentifier": [paper],
        "dpv:hasService": [{"@type": ["dpv:Service"], "skos:prefLabel": [matter.newsletters.get(paper, paper)]}],
        "dpv:hasPurpose": [{"@type": ["dpv:DirectMarketing"], "skos:prefLabel": [PURPOSE]}],
        "dpv:hasLegalBasis": [{"@id": "eu-gdpr:A6-1-a"}],
        "dpv:hasPersonalData": _personal_data(events),
        "dpv:hasProcessing": [{"@id": f"dpv:{one}"} for one in ("Collect", "Store", "Use", "Transmit")],
        "dpv:hasDataSource": _sources(events),
        "dpv:hasStorageCondition": [
            {"@type": ["dpv:StorageLocation"], "dpv:hasLocation": [_known(matter.issuer.country)]},
            {"@type": ["dpv:StorageDuration"], "dpv:hasDuration": [_until(UNTIL)]},
        ],
        "dpv:hasJurisdiction": [_known(matter.issuer.country)],
        "dpv:hasAuthority": [_authority(matter.issuer)],
        "dpv:hasDataController": [_controller(matter.issuer)],
        "dpv:hasRecipient": [{"@id": matter.issuer.url}, _relay(matter.issuer)],
        "dpv:hasConsentControl": [
            {"@type": ["dpv:WithdrawConsent"], "dpv:isExercisedAt": [WAY_OUT]},
            {"@type": ["dpv:ProvideConsent"], "dpv:isExercisedAt": [{"@id": f"{matter.issuer.url}/"}]},
        ],
        "dpv:hasRight": [{"@id": f"eu-gdpr:{one}"} for one in RIGHTS],
        "dpv:hasConsentStatus": [_status(matter, one) for one in events if one.kind in vocabulary.STATUSES],
        "wb:beside": [
            {"wb:seq": one.seq, "wb:kind": one.kind.value, "dct:date": [str(one.told["day"])]}
            for one in events
            if one.kind not in vocabulary.STATUSES
        ],
    }


def _status(matter: Matter, one: Certified) -> dict[str, Any]:
    held = one.evidence
    actor = one.told["actor"]
    by = _subject(matter) if actor == Actor.SUBJECT else matter.issuer.url
    # Of an import without evidence nobody knows how consent was expressed, if it was.
    basis = "Consent" if one.kind is Kind.IMPORTED_WITHOUT_EVIDENCE else "ExpressedConsent"
    return {
        "@type": [vocabulary.STATUSES[one.kind]],
        "dpv:hasLegalBasis": [{"@id": f"dpv:{basis}"}],
        "dpv:isIndicatedAtTime": [_when(held)],
        "dpv:isIndicatedBy": [{"@id": by}],
        "dpv:hasIndicationMethod": [held["method"]],
        "dpv:isExercisedAt": [held.get("source") or held["method"]],
        "dpv:hasDuration": [_until(VALID)],
        "wb:seq": one.seq,
        "wb:evidence": [{f"wb:{name}": [value] for name, value in held.items()}],
    }


def _proof(one: Certified) -> dict[str, Any]:
    return {
        "wb:seq": one.seq,
        "wb:header": one.header,
        "wb:payload": one.payload,
        "wb:previous": one.previous.hex(),
        "wb:path": [step.hex() for step in one.path],
    }


def _shown(matter: Matter, events: Iterable[Certified]) -> list[tuple[str, Shown]]:
    named = dict.fromkeys((one.told.get(name), kind) for one in events for name, kind in SHOWN.items())
    return [(kind, matter.texts[digest]) for digest, kind in named if digest and digest in matter.texts]


def _text(matter: Matter, kind: str, one: Shown) -> dict[str, Any]:
    told: dict[str, Any] = {
        "@type": [kind],
        "dpv:hasIdentifier": [one.digest],
        "dct:language": [one.language],
        "dct:description": [one.text],
    }
    if one.effective_on is not None:
        page = "terms" if kind == SHOWN["terms"] else "privacy"
        told["dct:date"] = [one.effective_on.isoformat()]
        told["dpv:hasLocation"] = [{"@id": f"{matter.issuer.url}/legal/{page}/{one.digest}"}]
    return told


def _controller(issuer: Issuer) -> dict[str, Any]:
    return {
        "@id": issuer.url,
        "@type": ["dpv:DataController"],
        "dpv:hasIdentifier": [issuer.url],
        "dpv:hasName": [issuer.name],
        "dpv:hasAddress": [_known(issuer.address)],
        "dpv:hasContact": [_known(issuer.contact)],
        "schema:url": [{"@id": f"{issuer.url}/"}],
    }


def _relay(issuer: Issuer) -> dict[str, Any]:
    """Who carries the letters: of its provider we know the name alone, and answer for it."""
    return {
        "@type": ["dpv:DataProcessor"],
        "dpv:hasIdentifier": [issuer.relay],
        "dpv:hasName": [issuer.relay],
        "dpv:hasAddress": [_NOT_AVAILABLE],
        "dpv:hasContact": [_known(issuer.contact)],
    }


def _authority(issuer: Issuer) -> dict[str, Any]:
    return {"@type": ["dpv:DataProtectionAuthority"], "dpv:hasName": [_known(issuer.authority)]}


def _personal_data(events: Sequence[Certified]) -> list[dict[str, Any]]:
    networked = any(one.evidence.get("network") for one in events)
    kinds = {"EmailAddress": "Required", "Language": "Optional", **({"IPAddress": "Optional"} if networked else {})}
    return [{"@type": [f"pd:{kind}"], "dpv:hasNecessity": [{"@id": f"dpv:{need}"}]} for kind, need in kinds.items()]


def _sources(events: Sequence[Certified]) -> list[dict[str, Any]]:
    imported = {Kind.IMPORTED, Kind.IMPORTED_WITHOUT_EVIDENCE}
    found = {
        ("dpv:DataControllerDataSource" if one.kind in imported else "dpv:DataSubjectDataSource", held)
        for one in events
        if (held := str(one.evidence.get("source") or one.evidence["method"]))
    }
    return [{"@type": [kind], "skos:prefLabel": [label]} for kind, label in sorted(found)]


def _when(payload: Mapping[str, Any]) -> str:
    """When consent was given, where an import tells it; else when it was recorded."""
    return str(payload.get("given_at") or payload["at"])


def _subject(matter: Matter) -> str:
    return f"urn:world-brief:subject:{matter.subject.hex()}"


def _until(event: str) -> dict[str, Any]:
    return {"@type": ["dpv:UntilEventDuration"], "rdf:value": [event]}


def _known(text: str) -> str | dict[str, Any]:
    return text or _NOT_AVAILABLE
