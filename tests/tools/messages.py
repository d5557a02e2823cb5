"""Brings the catalogues up to date with what pages and letters say: `make messages`, then translate what is empty."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO

from babel.messages import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from newsletter.languages import CATALOGUES, CODES

ROOT = Path(__file__).parents[2]
FILES = ("templates/pages/*.html", "templates/letters/*/*", "newsletter/web/*.py")
OPTIONS = {"extensions": "", "trimmed": "true", "newstyle_gettext": "true", "silent": "false"}
# What translators' programs ask for, without the dates that would make every run a change.
HEADER = r"""msgid ""
msgstr ""
"Project-Id-Version: World Brief\n"
"Language: {code}\n"
"MIME-Version: 1.0\n"
"Content-Type: text/plain; charset=utf-8\n"
"Content-Transfer-Encoding: 8bit\n"
"Plural-Forms: {plural}\n"

"""
TRANSLATED = CODES[1:]


def said() -> Catalog:
    """Everything that is said to readers, and where."""
    catalogue = Catalog(project="World Brief", charset="utf-8", fuzzy=False)
    for pattern in FILES:
        for file in sorted(ROOT.glob(pattern)):
            for message in _messages(file):
                catalogue.add(message, locations=[(file.relative_to(ROOT).as_posix(), 1)])
    return catalogue


def catalogue(code: str) -> Catalog:
    """The catalogue of a language as it is kept."""
    path = CATALOGUES / f"{code}.po"
    if not path.exists():
        return Catalog(locale=code)
    with path.open("rb") as file:
        return read_po(file, locale=code)


def kept(code: str) -> Iterator[Message]:
    """The messages of a catalogue, without its header."""
    return (message for message in catalogue(code) if message.id)


def save(code: str, one: Catalog) -> None:
    """Write a catalogue: in order, with files but without lines, so that a change in a template is a small one here."""
    body = BytesIO()
    write_po(body, one, width=100, sort_output=True, omit_header=True, include_lineno=False, ignore_obsolete=True)
    (CATALOGUES / f"{code}.po").write_bytes(
        HEADER.format(code=code, plural=one.plural_forms).encode() + body.getvalue()
    )


def _messages(file: Path) -> Iterator[str | tuple[str, ...]]:
    source: IO[bytes]
    with file.open("rb") as source:
        if file.suffix == ".py":
            found = extract("python", source, keywords={"mark": None})
        else:
            found = extract("jinja2.ext:babel_extract", source, options=OPTIONS)
        yield from (message for _line, message, _comments, _context in found)


def main() -> None:
    """Update every catalogue in place; what is gone from the templates is gone from them."""
    template = said()
    for code in TRANSLATED:
        one = catalogue(code)
        one.update(template, no_fuzzy_matching=True)
        save(code, one)
        empty = [message.id for message in one if message.id and not any(message.string or ())]
        print(f"{code}: {len(one)} messages, {len(empty)} to translate")  # noqa: T201 -- a tool for the terminal


if __name__ == "__main__":
    main()
