"""The fields of a story as people write them (pure): each is checked, and what is wrong is told by name.

One table of readers per value; a value from YAML is always text, one from JSON has its own type.
"""

import difflib
import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final, TypeVar

from newsletter.stories import markup
from newsletter.stories.story import (
    AgendaItem,
    Figure,
    Image,
    Question,
    RankedLink,
    Story,
    StoryKind,
    canonical_url,
)

T = TypeVar("T")
Readers = Mapping[str, Callable[[object, str], object]]
LANGUAGE: Final = re.compile(r"([A-Za-z]{2,3})((?:[-_][A-Za-z0-9]{2,8})*)")
PARTS: Final = {
    StoryKind.AGENDA: "agenda",
    StoryKind.QUIZ: "quiz",
    StoryKind.MOST_READ: "ranking",
    StoryKind.FIGURES: "figures",
}


class WrongField(ValueError):
    """A field is not what it should be; becomes a StoryError where the item is known."""

    def __init__(self, where: str, reason: str) -> None:
        self.where, self.reason = where, reason
        super().__init__(f"{where}: {reason}" if where else reason)


def identity(guid: str, url: str, headline: str) -> str:
    """The guid an item is known by: its own, else its address, else a hash of its headline."""
    found = " ".join(markup.tidy(guid).split()) or url
    if not found:
        found = "headline:" + hashlib.sha256(headline.casefold().encode()).hexdigest()[:24]
    return found if len(found) <= 500 else "long:" + hashlib.sha256(found.encode()).hexdigest()


def language_tag(text: str) -> str:
    """A BCP 47 tag such as "en" or "pt-BR", or ""."""
    match = LANGUAGE.fullmatch(text.strip())
    return match[1].lower() + match[2].replace("_", "-") if match else ""


def story_of(table: Mapping[str, object], *, source: str, guid: str = "") -> Story:
    """The story a table of fields describes; its kind follows from its parts when none is given. Raises WrongField."""
    values = _fields(table, FIELDS, "")
    if not values.get("headline"):
        raise WrongField("headline", "is missing")
    values["source"] = values.get("source") or source
    values["guid"] = identity(str(values.get("guid", "")) or guid, str(values.get("url", "")), str(values["headline"]))
    if "kind" not in values:
        for kind, part in PARTS.items():
            if values.get(part):
                values["kind"] = kind
    return Story(**values)


def _fields(table: Mapping[str, object], readers: Readers, where: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in table.items():
        place = f"{where}.{key}" if where else key
        if key not in readers:
            near = difflib.get_close_matches(key, readers, n=1, cutoff=0.4)
            raise WrongField(place[:80], "unknown key" + (f"; did you mean `{near[0]}`?" if near else ""))
        # An empty value in YAML, and null in JSON, is a key left out.
        if value is not None and value != "":
            values[key] = readers[key](value, place)
    return values


def table_of(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise WrongField(where, "must be `key: value` pairs" if where else "is no object")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise WrongField(where, "must be text")
    return markup.plain(value)


def _body(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise WrongField(where, "must be text")
    return markup.tidy(value).strip()


def _time(value: object, where: str) -> datetime:
    if not isinstance(value, str):
        raise WrongField(where, "must be a time such as 2026-11-23T05:30:00+00:00")
    text = value.strip()
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None and len(text) <= len("2026-11-23"):
            moment = moment.replace(tzinfo=UTC)
        utc = moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise WrongField(where, f"{text[:40]!r} is no time such as 2026-11-23T05:30:00+00:00") from error
    if moment.tzinfo is None:
        raise WrongField(where, f"{text!r} has no offset from UTC; write Z or +01:00 after it")
    return utc


def _date(value: object, where: str) -> date:
    try:
        return date.fromisoformat(value.strip() if isinstance(value, str) else "")
    except ValueError as error:
        raise WrongField(where, f"{str(value)[:40]!r} is no date such as 2026-11-23") from error


def _count(value: object, where: str) -> int:
    digits = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not re.fullmatch(r"\d{1,9}", digits, re.ASCII):
        raise WrongField(where, f"{str(value)[:40]!r} is no whole number")
    return int(digits)


def _url(value: object, where: str) -> str:
    url = canonical_url(value) if isinstance(value, str) else ""
    if not url:
        raise WrongField(where, f"{str(value)[:80]!r} is no http or https address")
    return url


def _picture(value: object, where: str) -> str:
    if isinstance(value, str) and re.fullmatch(r"/media/[\w.-]+", value):
        return value
    return _url(value, where)


def _media(value: object, where: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\w[\w.-]*", value):
        raise WrongField(where, "must be the name of a file in the site's media, without a folder")
    return f"/media/{value}"


def _image(value: object, where: str) -> Image:
    values = _fields(table_of(value, where), {**IMAGE, "file": _media}, where)
    values["url"] = values.pop("file", "") or values.get("url", "")
    return Image(**_complete(values, ("url", "alt"), where))


def _agenda_item(value: object, where: str) -> AgendaItem:
    return AgendaItem(**_complete(_fields(table_of(value, where), AGENDA, where), ("on", "event"), where))


def _question(value: object, where: str) -> Question:
    values = _complete(_fields(table_of(value, where), QUESTION, where), ("question", "options", "answer"), where)
    if len(set(values["options"])) != len(values["options"]) or len(values["options"]) < 2:
        raise WrongField(f"{where}.options", "must be two or more different texts")
    if values["answer"] not in values["options"]:
        raise WrongField(f"{where}.answer", f"{values['answer']!r} is none of the options")
    return Question(**{**values, "answer": values["options"].index(values["answer"])})


def ranked_link(value: object, where: str) -> RankedLink:
    return RankedLink(**_complete(_fields(table_of(value, where), RANKED, where), ("headline", "url"), where))


def _figure(value: object, where: str) -> Figure:
    return Figure(**_complete(_fields(table_of(value, where), FIGURE, where), ("label", "value"), where))


def _complete(values: dict[str, Any], needed: tuple[str, ...], where: str) -> dict[str, Any]:
    for name in needed:
        if values.get(name) in (None, ""):
            raise WrongField(f"{where}.{name}" if where else name, "is missing")
    return values


def _each(read: Callable[[object, str], T]) -> Callable[[object, str], tuple[T, ...]]:
    def reader(value: object, where: str) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise WrongField(where, "must be a list")
        return tuple(read(one, f"{where}[{n}]") for n, one in enumerate(value))

    return reader


def _tags(value: object, where: str) -> tuple[str, ...]:
    words = [word.strip() for word in value.split(",")] if isinstance(value, str) else value
    return _each(_text)(words, where)


def _kind(value: object, where: str) -> StoryKind:
    try:
        return StoryKind(value if isinstance(value, str) else "")
    except ValueError as error:
        raise WrongField(where, f"{str(value)[:40]!r} is not one of {', '.join(StoryKind)}") from error


def _language(value: object, where: str) -> str:
    tag = language_tag(value) if isinstance(value, str) else ""
    if not tag:
        raise WrongField(where, f"{str(value)[:40]!r} is no language tag such as en or pt-BR")
    return tag


IMAGE: Final[Readers] = {
    "url": _picture,
    "file": _media,
    "alt": _text,
    "credit": _text,
    "caption": _text,
    "width": _count,
    "height": _count,
}
AGENDA: Final[Readers] = {"on": _date, "event": _text, "place": _text, "actor": _text, "url": _url}
QUESTION: Final[Readers] = {
    "question": _text,
    "options": _each(_text),
    "answer": _text,
    "explanation": _text,
    "url": _url,
}
RANKED: Final[Readers] = {"headline": _text, "url": _url, "reads": _count}
FIGURE: Final[Readers] = {"label": _text, "value": _text, "change": _text}
FIELDS: Final[Readers] = {
    **dict.fromkeys(("headline", "kicker", "teaser", "summary", "byline", "outlet", "section", "region"), _text),
    **dict.fromkeys(("source", "guid", "checked_by"), _text),
    **dict.fromkeys(("published_at", "updated_at", "embargo_until", "expires_at", "as_of"), _time),
    "kind": _kind,
    "url": _url,
    "body": _body,
    "image": _image,
    "language": _language,
    "tags": _tags,
    "agenda": _each(_agenda_item),
    "quiz": _each(_question),
    "ranking": _each(ranked_link),
    "figures": _each(_figure),
}
