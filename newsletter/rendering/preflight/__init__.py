"""The preflight: what must hold before an edition may be approved or sent, each rule by its number and in one function.

A proof, its edition and the circumstances go in; findings come out, each naming the story, the field, the place and
what to do. Pure, without network or browser. A proof without an edition (a confirmation letter) is inspected for what
any letter must be. Rules that block are overridden by name and with a reason, never switched off.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from newsletter.editions.edition import Edition
from newsletter.rendering.preflight import content, mail, markup, newsroom
from newsletter.rendering.preflight.galley import Context, Finding, Galley, Severity
from newsletter.rendering.proof import Proof

__all__ = ["RULES", "Context", "Finding", "Rule", "Severity", "blocking", "inspect"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One check: its number, its title as an editor reads it, and the function that looks."""

    id: str
    title: str
    look: Callable[[Galley], Iterator[Finding]]


RULES: Final = (
    Rule(id="C1", title="Nothing is left unfilled", look=markup.leftovers),
    Rule(id="C2", title="Small enough not to be clipped", look=markup.size),
    Rule(id="C3", title="Style sheets that mail clients keep", look=markup.styles),
    Rule(id="C4", title="Clean characters", look=content.characters),
    Rule(id="C5", title="No comments, scripts, forms or foreign fonts", look=markup.foreign),
    Rule(id="C6", title="Language and direction are declared", look=markup.language),
    Rule(id="C7", title="Tables say what they are", look=markup.tables),
    Rule(id="C8", title="Pictures are described and measured", look=content.images),
    Rule(id="C9", title="Headings are in order", look=markup.headings),
    Rule(id="C10", title="Links lead to public pages", look=content.links),
    Rule(id="C12", title="Links say where they lead", look=content.link_words),
    Rule(id="C13", title="The way out is plain to see", look=mail.way_out),
    Rule(id="C14", title="The text part says the same", look=content.plain_text),
    Rule(id="C20", title="Subject and preheader", look=mail.subject_lines),
    Rule(id="C21", title="The newsroom's own rules", look=newsroom.ready),
    Rule(id="C23", title="The approval holds", look=newsroom.approved),
)


def inspect(proof: Proof, edition: Edition | None, context: Context) -> list[Finding]:
    """Every finding in the order of the rules; `edition` is None for a letter, whose stories nobody can name."""
    galley = Galley(proof, edition, context)
    return [finding for rule in RULES for finding in dict.fromkeys(rule.look(galley))]


def blocking(findings: Iterable[Finding]) -> list[Finding]:
    """Those that stop an approval."""
    return [one for one in findings if one.severity is Severity.BLOCK]
