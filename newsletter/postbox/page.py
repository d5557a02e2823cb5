"""What arrived in a postbox, on a page of its own: a list, each letter in four views, and a way to throw all away.

It answers on loopback only, to loopback names only, and runs no script. A letter's HTML is somebody's: it is shown in a
sandbox that neither runs nor loads anything.
"""

import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

import jinja2

from newsletter.postbox.glance import glance, subject
from newsletter.postbox.server import Postbox, PostboxError
from newsletter.postbox.shelf import Shelf

TEMPLATES: Final = Path(__file__).parents[2] / "templates"
VIEWS: Final = ("html", "text", "headers", "source")
_ON_A_PAGE: Final = 50
_MOST_POSTED: Final = 1_000
_PATIENCE_SECONDS: Final = 10
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# The letter's own style, and nothing else of it.
_SANDBOX: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox"
_HTML, _CSS, _MAIL = "text/html; charset=utf-8", "text/css; charset=utf-8", "message/rfc822"


class _Page(BaseHTTPRequestHandler):
    """One request. What is not found, not ours or not asked in the right way is said so in one line."""

    server: "_Server"
    timeout = _PATIENCE_SECONDS

    def do_GET(self) -> None:
        """A page, a style sheet or a letter; nothing changes."""
        if not self._at_home():
            return
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        match path.strip("/").split("/"):
            case [""]:
                self._list(query)
            case ["style.css"]:
                self._answer(self.server.style, kind=_CSS)
            case ["clear"]:
                self._show("clear.html", count=len(self.server.shelf.names()))
            case ["letter", name, *rest]:
                self._letter(unquote(name), rest, query)
            case _:
                self._sorry(HTTPStatus.NOT_FOUND, "There is nothing here.")

    def do_POST(self) -> None:
        """Throw all letters away."""
        # What was sent is of no interest, but a browser wants it read.
        self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _MOST_POSTED))
        if not self._at_home():
            return
        if self.headers.get("Origin", f"http://{self.headers['Host']}") != f"http://{self.headers['Host']}":
            self._sorry(HTTPStatus.FORBIDDEN, "Only this page may ask for that.")
        elif self.path != "/clear":
            self._sorry(HTTPStatus.NOT_FOUND, "There is nothing here.")
        else:
            self.server.shelf.clear()
            self.send_response(HTTPStatus.SEE_OTHER)
            self.send_header("Location", "/")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: the terminal is for what arrives."""

    def _at_home(self) -> bool:
        """Whether we were asked by our own name: another's, led here by its DNS, must not read mail."""
        port = self.server.server_address[1]
        if self.headers.get("Host") in {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}:
            return True
        self._sorry(HTTPStatus.MISDIRECTED_REQUEST, "This postbox answers on loopback only.")
        return False

    def _list(self, query: dict[str, list[str]]) -> None:
        shelf = self.server.shelf
        names = shelf.names()
        asked = query.get("from", ["0"])[0]
        first = int(asked) if asked.isdecimal() and len(asked) < 10 else 0
        rows = []
        for name in names[first : first + _ON_A_PAGE]:
            try:
                titled, to = subject(shelf.read(name))
            except FileNotFoundError:  # thrown away a moment ago
                continue
            rows.append({"name": quote(name), "at": _arrived(name), "subject": titled or "(no subject)", "to": to})
        older = first + _ON_A_PAGE if first + _ON_A_PAGE < len(names) else None
        newer = max(0, first - _ON_A_PAGE) if first else None
        self._show("list.html", rows=rows, count=len(names), older=older, newer=newer)

    def _letter(self, name: str, rest: list[str], query: dict[str, list[str]]) -> None:
        shelf = self.server.shelf
        try:
            data = shelf.read(name)
        except OSError:
            self._sorry(HTTPStatus.NOT_FOUND, "There is no such letter, or no longer.")
            return
        found = glance(data)
        if rest == ["html"]:
            self._answer(found.html.encode("utf-8", "replace"), policy=_SANDBOX)
        elif rest == ["letter.eml"]:
            self._answer(data, kind=_MAIL)
        elif rest:
            self._sorry(HTTPStatus.NOT_FOUND, "There is nothing here.")
        else:
            views = [view for view in VIEWS if (view != "html" or found.html) and (view != "text" or found.text)]
            asked = query.get("view", [""])[0]
            view = asked if asked in views else views[0]
            self._show(
                "letter.html",
                letter=found,
                view=view,
                views=views,
                name=quote(name),
                at=_arrived(name),
                envelope=shelf.envelope(name),
            )

    def _show(self, template: str, status: HTTPStatus = HTTPStatus.OK, **values: object) -> None:
        place = f"{self.server.box.host}:{self.server.box.port}"
        page = self.server.templates.get_template(template).render(place=place, **values)
        self._answer(page.encode("utf-8", "replace"), status=status)

    def _sorry(self, status: HTTPStatus, why: str) -> None:
        self._show("sorry.html", status, title=status.phrase, why=why)

    def _answer(
        self, body: bytes, *, kind: str = _HTML, policy: str = _POLICY, status: HTTPStatus = HTTPStatus.OK
    ) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Content-Security-Policy", policy),
            ("X-Content-Type-Options", "nosniff"),
            # `no-referrer` would make browsers send `Origin: null` with our own form.
            ("Referrer-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    """The page of one postbox."""

    daemon_threads = True

    def __init__(self, box: Postbox, shelf: Shelf, port: int) -> None:
        self.box, self.shelf = box, shelf
        loader = jinja2.FileSystemLoader((TEMPLATES / "postbox", TEMPLATES / "pages"))
        self.templates = jinja2.Environment(
            loader=loader, autoescape=jinja2.select_autoescape(), undefined=jinja2.StrictUndefined
        )
        tokens = tomllib.loads((TEMPLATES / "tokens.toml").read_text("utf-8"))
        css = (self.templates.get_template(name).render(**tokens) for name in ("page.css", "postbox.css"))
        self.style = "\n".join(css).encode()
        super().__init__(("127.0.0.1", port), _Page)

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that went away is no news."""


@contextmanager
def shown(box: Postbox, port: int) -> Iterator[int]:
    """The page of a postbox with a folder, in threads of its own; the port is the one the system chose for 0."""
    if box.shelf is None:
        raise ValueError("a postbox without a folder has nothing to show")
    try:
        server = _Server(box, box.shelf, port)
    except (OSError, OverflowError) as error:
        raise PostboxError(f"the page cannot be opened: {getattr(error, 'strerror', None) or error}") from error
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="postbox page", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _arrived(name: str) -> datetime | None:
    """The time a file's name begins with."""
    try:
        return datetime.strptime(name[:15], "%Y%m%dT%H%M%S")  # noqa: DTZ007, it is UTC, and shown as such
    except ValueError:
        return None
