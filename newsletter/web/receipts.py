"""A consent receipt as it is handed out: made against a fresh checkpoint, as JSON-LD or as a page to print.

The JSON-LD says the same to everybody; the page speaks its reader's language, but for what is quoted as it was kept.
"""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from markupsafe import Markup

import subscribers
from newsletter.config import Config
from newsletter.delivery.witness import Witness
from newsletter.languages import Language, mark
from newsletter.rendering import prose
from newsletter.web.pages import Pages
from subscribers import Address, Issuer, Office

# What the terms and the names of evidence are called on the page.
WORDS: Final[Mapping[str, str]] = {
    "dpv:ConsentNotice": mark("Shown: the wording of the form"),
    "dpv:PrivacyNotice": mark("Shown: the privacy policy"),
    "dpv:TermsOfService": mark("Shown: the terms of use"),
    "dpv:ConsentRequested": mark("Consent requested"),
    "dpv:ConsentGiven": mark("Consent given"),
    "dpv:RenewedConsentGiven": mark("Consent renewed"),
    "dpv:ConsentUnknown": mark("Consent unknown"),
    "dpv:ConsentRefused": mark("Consent refused"),
    "dpv:ConsentWithdrawn": mark("Consent withdrawn"),
    "dpv:ConsentExpired": mark("Consent expired"),
    "dpv:ConsentRevoked": mark("Consent revoked by the sender"),
    "dpv:ConsentInvalidated": mark("Consent found invalid"),
    "wb:at": mark("Recorded at"),
    "wb:given_at": mark("Given at"),
    "wb:method": mark("How"),
    "wb:source": mark("Where"),
    "wb:network": mark("Network"),
    "wb:by": mark("By whom"),
    "wb:second": mark("Second person"),
    "wb:reason": mark("Reason"),
    "wb:until": mark("Until"),
    "wb:file": mark("File"),
    "wb:row": mark("Row"),
}
# What a receipt and its evidence say in English most often; whatever else was recorded is quoted.
SENTENCES: Final = (
    mark("sending the newsletter that was asked for"),
    mark("until consent is withdrawn, and for the time within which it may have to be proved"),
    mark("the unsubscribe link in every letter"),
    mark("form"),
    mark("form in a frame of another site"),
    mark("submit button"),
    mark("JSON API"),
    mark("confirm button on token page"),
    mark("code typed on the sign-up page"),
    mark("subscribe button on the preferences page, opened by a link mailed to the address"),
    mark("unsubscribe button on the preferences page"),
    mark("button on the unsubscribe page"),
    mark("button “This wasn’t me”"),
)


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


def as_html(pages: Pages, made: dict[str, Any], spoken: Language) -> str:
    """The same in a reader's language, as one page that needs no other file."""
    return pages.environment.get_template("receipt.html").render(
        receipt=made,
        css=pages.style.decode(),
        spoken=spoken,
        words=WORDS,
        said={one: spoken.say(one) for one in SENTENCES},
        document=partial(_document, pages.config.site.base_url.rstrip("/")),
    )


def _document(base_url: str, text: str) -> Markup:
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
        relay=config.privacy.relay_operator or ", ".join(config.relay_hosts),
    )
    papers = {key: paper.name for key, paper in config.newsletters.items()}
    return Office(issuer=issuer, newsletters=papers, signer=witness.signer)
