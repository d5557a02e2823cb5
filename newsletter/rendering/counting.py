"""Links that are counted: `/go/{newsletter}/{date}/{n}` instead of the source, the same for every recipient. Pure.

Where a newsletter counts nothing, which is the default, this changes nothing. A letter to a reader who agreed to be
counted as a person carries that reader's token behind the number, and a picture that tells the day it was opened.
"""

import re
from collections.abc import Collection
from dataclasses import replace
from html import escape, unescape
from typing import Final

from newsletter.rendering.proof import Proof, blank

READING: Final = "reading"
_LINK: Final = re.compile(r'(<a\b[^>]*?\bhref=")(https?://[^"]+)(")', re.IGNORECASE)
_END: Final = re.compile(r"</body>", re.IGNORECASE)


def counted(proof: Proof, legal: Collection[str], *, personal: bool = False) -> Proof:
    """The proof with the links of its stories numbered from 1 in the order of the letter; one address has one number.

    A newsroom's stories often stand on its own site: what is left alone are the links of the letter itself, that is
    home, archive, each reader's own, and the `legal` ones.
    """
    targets: dict[str, int] = {}
    own = {proof.site, f"{proof.site}/", *legal}
    archive, token = f"{proof.site}/archive/", blank(proof.nonce, "token")

    def number(match: re.Match[str]) -> str:
        target = unescape(match[2])
        if target in own or target.startswith(archive) or token in target:
            return match[0]
        place = targets.setdefault(target, len(targets) + 1)
        return f"{match[1]}{escape(_door(proof))}/{place}{match[3]}"

    html = _LINK.sub(number, proof.html)
    return replace(proof, html=html, links=tuple(targets), personal=personal)


def for_agreed(proof: Proof) -> Proof:
    """The same letter for readers who agreed to be counted: a blank for the token, and the picture at its end."""
    token = blank(proof.nonce, READING)
    html = re.sub(rf'(href="{re.escape(escape(_door(proof)))}/\d+)(")', rf"\1/{token}\2", proof.html)
    picture = f"{escape(proof.site)}/opened/{escape(proof.newsletter)}/{proof.on}/{token}.gif"
    tag = f'<img src="{picture}" width="1" height="1" alt="" style="display:block" />'
    return replace(proof, html=_END.sub(f"{tag}</body>", html, count=1))


def _door(proof: Proof) -> str:
    return f"{proof.site}/go/{proof.newsletter}/{proof.on}"
