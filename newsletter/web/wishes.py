"""What the request at hand said about languages, and the addresses that keep it saying so from page to page.

Kept by `Manners` around each request and read by `Pages.page`, so that no route has to hand it through.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from newsletter import languages
from newsletter.languages import Language

PARAMETER: Final = "lang"
_LONGEST: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The request's own words: where it went, the language asked for by name, and those its browser accepts."""

    method: str = "GET"
    path: str = "/"
    query: tuple[tuple[str, str], ...] = ()
    accepted: str = ""

    @property
    def asked(self) -> str:
        """The language asked for in the address: one of ours, or nothing."""
        return languages.nearest(dict(self.query).get(PARAMETER, ""))

    def language(self, own: str) -> Language:
        """The page's language, where `own` is the newsletter's or the reader's."""
        return languages.choose(self.asked, own, self.accepted)

    def to(self, address: str) -> str:
        """The address of another page of ours, in the language that was asked for; another site's is left alone."""
        if not self.asked or not address.startswith("/") or address.startswith("//"):
            return address
        return _with(urlsplit(address).path, parse_qsl(urlsplit(address).query), self.asked)

    def others(self) -> list[tuple[Language, str]]:
        """Every language with this page's address in it; none for an answer to a form, which cannot be fetched."""
        if self.method not in {"GET", "HEAD"}:
            return []
        return [(languages.language(code), _with(self.path, self.query, code)) for code in languages.CODES]


NOBODY: Final = Wishes(method="POST")
_CURRENT: Final[ContextVar[Wishes]] = ContextVar("wishes")


def begin(scope: Scope) -> None:
    """Take down the wishes of an HTTP request, for all that is rendered while it is answered."""
    query = scope.get("query_string", b"").decode("latin-1")[:_LONGEST]
    wishes = Wishes(
        method=scope["method"],
        path="/" + scope["path"].lstrip("/"),
        query=tuple(parse_qsl(query)),
        accepted=Headers(scope=scope).get("accept-language", "")[:_LONGEST],
    )
    _CURRENT.set(wishes)


def current() -> Wishes:
    """The wishes of the request at hand; without one, nobody's."""
    return _CURRENT.get(NOBODY)


def _with(path: str, query: tuple[tuple[str, str], ...] | list[tuple[str, str]], code: str) -> str:
    kept = [(key, value) for key, value in query if key != PARAMETER]
    return f"{quote(path)}?{urlencode([*kept, (PARAMETER, code)])}"
