"""The form on other sites: only where the house allows it, without a script, and with the same door behind it."""

from dataclasses import replace
from datetime import timedelta

from starlette.testclient import TestClient

from newsletter.config import Signup
from newsletter.web.app import application
from subscribers import notices
from tests.builders import SITE
from tests.web.house import ON_SQLITE, READER, House, hidden

pytestmark = ON_SQLITE
ORIGIN = "https://paper.test"


def _open(house: House) -> House:
    signup = Signup(embed_origins=(ORIGIN, "https://*.paper.test"))
    pages = replace(house.pages, config=replace(house.pages.config, signup=signup))
    return House(pages=pages, client=TestClient(application(pages), base_url=SITE), clock=house.clock)


def test_only_the_sites_that_are_named_may_frame_the_form(house: House) -> None:
    assert house.client.get("/embed/world-brief").status_code == 404
    page = _open(house).client.get("/embed/world-brief")
    policy = page.headers["content-security-policy"]
    assert f"frame-ancestors {ORIGIN} https://*.paper.test;" in policy
    assert "script-src 'self';" in policy
    assert "set-cookie" not in page.headers
    assert "frame-ancestors 'none'" in house.client.get("/").headers["content-security-policy"]


def test_the_framed_form_signs_up_like_the_other_and_says_where_it_stood(house: House) -> None:
    framed = _open(house)
    page = framed.client.get("/embed/world-brief?lang=fr").text
    assert 'action="/signup?lang=fr"' in page
    posted = {name: hidden(page, name) for name in ("newsletter", "wording", "shown", "stamp")} | {"address": READER}
    framed.clock.now += timedelta(seconds=5)
    answer = framed.client.post("/signup?lang=fr", data=posted)
    assert "Consultez votre boîte de réception" in answer.text
    assert framed.confirm_token()
    with framed.database.snapshot() as session:
        [form] = notices.forms(session)
    assert '<body class="reader embed">' in form.text
    assert form.language == "fr"


def test_the_desk_shows_the_line_to_copy(house: House) -> None:
    framed = _open(house)
    framed.log_in()
    assert f'&lt;iframe src="{SITE}/embed/world-brief"' in framed.client.get("/desk/").text
