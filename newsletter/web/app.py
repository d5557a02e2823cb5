"""The application: the routes as a list, one middleware, one mapping of errors; and the server that runs it."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from newsletter.config import Config
from newsletter.database import Database
from newsletter.errors import NewsletterError
from newsletter.vault import Vault
from newsletter.web import archive, desk, public
from newsletter.web.desk import NotLoggedIn
from newsletter.web.pages import HEADERS, Pages
from subscribers import SubscribersError

MAX_BODY_BYTES: Final = 100_000
GRACE_SECONDS: Final = 5


def application(pages: Pages) -> FastAPI:
    """Every page of one installation. The schema pages are off: there is no public API yet."""
    app = FastAPI(title="World Brief", docs_url=None, redoc_url=None, openapi_url=None, max_body_size=MAX_BODY_BYTES)
    app.include_router(public.routes(pages))
    app.include_router(archive.routes(pages))
    app.include_router(desk.routes(pages))

    @app.get(pages.style_name)
    def style() -> Response:
        return Response(
            pages.style,
            media_type="text/css",
            headers={**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"},
        )

    @app.get("/healthz")
    def healthy() -> Response:
        with pages.database.snapshot():
            return PlainTextResponse("ok\n")

    @app.exception_handler(NotLoggedIn)
    def to_login(_request: Request, _error: Exception) -> Response:
        return RedirectResponse("/desk/login", 303)

    @app.exception_handler(NewsletterError)
    @app.exception_handler(SubscribersError)
    def sorry(_request: Request, error: Exception) -> Response:
        return pages.sorry(error)

    @app.exception_handler(HTTPException)
    def unknown(_request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            return pages.page("sorry", 404, title="There is no such page", said="")
        return pages.page("sorry", error.status_code, title="That did not work", said=str(error.detail))

    @app.exception_handler(RequestValidationError)
    def invalid(_request: Request, _error: RequestValidationError) -> Response:
        return pages.page("sorry", 422, title="That form was not filled in as it can be", said="")

    return app


def serve(database: Database, config: Config, vault: Vault, clock: Callable[[], datetime]) -> None:
    """Serve until SIGINT or SIGTERM. Paths carry tokens, so there is no access log."""
    pages = Pages(config=config, database=database, vault=vault, clock=clock)
    uvicorn.run(
        application(pages),
        host=config.web.host,
        port=config.web.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
