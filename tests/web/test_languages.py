"""The readers' pages in six languages: which one is chosen, and that it stays from page to page."""

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from newsletter.languages import CODES, language
from newsletter.web.app import application
from newsletter.web.pages import Pages
from newsletter.web.wishes import Wishes
from tests.builders import SITE, make_newsletter
from tests.web.house import ON_SQLITE, OURS, READER, House, hidden
from tests.web.test_mine import newest

SIGNED_UP = {code: language(code).say("Signed Up") for code in CODES}


@ON_SQLITE
@pytest.mark.parametrize("code", CODES)
def test_a_person_walks_from_the_form_to_the_end_in_one_language(house: House, code: str) -> None:
    spoken = language(code)
    pages = [house.client.get(f"/?lang={code}"), house.client.post(f"/signup?lang={code}", data=house.form())]
    token = house.confirm_token()
    pages.append(house.client.get(f"/confirm/{token}?lang={code}"))
    done = house.press(f"/confirm/{token}?lang={code}")
    leaving = house.leave_token("ana@reader.test")
    pages += [
        done,
        house.client.get(f"/preferences/{leaving}?lang={code}"),
        house.client.get(f"/u/{leaving}?lang={code}"),
    ]
    pages += [house.client.post(f"/u/{leaving}?lang={code}"), house.client.get(f"/nowhere?lang={code}")]
    for page in pages:
        assert f'<html lang="{code}" dir="{spoken.direction}">' in page.text
        assert spoken.say("Skip to the content") in page.text
    assert f"<h1>{SIGNED_UP[code]}</h1>" in done.text


@ON_SQLITE
def test_a_readers_own_pages_stay_in_the_language_she_asked_for(house: House) -> None:
    house.subscribe()
    turned_away = house.client.get("/my/data?lang=fr", follow_redirects=False)
    assert turned_away.headers["location"] == "/my/?lang=fr"
    house.client.post("/my/?lang=fr", data={"address": READER})
    opened = house.client.post(f"/my/open/{newest(house).token}?lang=fr", headers=OURS, follow_redirects=False)
    assert opened.headers["location"] == "/my/data?lang=fr"
    form = {"form_token": hidden(house.client.get("/my/preferences").text, "form_token"), "deed": "unsubscribe"}
    done = house.client.post("/my/subscriptions/world-brief?lang=fr", data=form, headers=OURS, follow_redirects=False)
    assert done.headers["location"] == "/my/preferences?saved=world-brief&lang=fr"


@ON_SQLITE
def test_a_page_that_was_fetched_offers_the_others_and_keeps_its_own_address(house: House) -> None:
    page = house.client.get("/?newsletter=world-brief&lang=fr").text
    assert '<a href="/?newsletter=world-brief&amp;lang=ja" hreflang="ja" lang="ja" dir="ltr">日本語</a>' in page
    assert 'hreflang="fr" lang="fr" dir="ltr" aria-current="true">Français</a>' in page
    assert 'action="/signup?lang=fr"' in page
    assert 'href="/archive/?lang=fr"' in page
    assert "hreflang" not in house.client.post("/signup", data=house.form()).text


@ON_SQLITE
def test_without_a_wish_a_page_is_in_the_newsletters_language_else_the_browsers(house: House) -> None:
    german = make_newsletter(language="de")
    config = replace(house.pages.config, newsletters={german.key: german})
    pages = Pages(config=config, database=house.database, vault=house.pages.vault, clock=house.clock)
    client = TestClient(application(pages), base_url=SITE)
    japanese = {"Accept-Language": "ja,en;q=0.5"}
    assert '<html lang="de"' in client.get("/", headers=japanese).text
    assert '<html lang="ja"' in client.get("/archive/", headers=japanese).text
    assert '<html lang="en"' in client.get("/archive/").text


@ON_SQLITE
def test_the_desk_stays_english(house: House) -> None:
    assert '<html lang="en" dir="ltr">' in house.client.get("/desk/login?lang=ar").text


def test_a_wish_leads_only_to_our_own_pages() -> None:
    wishes = Wishes(method="GET", path="/a b", query=(("lang", "ar"), ("x", "<&>")))
    assert wishes.to("/privacy") == "/privacy?lang=ar"
    assert wishes.to("/?newsletter=a%26b") == "/?newsletter=a%26b&lang=ar"
    assert wishes.to("https://elsewhere.test/terms") == "https://elsewhere.test/terms"
    assert wishes.to("//elsewhere.test") == "//elsewhere.test"
    assert {one.code: to for one, to in wishes.others()}["ja"] == "/a%20b?x=%3C%26%3E&lang=ja"
    assert Wishes(query=(("lang", "xx"),)).to("/privacy") == "/privacy"
