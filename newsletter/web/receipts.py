"""A consent receipt as it is handed out: made against a fresh checkpoint, as JSON-LD or as a page to print."""

import json
from typing import Any

from markupsafe import Markup

import subscribers
from newsletter.config import Config
from newsletter.delivery.witness import Witness
from newsletter.rendering import prose
from newsletter.web.pages import Pages
from subscribers import Address, Issuer, Office


def make(pages: Pages, address: Address) -> dict[str, Any]:
    """Certify what the ledger holds on an address. Raises ReceiptRefused when that is nothing."""
    witness = Witness(config=pages.config, vault=pages.vault)
    subscribers.grow(pages.database.transaction)
    with pages.database.transaction() as session:
        made = subscribers.certify(session, pages.keys, _office(pages.config, witness), address, pages.clock())
    witness.write_down(pages.database)
    return made


def as_json(made: dict[str, Any]) -> str:
    """The receipt in the W3C Data Privacy Vocabulary."""
    return json.dumps(made, ensure_ascii=False, indent=2) + "\n"


def as_html(pages: Pages, made: dict[str, Any]) -> str:
    """The same as one page that needs no other file."""
    base_url = pages.config.site.base_url.rstrip("/")
    documents = {
        notice["dpv:hasIdentifier"][0]: _document(notice["dct:description"][0], base_url)
        for record in made["dpv:hasRecordOfActivity"]
        for notice in record["dpv:hasNotice"]
        if notice["@type"] == ["dpv:PrivacyNotice"]
    }
    return pages.environment.get_template("receipt.html").render(
        receipt=made, css=pages.style.decode(), documents=documents
    )


def _document(text: str, base_url: str) -> Markup:
    """A legal document as it stands within a receipt: its headings under the receipt's, its links whole."""
    for heading, under in (("h2", "h5"), ("h1", "h4")):
        text = text.replace(f"<{heading}>", f"<{under}>").replace(f"</{heading}>", f"</{under}>")
    # Our own template's text, in which every value was escaped.
    return Markup(text.replace('href="/', f'href="{base_url}/'))  # noqa: S704


def _office(config: Config, witness: Witness) -> Office:
    site = config.site
    issuer = Issuer(
        name=site.publisher,
        address=site.postal_address,
        contact=site.contact_address,
        url=site.base_url.rstrip("/"),
        country=site.country,
        authority=prose.address(site.authority_url, site.base_url) if site.authority_url else "",
        relay=config.relay.host,
    )
    papers = {key: paper.name for key, paper in config.newsletters.items()}
    return Office(issuer=issuer, newsletters=papers, signer=witness.signer)
