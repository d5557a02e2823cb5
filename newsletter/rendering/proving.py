"""Proofs made: an edition, or a letter, rendered once for all its recipients. Pure.

The same edition, template and settings give the same proof.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from typing import Literal
from urllib.parse import urlsplit

from newsletter import languages
from newsletter.config import Newsletter, Site
from newsletter.editions.edition import Edition
from newsletter.errors import TemplateError
from newsletter.rendering import page, prose
from newsletter.rendering.page import Links
from newsletter.rendering.proof import Mailbox, Proof, blank
from newsletter.rendering.template import Template, clean, fill


def prove(template: Template, edition: Edition, newsletter: Newsletter, site: Site) -> Proof:
    """The edition rendered for `newsletter`, complete but for the recipient's token and address.

    Raises TemplateError when the template was compiled for the other direction, or asks for what is not there.
    """
    sheet = _Sheet(template=template, newsletter=newsletter, site=site, content=edition.digest())
    language = edition.language or newsletter.language
    made = sheet.proof("edition", language, {"edition": edition, "on": edition.on})
    return replace(
        made,
        on=edition.on,
        number=edition.number,
        subject=_line(edition.subject),
        preheader=_line(edition.preheader),
    )


def prove_letter(template: Template, newsletter: Newsletter, site: Site, values: Mapping[str, str]) -> Proof:
    """A letter about the subscription itself, such as a request to confirm; its subject is its template's.

    `values` are what the template asks for, such as the hours a link lives: never a reader's text.
    """
    content = sha256(json.dumps(dict(values), sort_keys=True).encode()).hexdigest()
    sheet = _Sheet(template=template, newsletter=newsletter, site=site, content=content)
    spoken = languages.choose("", newsletter.language, "")
    return sheet.proof("letter", newsletter.language, {"values": values, "spoken": spoken})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """What an edition and a letter have in common: who sends, from where, under which marks."""

    template: Template
    newsletter: Newsletter
    site: Site
    content: str

    @property
    def base(self) -> str:
        return self.site.base_url.rstrip("/")

    @property
    def nonce(self) -> str:
        # It follows from the content, so content cannot hold a blank of its own proof.
        made_of = (self.template.digest, self.content, self.newsletter, self.site)
        return sha256(repr(made_of).encode()).hexdigest()[:12]

    def links(self, on: date | None) -> Links:
        token, key = blank(self.nonce, "token"), self.newsletter.key
        return Links(
            home=f"{self.base}/",
            signup=f"{self.base}/",
            archive=f"{self.base}/archive/{key}/{on}" if on else f"{self.base}/archive/",
            unsubscribe=f"{self.base}/u/{token}",
            preferences=f"{self.base}/preferences/{token}",
            confirm=f"{self.base}/confirm/{token}",
            refuse=f"{self.base}/refuse/{token}",
            access=f"{self.base}/my/open/{token}",
            change=f"{self.base}/my/address/{token}",
            privacy=prose.address(self.site.privacy_url, self.base),
            terms=prose.address(self.site.terms_url, self.base),
        )

    def proof(self, kind: Literal["edition", "letter"], language: str, values: Mapping[str, object]) -> Proof:
        newsletter, template = self.newsletter, self.template
        if newsletter.direction != template.direction:
            raise TemplateError(template.name, f"compiled for {template.direction}, asked for {newsletter.direction}")
        on = values.get("on")
        names = page.names(newsletter, self.base, template.words, language) | {
            "site": self.site,
            "links": self.links(on if isinstance(on, date) else None),
            "address": blank(self.nonce, "address"),
            "marks": {name: blank(self.nonce, name) for name in ("code", "asked")},
        }
        filled = fill(template, {**names, **values})
        return Proof(
            kind=kind,
            newsletter=newsletter.key,
            subject=filled.subject,
            sender=Mailbox(name=newsletter.sender_name or newsletter.name, address=newsletter.sender_address),
            reply_to=newsletter.reply_to,
            list_id=newsletter.list_id or f"{newsletter.key}.{urlsplit(self.base).hostname}",
            list_name=newsletter.name,
            language=language,
            direction=template.direction,
            site=self.base,
            html=filled.html,
            text=filled.text,
            nonce=self.nonce,
            template_digest=template.digest,
            content_digest=self.content,
        )


def _line(text: str) -> str:
    return " ".join(clean(text).split())
