"""The plain-text part: 72 columns as a terminal counts them, every link target alone on its line.

Written from the same stories as the HTML, never from the HTML. The text template of a newsletter calls these.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import wcwidth

from newsletter.rendering.prose import Block

WIDTH: Final = 72
# However deep a list is nested, a line keeps room for words.
MOST_INDENT: Final = 24
# Marks that no line of Chinese or Japanese begins with.
CLOSING: Final = frozenset("，。、；：？！」』）》”’")


def wrap(text: str, first: str = "", rest: str = "") -> str:
    """`text` in lines of 72 columns; a web address longer than a line stays whole, alone on its line."""
    first, rest = first[:MOST_INDENT], rest[:MOST_INDENT]
    lines: list[str] = []
    for piece in _pieces(text):
        start = rest if lines else first
        lines += [start + piece] if _is_long_address(piece) else _lines(piece, start, rest)
    return "\n".join(lines)


def _pieces(text: str) -> Iterator[str]:
    words: list[str] = []
    for word in _words(text):
        if not _is_long_address(word):
            words.append(word)
            continue
        if words:
            yield " ".join(words)
        yield word
        words = []
    if words:
        yield " ".join(words)


def _words(text: str) -> list[str]:
    # Split at breaking spaces only: a no-break space belongs to its word.
    return [word for word in re.split("[ \t\r\n]+", text) if word]


def _is_long_address(word: str) -> bool:
    return ("://" in word or "mailto:" in word) and " " not in word and columns(word) > WIDTH - MOST_INDENT


def _lines(text: str, first: str, rest: str) -> list[str]:
    lines: list[str] = []
    line, used, begun = first, columns(first), False
    for atom, apart in _atoms(text):
        width = columns(atom)
        gap = 1 if apart and begun else 0
        most = WIDTH + width if atom in CLOSING and used <= WIDTH else WIDTH
        if begun and used + gap + width > most:
            lines.append(line)
            line, used, gap = rest, columns(rest), 0
        line, used, begun = line + " " * gap + atom, used + gap + width, True
    return [*lines, line]


def _atoms(text: str) -> Iterator[tuple[str, bool]]:
    """What a line may not break, and whether a space goes before: words, or the characters of endless ones."""
    for word in _words(text):
        if columns(word) <= WIDTH - MOST_INDENT:
            yield word, True
            continue
        for n, character in enumerate(wcwidth.iter_graphemes(word)):
            yield character, n == 0


def columns(text: str) -> int:
    """How many columns a terminal gives the text: wide characters take two, combining ones none."""
    return wcwidth.width(text, control_codes="ignore")


def prose(blocks: Sequence[Block], head: str = "") -> str:
    """Paragraphs one blank line apart, each followed by its link targets; `head` runs in to the first."""
    written: list[str] = []
    for n, block in enumerate(blocks):
        text = f"{head} {block.text}" if head and not n else block.text
        tight = n > 0 and block.tight and blocks[n - 1].tight
        apart = "" if n == 0 else "\n" if tight else "\n\n"
        indent = " " * len(block.rest[:MOST_INDENT])
        targets = [indent + target for target in block.links]
        written.append(apart + "\n".join([wrap(text, block.first, block.rest), *targets]))
    return "".join(written) or wrap(head)


def title(text: str) -> str:
    """A section's title over a rule of its own length."""
    lines = wrap(text)
    return f"{lines}\n{'-' * max(map(columns, lines.split(chr(10))))}"


def rule(character: str = "-") -> str:
    """A line across the page."""
    return character * WIDTH


def stacked(lines: Iterable[str]) -> str:
    """The lines that say something, one under the other."""
    return "\n".join(line for line in lines if line)


def tidy(text: str) -> str:
    """No space at a line's end, no more than two blank lines together, one newline at the end."""
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{4,}", "\n\n\n", text).strip("\n") + "\n"
