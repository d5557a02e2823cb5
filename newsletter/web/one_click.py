"""RFC 8058, by the shortest way: `POST /u/{token}` with exactly the standard's body. Everything else passes by.

A large mailing brings these by the thousand within minutes; most of what each costs is a router and a form parser.
"""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from newsletter.web.clerk import Leavings
from newsletter.web.pages import HEADERS, PRIVATE

BODY: Final = b"List-Unsubscribe=One-Click"
SAID: Final = b"Unsubscribed.\n"
METHOD: Final = "RFC 8058 POST"
START: Final = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (name.lower().encode(), value.encode())
        for name, value in {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(SAID)),
            **HEADERS,
            **PRIVATE,
        }.items()
    ],
}
END: Final = {"type": "http.response.body", "body": SAID}
FORM: Final = (b"content-type", b"application/x-www-form-urlencoded")
LENGTH: Final = (b"content-length", str(len(BODY)).encode())


class OneClick:
    """In front of an application. No cookie, no origin, no redirect; the same words whatever the token is."""

    def __init__(self, app: ASGIApp, leavings: Leavings) -> None:
        self.app, self.leavings = app, leavings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _looks_like_it(scope):
            await self.app(scope, receive, send)
            return
        first = await receive()
        if first.get("body") != BODY or first.get("more_body"):
            await self.app(scope, _with(first, receive), send)
            return
        token = scope["path"].removeprefix("/u/")
        try:
            await self.leavings.end(token, METHOD)
        except Exception:  # noqa: BLE001 -- the long way says what is wrong, in the house's one table of errors
            await self.app(scope, _with(first, receive), send)
            return
        await send(START)
        await send(END)


def _looks_like_it(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith("/u/"):
        return False
    headers = scope["headers"]
    return "/" not in scope["path"].removeprefix("/u/") and FORM in headers and LENGTH in headers


def _with(first: Message, receive: Receive) -> Receive:
    """The request from its beginning, the part that was looked at included."""
    told = [first]

    async def again() -> Message:
        return told.pop() if told else await receive()

    return again
