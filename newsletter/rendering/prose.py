"""The editors' Markdown subset, as safe HTML and as blocks of plain text: paragraphs, strong, em, links, lists, quotes.

Both come from the same tokens, so a link that stands in one stands in the other. Nothing else passes: HTML is text
here, headings become paragraphs, pictures belong to the story and not to its body.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

TAGS: Final = {"p", "b", "strong", "em", "a", "ul", "ol", "li", "blockquote"}
# "*" is named so that the sanitiser's own defaults (title, lang) do not pass.
ATTRIBUTES: Final[dict[str, set[str]]] = {"*": set(), "a": {"href"}}
SCHEMES: Final = {"http", "https", "mailto"}
RULES: Final = ("list", "blockquote", "heading", "emphasis", "link", "autolink", "escape", "entity", "newline")
# Deeper than any editor goes, and shallow enough that a page of ">" stays a page.
MOST_NESTING: Final = 12
SENTENCE_ENDS: Final = (".", "!", "?", "…", ":", "。", "؟", "！", "？", ".”", "!”", "?”", '."', '?"', '!"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One paragraph of plain text; `first` and `rest` stand before its first and its other lines."""

    text: str
    first: str = ""
    rest: str = ""
    links: tuple[str, ...] = ()
    tight: bool = False


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802, ARG002 (the parser's own name)
        # `address` decides; a refusal here would print the brackets instead of the words.
        return True


def _parser() -> _Parser:
    parser = _Parser("zero", {"html": False, "maxNesting": MOST_NESTING})
    parser.enable(list(RULES))
    return parser


_PARSER: Final = _parser()


def address(url: str, base: str) -> str:
    """The absolute form of a web or mail address, a site-relative one put under `base`; "" when it is neither."""
    url = re.sub(r"\s", "%20", url.strip())
    if url.startswith("/") and not url.startswith("//"):
        return base.rstrip("/") + url
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme.lower() not in SCHEMES:
        return ""
    return url if parts.netloc or (parts.scheme.lower() == "mailto" and "@" in parts.path) else ""


def html(markdown: str, base: str) -> str:
    """Safe HTML of the subset, its links absolute."""
    tokens = _tokens(markdown, base)
    rendered: str = _PARSER.renderer.render(tokens, _PARSER.options, {})
    return nh3.clean(rendered, tags=TAGS, attributes=ATTRIBUTES, url_schemes=SCHEMES, link_rel=None).strip()


def run_in(head: str, body: str) -> str:
    """The HTML `body` with the safe HTML `head` as a bold run-in of its first paragraph."""
    bold = f'<strong class="head">{head}{"" if head.endswith(SENTENCE_ENDS) else "."}</strong>'
    return f"<p>{bold} {body[3:]}" if body.startswith("<p>") else f"<p>{bold}</p>{body}"


def links(markdown: str, base: str) -> tuple[str, ...]:
    """Every link target in order, once."""
    return _targets(part for token in _tokens(markdown, base) for part in token.children or ())


def blocks(markdown: str, base: str) -> tuple[Block, ...]:
    """The same text as paragraphs for the plain part, quotes and lists marked as in letters typed by hand."""
    found: list[Block] = []
    frames: list[_Frame] = []
    tight = False
    for token in _tokens(markdown, base):
        if token.type == "blockquote_open":
            frames.append(_Frame("> ", "> "))
        elif token.type == "list_item_open":
            marker = f"{token.info}{token.markup} " if token.info else "- "
            frames.append(_Frame(marker, " " * len(marker)))
        elif token.type in {"blockquote_close", "list_item_close"}:
            frames.pop()
        elif token.type == "paragraph_open":
            tight = token.hidden
        elif token.type == "inline":
            parts = token.children or []
            first, rest = "".join(frame.take() for frame in frames), "".join(frame.rest for frame in frames)
            text = re.sub("[ \\t\\r\\n]+", " ", "".join(_words(parts))).strip(" ")
            found.append(Block(text=text, first=first, rest=rest, links=_targets(parts), tight=tight))
            tight = False
    return tuple(found)


class _Frame:
    """A quote or list item around a paragraph: its marker is printed once."""

    __slots__ = ("first", "rest")

    def __init__(self, first: str, rest: str) -> None:
        self.first, self.rest = first, rest

    def take(self) -> str:
        taken, self.first = self.first, self.rest
        return taken


@lru_cache(maxsize=256)
def _tokens(markdown: str, base: str) -> tuple[Token, ...]:
    tokens = _PARSER.parse(markdown.replace("\r\n", "\n").replace("\r", "\n"))
    for token in tokens:
        if token.type.startswith("heading_"):
            # A heading of the editor's would break the order of the letter's own headings.
            token.tag, token.type = "p", token.type.replace("heading", "paragraph")
        elif token.children:
            token.children = list(_resolved(token.children, base))
    return tuple(tokens)


def _resolved(parts: Sequence[Token], base: str) -> Iterator[Token]:
    """The inline parts with absolute links; a link to no safe address leaves its words behind."""
    refused = False
    for part in parts:
        if part.type == "link_open":
            target = address(str(part.attrs.get("href", "")), base)
            refused = not target
            part.attrs["href"] = target
        if refused and part.type in {"link_open", "link_close"}:
            continue
        yield part


def _words(parts: Sequence[Token]) -> Iterator[str]:
    for part in parts:
        if part.type in {"softbreak", "hardbreak"}:
            yield " "
        else:
            yield part.content


def _targets(parts: Iterable[Token]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(part.attrs["href"]) for part in parts if part.type == "link_open"))
