"""The application: its routes, what every answer carries, one mapping of errors; and the server that runs it."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from newsletter.config import Config
from newsletter.database import Database
from newsletter.editions import store
from newsletter.errors import NewsletterError
from newsletter.languages import mark
from newsletter.vault import Vault
from newsletter.web import archive, desk, forms, joining, legal, mine, public, reads, wishes
from newsletter.web.desk import NotLoggedIn
from newsletter.web.one_click import OneClick
from newsletter.web.pages import FAILED, HEADERS, SORRY, Pages
from newsletter.web.visit import NotSignedIn
from subscribers import InvalidToken, SubscribersError

MAX_BODY_BYTES: Final = 100_000
MAX_FIELDS: Final = 50
GRACE_SECONDS: Final = 5
log = logging.getLogger("world_brief.web")


class Manners:
    """Around the whole application, its own error pages included: security headers, and HEAD as GET without a body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        bodiless = scope["method"] == "HEAD"
        scope["state"] = {**scope.get("state", {}), "bodiless": bodiless}
        wishes.begin(scope)

        async def with_manners(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            elif bodiless and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        if bodiless:
            scope["method"] = "GET"
        await self.app(scope, receive, with_manners)


def application(pages: Pages) -> ASGIApp:
    """Every page of one installation. The schema pages are off: the one public call of the API is in the README."""
    app = FastAPI(
        title="World Brief",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        max_body_size=MAX_BODY_BYTES,
        form_limits={"max_fields": MAX_FIELDS, "max_files": 0},
    )
    app.include_router(joining.routes(pages))
    app.include_router(public.routes(pages))
    app.include_router(mine.routes(pages))
    app.include_router(legal.routes(pages))
    app.include_router(archive.routes(pages))
    app.include_router(reads.routes(pages))
    app.include_router(desk.routes(pages))
    _house(app, pages)
    _sorry(app, pages)
    return OneClick(Manners(app), pages.leavings)


def _house(app: FastAPI, pages: Pages) -> None:
    @app.get(pages.style_name)
    def style() -> Response:
        keep = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(pages.style, media_type="text/css", headers=keep)

    @app.get(pages.script_name)
    def script() -> Response:
        keep = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(pages.script, media_type="text/javascript", headers=keep)

    @app.get("/healthz")
    def healthy() -> Response:
        with pages.database.snapshot() as session:
            store.listing(session, limit=1)
            return PlainTextResponse("ok\n")

    @app.get("/favicon.ico")
    def no_icon() -> Response:
        # Asked for by letters in the archive too, whose sandbox has no origin.
        return Response(status_code=204, headers={"Cross-Origin-Resource-Policy": "cross-origin"})

    @app.get("/robots.txt")
    def robots() -> Response:
        shut = ("desk", "u", "confirm", "refuse", "my")
        return PlainTextResponse("User-agent: *\n" + "".join(f"Disallow: /{one}/\n" for one in shut))


def _sorry(app: FastAPI, pages: Pages) -> None:
    """The page for every error, and its status."""

    @app.exception_handler(NotLoggedIn)
    def to_login(_request: Request, _error: Exception) -> Response:
        return RedirectResponse("/desk/login", 303)

    @app.exception_handler(NotSignedIn)
    def to_the_link(_request: Request, _error: Exception) -> Response:
        return RedirectResponse(wishes.current().to("/my/"), 303)

    @app.exception_handler(NewsletterError)
    @app.exception_handler(SubscribersError)
    def sorry(_request: Request, error: Exception) -> Response:
        return pages.sorry(error)

    @app.exception_handler(HTTPException)
    def unknown(_request: Request, error: HTTPException) -> Response:
        title, said = SORRY.get(error.status_code, (FAILED, str(error.detail)))
        answer = pages.page("sorry", error.status_code, title=title, said=said)
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    def invalid(_request: Request, error: RequestValidationError) -> Response:
        if any(one["loc"][0] == "path" for one in error.errors()):
            return pages.sorry(InvalidToken())
        title, said = mark("That form was not filled in as it can be"), mark("Please go back to it.")
        return pages.page("sorry", 422, title=title, said=said)

    @app.exception_handler(Exception)
    def broken(request: Request, error: Exception) -> Response:
        # The route, never the path: paths carry tokens.
        route = request.scope.get("route")
        log.error("%s %s: %s", request.method, getattr(route, "path", "?"), type(error).__name__)
        title, said = SORRY[500]
        return pages.page("sorry", 500, title=title, said=said)


def opened(database: Database, config: Config, vault: Vault, clock: Callable[[], datetime]) -> Pages:
    """The pages of an installation, fit to be served. Raises TemplateError for a form that could gather no consent."""
    pages = Pages(config=config, database=database, vault=vault, clock=clock)
    forms.require_untouched(pages)
    legal.publish(pages)
    forms.publish(pages)
    return pages


def serve(pages: Pages) -> None:
    """Serve until SIGINT or SIGTERM. Paths carry tokens, so there is no access log."""
    config = pages.config
    uvicorn.run(
        application(pages),
        host=config.web.host,
        port=config.web.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        # What X-Forwarded-For says of the caller is the caller's word, unless a proxy of ours wrote it.
        proxy_headers=bool(config.web.proxies),
        forwarded_allow_ips=list(config.web.proxies),
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    pages.joinings.drain()
