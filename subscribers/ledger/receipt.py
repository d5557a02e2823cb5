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
from subscribers.ledger.evidence import AUTHORISING, Actor, Kind
from subscribers.ledger.signed_notes import Verifier

UNTIL: Final = "until consent is withdrawn, and for the time within which it may have to be proved"
VALID: Final = "until it is withdrawn"
RIGHTS: Final = ("A7-3", "A13", "A15", "A16", "A17", "A18", "A20", "A21", "A77")
# ISO/IEC TS 27560 by the DPV guide's table: where each of its mandatory fields stands in a record.
MANDATORY: Final[Mapping[str, str]] = {
    "schema_version": "dct:conformsTo",
    "record_id": "dpv:hasIdentifier",
    "pii_principal_id": "dpv:hasDataSubject",
    "privacy_notice": "dpv:hasNotice",
    "language": "dct:language",
    "purpose": "dpv:hasPurpose",
    "lawful_basis": "dpv:hasLegalBasis",
    "pii_type": "dpv:hasPersonalData",
    "storage_locations, retention_period": "dpv:hasStorageCondition",
    "jurisdiction": "dpv:hasJurisdiction",
    "recipient_third_parties": "dpv:hasRecipient",
    "withdrawal_method": "dpv:hasConsentControl",
    "pii_controllers": "dpv:hasDataController",
    "party_name": "dpv:hasName",
    "party_contact": "dpv:hasContact",
    "event_time": "dpv:isIndicatedAtTime",
    "entity_id": "dpv:isIndicatedBy",
    "event_state": "dpv:hasConsentStatus",
    "validity_duration": "dpv:hasDuration",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Who is responsible, as the newsroom says of itself; an empty country or authority was not told."""

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
    shown = {one["dpv:hasIdentifier"][0]: one.get("dct:description", [""])[0] for one in record["dpv:hasNotice"]}
    for digest, text in shown.items():
        if text and evidence.digest(text) != digest:
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
        if header["wording"] and header["wording"] not in shown:
            raise ReceiptRefused(f"the wording of event {seq} is not shown")


def _record(matter: Matter, paper: str) -> dict[str, Any]:
    events = [one for one in matter.events if one.told["newsletter"] == paper]
    shown = _shown(matter, events)
    made = evidence.digest(f"wb/record/v1 {matter.subject.hex()} {paper}")
    return {
        "@type": ["dpv:ConsentRecord"],
        "dct:conformsTo": [{"@id": f"{vocabulary.SCHEMA}record-eu-gdpr"}],
        "dpv:hasIdentifier": [str(uuid.UUID(hex=made[:32], version=4))],
        "dct:language": sorted({one.language for one in shown}) or ["und"],
        "dpv:hasDataSubject": [
            {"@id": _subject(matter), "@type": ["dpv:DataSubject"], "dpv:hasIdentifier": [matter.subject.hex()]}
        ],
        "dpv:hasNotice": [_notice(matter, one) for one in shown],
        "dpv:hasProcess": [_process(matter, paper, events)],
    }


def _process(matter: Matter, paper: str, events: Sequence[Certified]) -> dict[str, Any]:
    controller = {"@id": matter.issuer.url}
    return {
        "@type": ["dpv:Process"],
        "dpv:hasIdentifier": [paper],
        "dpv:hasService": [{"@type": ["dpv:Service"], "skos:prefLabel": [matter.newsletters.get(paper, paper)]}],
        "dpv:hasPurpose": [
            {"@type": ["dpv:DirectMarketing"], "skos:prefLabel": ["sending the newsletter that was asked for"]}
        ],
        "dpv:hasLegalBasis": [{"@id": "eu-gdpr:A6-1-a"}],
        "dpv:hasPersonalData": _personal_data(events),
        "dpv:hasProcessing": [{"@id": f"dpv:{one}"} for one in ("Collect", "Store", "Use", "Transmit")],
        "dpv:hasDataSource": _sources(events),
        "dpv:hasStorageCondition": [
            {"@type": ["dpv:StorageLocation"], **_place("dpv:hasLocation", matter.issuer.country)},
            {"@type": ["dpv:StorageDuration"], "dpv:hasDuration": [_until(UNTIL)]},
        ],
        "dpv:hasJurisdiction": [_named(matter.issuer.country)],
        "dpv:hasDataController": [_controller(matter.issuer)],
        "dpv:hasRecipient": [
            controller,
            {"@type": ["dpv:DataProcessor"], "dpv:hasName": [matter.issuer.relay]},
        ],
        "dpv:hasConsentControl": [
            {"@type": ["dpv:WithdrawConsent"], "dpv:isExercisedAt": ["the unsubscribe link in every letter"]},
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
    status: dict[str, Any] = {
        "@type": [vocabulary.STATUSES[one.kind], *(["dpv:ExpressedConsent"] if one.kind in AUTHORISING else [])],
        "dpv:isIndicatedAtTime": [_when(held)],
        "dpv:isIndicatedBy": [{"@id": by}],
        "dpv:hasIndicationMethod": [held["method"]],
        "dpv:isExercisedAt": [held.get("source") or held["method"]],
        "dpv:hasDuration": [_until(VALID)],
        "wb:seq": one.seq,
        "wb:evidence": [{f"wb:{name}": [value] for name, value in held.items()}],
    }
    return status


def _proof(one: Certified) -> dict[str, Any]:
    return {
        "wb:seq": one.seq,
        "wb:header": one.header,
        "wb:payload": one.payload,
        "wb:previous": one.previous.hex(),
        "wb:path": [step.hex() for step in one.path],
    }


def _shown(matter: Matter, events: Iterable[Certified]) -> list[Shown]:
    named = dict.fromkeys(
        str(digest)
        for one in events
        for digest in (one.told.get(name) for name in ("wording", "notice", "terms"))
        if digest
    )
    return [matter.texts[one] for one in named if one in matter.texts]


def _notice(matter: Matter, one: Shown) -> dict[str, Any]:
    notice: dict[str, Any] = {
        "@type": ["dpv:ConsentNotice" if one.effective_on is None else "dpv:PrivacyNotice"],
        "dpv:hasIdentifier": [one.digest],
        "dct:language": [one.language],
        "dct:description": [one.text],
    }
    if one.effective_on is not None:
        notice["dct:date"] = [one.effective_on.isoformat()]
        notice["dpv:hasLocation"] = [{"@id": f"{matter.issuer.url}/legal/privacy/{one.digest}"}]
    return notice


def _controller(issuer: Issuer) -> dict[str, Any]:
    controller: dict[str, Any] = {
        "@id": issuer.url,
        "@type": ["dpv:DataController"],
        "dpv:hasName": [issuer.name],
        "schema:address": [issuer.address],
        "dpv:hasContact": [issuer.contact],
        "schema:url": [{"@id": f"{issuer.url}/"}],
    }
    if issuer.authority:
        authority = {"@type": ["dpv:DataProtectionAuthority"], "dpv:hasName": [issuer.authority]}
        controller["dpv:hasEntity"] = [authority]
    return controller


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


def _named(country: str) -> dict[str, Any]:
    return {"skos:prefLabel": [country]} if country else {"dpv:hasApplicability": [{"@id": "dpv:NotAvailable"}]}


def _place(name: str, country: str) -> dict[str, Any]:
    return {name: [country]} if country else {"dpv:hasApplicability": [{"@id": "dpv:NotAvailable"}]}
