"""The words of a returned message, as mail systems have written them since sendmail: where the returned letter begins,
who was not reached, in which part of the conversation, and which sentence says why. Pure; every pattern is bounded.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from newsletter.delivery.outcome import Phase

MOST_WORDS: Final = 20_000
_MOST_DIAGNOSIS: Final = 2_000
_MOST_RECIPIENTS: Final = 10
_ATEXT: Final = r"[^\s<>()\[\]\"',;:@|\\]"
ADDRESS: Final = re.compile(rf"{_ATEXT}{{1,64}}@{_ATEXT}{{1,200}}")
# A line on which some system says that the letter follows.
_MARKER: Final = re.compile(
    r"^[-=*_# \t]{0,80}(?:"
    r"(?:here|this|below|included|enclosed|following|attached)\b[^\n]{0,40}\b(?:copy|headers?|part) of [^\n]{0,80}"
    r"|(?:the )?(?:headers?|text|body) of the (?:original|returned) [^\n]{0,60}"
    r"|message headers? follow[^\n]{0,20}"
    r"|(?:your )?(?:original|returned|unsent|undelivered|rejected|failed) (?:message|e?-?mail|letter)"
    r"(?: headers?| text)?(?: follows| below| is attached| starts here)?[.: ]{0,3}"
    r")[-=*_# \t]{0,80}$",
    re.IGNORECASE | re.MULTILINE,
)
# A letter begins with fields that nobody writes in prose.
_TRACE: Final = re.compile(
    r"^(?:received|return-path|dkim-signature|domainkey-signature|arc-seal|x-received|x-google-smtp-source):[ \t]?\S",
    re.IGNORECASE | re.MULTILINE,
)
_LINE_START: Final = re.compile(rf"^[ \t]{{0,40}}[-*•]?[ \t]{{0,4}}[<\"'(]{{0,2}}({ADDRESS.pattern})", re.MULTILINE)
_NAMED: Final = re.compile(
    r"(?:rcpt to|recipients?(?: address)?|final-recipient|(?:undelivered|delivered|delivery|mail|message) to|user ?id"
    rf"|user|address(?:es)?|attempts)\b[ \t]?[:=]?[ \t\n]{{0,4}}(?:rfc822;)?[ \t]?[<\"'(]{{0,2}}({ADDRESS.pattern})",
    re.IGNORECASE,
)
_NOBODY: Final = re.compile(r"(?:mailer-daemon|postmaster|post_master|noreply|no-reply)@", re.IGNORECASE)
_REPLY: Final = re.compile(
    r"(?<![\d.:#/=-])([45]\d\d)(?: |-|: ?|:? ?#|, ?error_code ?:)(?:\((?!#)|<)?#?(?:([45]\.\d{1,3}\.\d{1,3})\b)?"
)
_CODED_LINE: Final = re.compile(r"^[ \t]{0,20}[45]\.\d{1,2}\.\d{1,3}[ \t]", re.MULTILINE)
_ENHANCED: Final = re.compile(r"(?<![\d.])#?([245]\.\d{1,2}\.\d{1,3})(?![\d.])")
_PHASES: Final = (
    (Phase.RCPT, r"503[- ](?:\d\.\d\.\d )?[^\n]{0,40}\brcpt\b"),
    (
        Phase.RCPT,
        r"(?:reply to|after|response to|like our|while sending|following|smtp:) ?rcpt|rcpt (?:to )?(?:command|resp)",
    ),
    (Phase.DATA, r"(?:reply to|after|response to|like our|while sending|following) (?:end of |final |pipelined )?data"),
    (Phase.DATA, r"failed after i sent|end-of-data|>>> (?:data|\.)\n<<< [45]|smtp command[ \n-]{1,9}data"),
    (Phase.MAIL, r"(?:reply to|after|response to|like our|while sending|following|smtp:) ?mail|sender was rejected"),
    (Phase.EHLO, r"my name was rejected|(?:reply to|after|response to|like our) (?:ehlo|helo)"),
    (Phase.CONNECT, r"refused to talk to me|initial connection|(?:reply to|after|response to) connect"),
    (Phase.RCPT, r"does not like recipient|\[rcpt_to\]|>>> rcpt to[^\n]{0,300}\n<<< [45]|recipient address rejected"),
    (Phase.MAIL, r">>> mail from[^\n]{0,300}\n<<< [45]|sender address rejected"),
)
_COMPILED_PHASES: Final = tuple((phase, re.compile(pattern, re.IGNORECASE)) for phase, pattern in _PHASES)
_CODES: Final = re.compile(r"(?:(?<=\s)|^)[245]\d\d[- ]#?[245]\.\d{1,3}\.\d{1,3}(?:\s|$)")
_SPACE: Final = re.compile(r"\s{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One statement of why: lower case, on one line, addresses and repeated codes taken out; and what it cites."""

    text: str = ""
    code: int = 0
    enhanced: str = ""

    @property
    def passing(self) -> bool:
        """Whether its codes say that it may be otherwise tomorrow."""
        return 400 <= self.code < 500 or (not self.code and self.enhanced.startswith("4"))


def cut(text: str) -> tuple[str, str]:
    """A text's own words, and the returned letter that follows them, if any."""
    ends = [(found.start(), found.end()) for found in (_MARKER.search(text),) if found]
    # A text that begins with such a field is a letter, or quotes one, but returns none.
    ends += [
        (found.start(), found.start()) for found in (_TRACE.search(text),) if found and text[: found.start()].strip()
    ]
    if not ends:
        return text[:MOST_WORDS], ""
    start, end = min(ends)
    return text[:start][:MOST_WORDS], text[end:].lstrip("-=*_# \t\n")


def failed_addresses(words: str, not_these: Iterable[str]) -> list[str]:
    """Who was not reached, by the words alone; `not_these` are the sender's own addresses, and the last resort."""
    others = {each.lower() for each in not_these}
    for pattern in (_LINE_START, _NAMED, ADDRESS):
        found = [each[each.lastindex or 0].rstrip(".") for each in islice(pattern.finditer(words), _MOST_RECIPIENTS)]
        named = [each for each in dict.fromkeys(found) if each.lower() not in others and not _NOBODY.match(each)]
        if named:
            return named
    return [found[1].rstrip(".") for found in islice(_LINE_START.finditer(words), 1)]


def addresses(value: str) -> list[str]:
    """Every mail address in a header value."""
    return [found.rstrip(".") for found in ADDRESS.findall(value)]


def excerpt(words: str, address: str) -> str:
    """The paragraph about an address, with the next ones when it says nothing else; all words when it is not named."""
    place = words.lower().find(address.lower()) if address else -1
    if place < 0:
        return words[:_MOST_DIAGNOSIS]
    start = words.rfind("\n\n", 0, place) + 1
    before = _LINE_START.search(words, start, place)
    if before and before[1].lower() != address.lower():
        start = words.rfind("\n", 0, place) + 1
    rest = words[start:]
    within = place - start + len(address)
    end = rest.find("\n\n", within)
    another = _LINE_START.search(rest, rest.find("\n", within)) if rest.find("\n", within) > 0 else None
    if another and another[1].lower() != address.lower() and (end < 0 or another.start() < end):
        end = another.start()
    paragraph = rest[:end] if end > 0 else rest
    if len(ADDRESS.sub("", paragraph).strip("<>:\"'\n\t *-")) < 12:
        return rest[:_MOST_DIAGNOSIS]
    return paragraph[:_MOST_DIAGNOSIS]


def reply(text: str) -> str:
    """The reply of a mail server that a text cites, from its code to its last line; empty when it cites none."""
    found = list(_REPLY.finditer(text))
    coded = next((each for each in found if each[2]), None) or _CODED_LINE.search(text) or next(iter(found), None)
    if not coded:
        return ""
    lines = text[coded.start() :].strip().split("\n")
    code = lines[0][:3]
    for number, line in enumerate(lines[1:], 1):
        begins = _REPLY.match(line.removeprefix("<<< "))
        if not line.strip() or line.startswith(">>>") or (begins and begins[1] != code):
            return "\n".join(lines[:number])
    return "\n".join(lines)


def phase(text: str) -> Phase:
    """What a refusal answered; REPLIED when the text does not say."""
    return next((phase for phase, pattern in _COMPILED_PHASES if pattern.search(text)), Phase.REPLIED)


def diagnosis(text: str) -> Diagnosis:
    """What a text says, for the rules: the first refusal it cites, and its words."""
    text = text[:_MOST_DIAGNOSIS]
    found = list(_REPLY.finditer(text.lower()))
    # A reply with an enhanced code is surely one; a bare number may be a size or a port.
    best = next((each for each in found if each[2]), found[0] if found else None)
    enhanced = _ENHANCED.search(text)
    return Diagnosis(
        text=clean(text),
        code=int(best[1]) if best else 0,
        enhanced=(best[2] if best and best[2] else enhanced[1] if enhanced else ""),
    )


def clean(text: str) -> str:
    """Lower case, on one line, without addresses and without the codes that begin each line of a long reply."""
    text = ADDRESS.sub("(@)", text[:MOST_WORDS].replace("’", "'")).lower()
    text = _SPACE.sub(" ", text)
    return _SPACE.sub(" ", _CODES.sub(" ", text)).strip()
