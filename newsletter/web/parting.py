"""The two last things a reader may do on her own pages: take a receipt of her consent, and have herself erased."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from newsletter.delivery import erasure
from newsletter.delivery.erasure import Wish
from newsletter.web import receipts
from newsletter.web.pages import Pages, network, secure
from newsletter.web.visit import MINE, cookie_name, page_of, posted, visit_of
from subscribers import ErasureHeld, Evidence

KINDS: Final = {"html": ("html", "text/html"), "json": ("jsonld", "application/ld+json")}


def routes(router: APIRouter, pages: Pages) -> None:
    """Add the routes of receipt and erasure to a reader's own."""

    @router.post("/receipt")
    def receipt(
        request: Request,
        form: Annotated[Literal["html", "json"], Form()],
        form_token: Annotated[str, Form(max_length=100)] = "",
    ) -> Response:
        # A receipt is made against a checkpoint of its own, which is kept: so this is no GET.
        visit = posted(pages, request, form_token)
        made = receipts.make(pages, visit.visitor.address)
        spoken = pages.speaking(visitor=visit.visitor)
        text = receipts.as_html(pages, made, spoken) if form == "html" else receipts.as_json(made)
        ending, kind = KINDS[form]
        name = f"consent-receipt-{pages.clock():%Y-%m-%d}.{ending}"
        named = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(text, media_type=f"{kind}; charset=utf-8", headers=MINE | named)

    @router.get("/erase")
    def ask(request: Request) -> Response:
        return page_of(pages, "my_erase", visit_of(pages, request), held=None)

    @router.post("/erase")
    def erase(
        request: Request,
        *,
        never_again: Annotated[bool, Form()] = False,
        form_token: Annotated[str, Form(max_length=100)] = "",
    ) -> Response:
        visit = posted(pages, request, form_token)
        evidence = Evidence(method="erase button on the reader’s own pages", network=network(request))
        wish = Wish(address=visit.visitor.address, evidence=evidence, never_again=never_again)
        try:
            gone = erasure.erase(pages.database, pages.keys, pages.config, wish, pages.clock())
        except ErasureHeld as error:
            return page_of(pages, "my_erase", visit, 409, held=error.until)
        told = gone.letter is not None
        answer = pages.page("my_erased", headers=MINE, visitor=visit.visitor, held=gone.held_until, told=told)
        by_tls = secure(request, pages.config.site.base_url)
        answer.delete_cookie(cookie_name(pages, request), secure=by_tls, httponly=True, samesite="strict")
        return answer
