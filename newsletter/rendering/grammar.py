"""What an MJML template may say. The compiler prints unknown tags and ignores unknown attributes: this refuses both.

It is asked once per compilation, before the compiler; content never comes here.
"""

import difflib
import re
from collections.abc import Iterator
from typing import Final

from lxml import etree

_BOX: Final = frozenset({"css-class", "padding", "padding-top", "padding-bottom", "padding-left", "padding-right"})
_TEXT: Final = frozenset({"align", "color", "font-family", "font-size", "font-weight", "font-style", "line-height"})
_FRAME: Final = frozenset({"background-color", "direction", "text-align", "border", "border-top", "border-bottom"})

# Tag -> where it may stand, and its attributes. Left out on purpose: mj-wrapper (Jinja tags inside it land within
# Outlook's conditional comments), mj-font (remote fonts), mj-preview (no padding), mj-html-attributes (not supported).
TAGS: Final[dict[str, tuple[frozenset[str], frozenset[str]]]] = {
    "mjml": (frozenset(), frozenset({"lang", "dir"})),
    "mj-head": (frozenset({"mjml"}), frozenset()),
    "mj-body": (frozenset({"mjml"}), frozenset({"width", "background-color", "css-class"})),
    "mj-title": (frozenset({"mj-head"}), frozenset()),
    "mj-attributes": (frozenset({"mj-head"}), frozenset()),
    "mj-all": (frozenset({"mj-attributes"}), _TEXT | _BOX),
    "mj-class": (frozenset({"mj-attributes"}), _TEXT | _BOX | _FRAME | {"name"}),
    "mj-breakpoint": (frozenset({"mj-head"}), frozenset({"width"})),
    "mj-raw": (frozenset({"mj-head", "mj-body", "mj-section", "mj-column"}), frozenset()),
    "mj-section": (frozenset({"mj-body"}), _BOX | _FRAME | {"full-width"}),
    "mj-column": (frozenset({"mj-section"}), _BOX | _FRAME | {"width", "vertical-align"}),
    "mj-text": (frozenset({"mj-column"}), _BOX | _TEXT | {"container-background-color", "height"}),
    "mj-button": (
        frozenset({"mj-column"}),
        _BOX | _TEXT | {"href", "background-color", "border-radius", "inner-padding", "border", "rel", "title"},
    ),
    "mj-divider": (frozenset({"mj-column"}), _BOX | {"border-color", "border-style", "border-width", "width", "align"}),
    "mj-spacer": (frozenset({"mj-column"}), frozenset({"height", "css-class"})),
}
# Tags whose content is HTML, and the tags whose defaults may be set in mj-attributes.
HTML: Final = frozenset({"mj-raw", "mj-text", "mj-button"})
DEFAULTS: Final = frozenset({"mj-section", "mj-column", "mj-text", "mj-button", "mj-divider"})
REFUSED: Final = frozenset({"script", "form", "input", "iframe", "object", "embed", "base", "link", "style", "svg"})


def faults(source: str) -> Iterator[tuple[int, str]]:
    """Each fault of an assembled template as (line, what is wrong), top to bottom."""
    try:
        root = etree.fromstring(source.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as error:
        yield error.lineno or 1, str(error.msg or error).split(", line ", maxsplit=1)[0]
        return
    for element in root.iter(etree.Element):
        line = element.sourceline if isinstance(element.sourceline, int) else 1
        for fault in _of_element(element):
            yield line, fault
    yield from _of_whole(root)


def _of_element(element: etree._Element) -> Iterator[str]:
    tag, parent = str(element.tag), element.getparent()
    above = "" if parent is None else str(parent.tag)
    if not tag.startswith("mj"):
        yield from _of_html(element, above)
        return
    if tag not in TAGS:
        yield f"unknown tag <{tag}>{_near(tag, TAGS)}"
        return
    places, known = TAGS[tag]
    if above == "mj-attributes" and tag in DEFAULTS:
        places = frozenset({above})
    if above not in places and (above or places):
        yield f"<{tag}> cannot stand in <{above}>" if above else f"a template begins with <mjml>, not <{tag}>"
    for name, value in element.attrib.items():
        if name not in known:
            yield f"<{tag}> has no attribute {name!r}{_near(str(name), known)}"
        elif name in {"width", "height"} and "{{" in value:
            yield f"{name!r} of <{tag}> cannot be a placeholder: the compiler needs the number"
    if tag not in HTML | {"mj-title"} and _stray(element):
        yield f"stray text in <{tag}>: control tags and text stand in <mj-raw> or <mj-text>"


def _of_html(element: etree._Element, above: str) -> Iterator[str]:
    tag = str(element.tag)
    ancestors = {str(one.tag) for one in element.iterancestors()}
    if not ancestors & HTML:
        yield f"<{tag}> cannot stand in <{above}>" if above else f"a template begins with <mjml>, not <{tag}>"
    if tag in REFUSED:
        yield f"<{tag}> is not for letters"
    if tag == "img" and element.get("alt") is None:
        yield "<img> without alt"
    if tag == "table" and element.get("role") != "presentation" and element.find(".//th") is None:
        yield "a table of layout needs role=presentation, a table of data needs th"


def _of_whole(root: etree._Element) -> Iterator[tuple[int, str]]:
    for name in ("lang", "dir"):
        if str(root.tag) == "mjml" and not root.get(name):
            yield 1, f"<mjml> needs {name!r}"
    if str(root.tag) == "mjml" and root.find("mj-body") is None:
        yield 1, "<mjml> needs <mj-body>"
    if next(root.iter("h1"), None) is None:
        yield 1, "a letter needs one h1"


def _stray(element: etree._Element) -> bool:
    texts = [element.text, *(child.tail for child in element)]
    return any(text and text.strip() for text in texts)


def _near(name: str, known: object) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)  # type: ignore[call-overload]
    return f"; did you mean {near[0]!r}?" if near else ""


def missing_names(source: str, undeclared: frozenset[str]) -> Iterator[tuple[int, str]]:
    """The lines on which a template asks for names that nothing fills."""
    for name in sorted(undeclared):
        pattern = re.compile(rf"\b{re.escape(name)}\b")
        line = next((n for n, text in enumerate(source.split("\n"), 1) if pattern.search(text)), 1)
        yield line, f"nothing is called {name!r}"
