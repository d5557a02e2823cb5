"""The readers' pages: the same answer for everybody, nothing written by looking, one click to leave."""

import gc
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from newsletter.database import Database
from newsletter.errors import DatabaseError
from newsletter.web.app import application
from newsletter.web.pages import Pages, network
from tests.builders import SITE, make_newsletter
from tests.web.house import ON_SQLITE, READER, Clock, House, hidden, make_pages

WORDING = (
    "Sign up to receive World Brief in your inbox every weekday. By submitting your email, you agree to the Privacy "
    "Policy and Terms of Use and to receive email correspondence from us. You may opt out at any time."
)
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
TOKENLESS = ("/", "/?newsletter=world-brief", "/archive/", "/privacy", "/terms", "/healthz", "/robots.txt")
NO_ADDRESSES = (
    "",
    "nobody",
    "a@x.org\r\nBcc: v@y.org",
    "a%0a@x.org\0",
    "a\u202eb@x.org",
    "a\u200bb@x.org",
    "a" * 65 + "@x.org",
    "a@" + "b" * 260 + ".org",
    "a@b",
    '"a b"@x.org',
    "a@[127.0.0.1]",
    "<script>alert(1)</script>@x.org",
)
HOSTILE_TOKENS = (
    "x",
    "0" * 20_000,
    "%00",
    "%0d%0aSet-Cookie:%20a=b",
    "..%2f..%2fetc%2fpasswd",
    "%ff%fe",
    "%F0%9F%93%B0",
    "' OR 1=1 --",
)


def _without(headers: Any, *names: str) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in names}


# Coming in


def test_the_form_shows_its_wording_and_then_says_signed_up(house: House) -> None:
    front = house.client.get("/")
    assert WORDING in front.text
    assert 'type="checkbox"' not in front.text
    assert "Check your inbox" in house.client.post("/signup", data=house.form()).text
    token = house.confirm_token()
    asked = house.client.get(f"/confirm/{token}")
    assert "<button>Confirm</button>" in asked.text
    assert READER not in asked.text
    assert WORDING in asked.text
    assert house.readers() == 0
    assert "<h1>Signed Up</h1>" in house.press(f"/confirm/{token}").text
    assert [one.address for one in house.recipients().values()] == [READER]


@ON_SQLITE
def test_confirming_twice_says_the_same_and_keeps_one_consent(house: House) -> None:
    house.client.post("/signup", data=house.form())
    token = house.confirm_token()
    stamp = hidden(house.client.get(f"/confirm/{token}").text, "stamp")
    first = house.client.post(f"/confirm/{token}", data={"stamp": stamp})
    kept = house.rows()
    again = house.client.post(f"/confirm/{token}", data={"stamp": stamp})
    assert (again.status_code, again.text) == (200, first.text)
    said = [
        text.split("<main")[1].split("</main>")[0] for text in (first.text, house.client.get(f"/confirm/{token}").text)
    ]
    assert said[0] == said[1]
    assert house.rows() == kept


@ON_SQLITE
def test_a_confirmation_link_expires_and_says_what_to_do(house: House, clock: Clock) -> None:
    house.client.post("/signup", data=house.form())
    token = house.confirm_token()
    clock.now += timedelta(hours=73)
    for answer in (house.client.get(f"/confirm/{token}"), house.client.post(f"/confirm/{token}")):
        assert answer.status_code == 410
        assert "expired" in answer.text
        assert "Sign up again" in answer.text
    assert house.readers() == 0


def test_an_ended_subscription_is_not_revived_by_somebody_who_signs_its_address_up(house: House) -> None:
    token = house.subscribe()
    house.client.post(f"/u/{token}")
    house.client.post("/signup", data=house.form())
    assert house.readers() == 0
    assert "Unsubscribed" in house.client.get(f"/u/{token}").text


@ON_SQLITE
def test_no_letter_goes_to_one_address_twice_a_day(house: House) -> None:
    for _ in range(5):
        house.client.post("/signup", data=house.form())
    assert len(house.requests()) == 1


@ON_SQLITE
def test_a_form_with_other_words_than_these_is_shown_again(house: House) -> None:
    kept = house.people()
    for wording in ("", "0" * 64, "ü"):
        answer = house.client.post("/signup", data=house.form(wording=wording))
        assert answer.status_code == 409
        assert WORDING in answer.text
        assert f'value="{READER}"' in answer.text
    assert house.people() == kept


def test_what_is_no_address_is_told_why_and_kept_nowhere(house: House) -> None:
    kept = house.people()
    for address in NO_ADDRESSES:
        answer = house.client.post("/signup", data=house.form(address))
        assert answer.status_code == 422, address
        assert "That address cannot be right" in answer.text
        assert ".." not in answer.text.split('role="alert">')[1].split("</p>")[0]
        assert 'aria-describedby="problem"' in answer.text
        assert "<script>" not in answer.text
    assert house.people() == kept


@pytest.mark.parametrize(
    ("host", "named"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("unix", "local"),
    ],
)
def test_a_network_names_nobody(host: str, named: str) -> None:
    from starlette.requests import Request

    assert network(Request({"type": "http", "client": (host, 1), "headers": []})) == named


@ON_SQLITE
def test_links_are_made_of_the_configured_address_whatever_host_is_asked(house: House) -> None:
    evil = {"Host": "evil.org", "X-Forwarded-Host": "evil.org"}
    for path in ("/", "/archive/", "/privacy"):
        assert "evil.org" not in house.client.get(path, headers=evil).text
    assert "evil.org" not in house.client.post("/signup", data=house.form(), headers=evil).text
    kept = str(house.rows())
    assert "evil.org" not in kept
    assert SITE in kept


@ON_SQLITE
def test_an_unknown_newsletter_is_no_page(house: House) -> None:
    assert house.client.get("/?newsletter=other").status_code == 404
    assert house.client.post("/signup", data=house.form(newsletter="other")).status_code == 404


@ON_SQLITE
def test_with_two_newsletters_each_page_names_the_other(house: House) -> None:
    other = make_newsletter(key="science", name="Science & Sky", tagline="")
    papers = {"world-brief": house.paper, "science": other}
    config = replace(house.pages.config, newsletters=papers)
    pages = Pages(config=config, database=house.database, vault=house.pages.vault, clock=house.clock)
    client = TestClient(application(pages), base_url=SITE)
    assert '<a href="/?newsletter=science">Science &amp; Sky</a>' in client.get("/").text
    assert "receive Science &amp; Sky in your inbox" in client.get("/?newsletter=science").text


@ON_SQLITE
def test_a_dead_database_promises_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    form = house.form()

    def dead(_self: Database) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(Database, "transaction", dead)
    answer = house.client.post("/signup", data=form)
    assert answer.status_code == 503
    assert "disk" not in answer.text
    assert "Nothing was changed" in answer.text


# Going out


@pytest.mark.parametrize("encoding", ["urlencoded", "multipart"])
def test_one_click_unsubscribes_without_cookie_origin_or_redirect(house: House, encoding: str) -> None:
    token = house.subscribe()
    if encoding == "multipart":
        answer = house.client.post(f"/u/{token}", files={"List-Unsubscribe": (None, "One-Click")})
        assert answer.request.headers["content-type"].startswith("multipart/form-data")
    else:
        answer = house.client.post(f"/u/{token}", data=ONE_CLICK, follow_redirects=False)
    assert (answer.status_code, answer.text) == (200, "Unsubscribed.\n")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "set-cookie" not in answer.headers
    assert house.readers() == 0
    kept = house.rows()
    again = house.client.post(f"/u/{token}", data=ONE_CLICK)
    assert (again.status_code, again.content, again.headers) == (200, answer.content, answer.headers)
    assert house.rows() == kept


def test_one_click_with_a_token_of_nobody_learns_nothing(house: House) -> None:
    for token in HOSTILE_TOKENS:
        answer = house.client.post(f"/u/{token}", data=ONE_CLICK)
        if "%2f" in token:
            assert answer.status_code == 404  # another path altogether
        else:
            assert (answer.status_code, answer.text) == (200, "Unsubscribed.\n")


def test_pages_behind_a_token_of_nobody_are_not_there(house: House) -> None:
    for token in HOSTILE_TOKENS:
        paths = [f"/{page}/{token}" for page in ("u", "confirm", "preferences", "refuse")]
        answers = [house.client.get(path) for path in paths]
        answers += [house.client.post(path, data={"weeks": "1"}) for path in paths]
        assert {answer.status_code for answer in answers} == {404}, token
        assert "%2f" in token or all(answer.headers["cache-control"] == "no-store" for answer in answers)


@ON_SQLITE
def test_a_token_opens_only_the_door_it_was_made_for(house: House) -> None:
    leave = house.subscribe()
    house.client.post("/signup", data=house.form("other@reader.test"))
    confirm = house.confirm_token()
    assert house.client.post(f"/confirm/{leave}").status_code == 404
    assert house.client.post(f"/preferences/{confirm}", data={"weeks": "1"}).status_code == 404
    house.client.post(f"/u/{confirm}", data=ONE_CLICK)
    flipped = leave[:10] + ("a" if leave[10] != "a" else "b") + leave[11:]
    house.client.post(f"/u/{flipped}", data=ONE_CLICK)
    assert house.readers() == 1


@ON_SQLITE
def test_the_button_unsubscribes_and_its_page_shows_no_address(house: House) -> None:
    token = house.subscribe()
    page = house.client.get(f"/u/{token}")
    assert "<button>Unsubscribe</button>" in page.text
    assert READER not in page.text
    assert READER not in house.client.get(f"/preferences/{token}").text
    assert "<h1>Unsubscribed</h1>" in house.client.post(f"/u/{token}").text
    assert house.readers() == 0


@ON_SQLITE
def test_a_letter_of_four_hundred_days_ago_still_unsubscribes(house: House, clock: Clock) -> None:
    token = house.subscribe()
    clock.now += timedelta(days=400)
    assert house.client.post(f"/u/{token}", data=ONE_CLICK).status_code == 200
    assert house.readers() == 0


@ON_SQLITE
def test_a_newsletter_that_was_closed_can_still_be_left(house: House) -> None:
    token = house.subscribe()
    config = replace(house.pages.config, newsletters={})
    pages = Pages(config=config, database=house.database, vault=house.pages.vault, clock=house.clock)
    client = TestClient(application(pages), base_url=SITE)
    assert client.get(f"/u/{token}").status_code == 200
    assert client.get(f"/preferences/{token}").status_code == 200
    assert client.post(f"/u/{token}").status_code == 200
    assert house.readers() == 0
    assert client.get("/").status_code == 404


def test_a_break_is_taken_and_ended_by_the_reader(house: House, clock: Clock) -> None:
    token = house.subscribe()
    assert "every weekday" in house.client.get(f"/preferences/{token}").text
    paused = house.client.post(f"/preferences/{token}", data={"weeks": "2"})
    assert 'role="status">Saved.' in paused.text
    assert "Monday, December 7, 2026" in paused.text
    assert house.readers() == 0
    assert "every weekday" in house.client.post(f"/preferences/{token}", data={"weeks": "0"}).text
    assert house.readers() == 1
    house.client.post(f"/preferences/{token}", data={"weeks": "1"})
    clock.now += timedelta(days=8)
    assert house.readers() == 1
    assert "every weekday" in house.client.get(f"/preferences/{token}").text


@ON_SQLITE
def test_no_break_is_as_long_as_that(house: House) -> None:
    token = house.subscribe()
    kept = house.rows()
    for weeks in ("-1", "27", "9" * 400, "", "two", "1.5", "\0"):
        assert house.client.post(f"/preferences/{token}", data={"weeks": weeks}).status_code == 422
    assert house.rows() == kept


@ON_SQLITE
def test_who_has_left_has_nothing_to_pause(house: House) -> None:
    token = house.subscribe()
    house.client.post(f"/u/{token}")
    for weeks in ("0", "4"):
        answer = house.client.post(f"/preferences/{token}", data={"weeks": weeks})
        assert answer.status_code == 409
        assert "is not sent to you" in answer.text
    assert house.readers() == 0


# Manners


def test_looking_never_writes(house: House) -> None:
    leaving = house.subscribe()
    house.client.post("/signup", data=house.form("pending@reader.test"))
    house.send()
    asked = house.confirm_token()
    tokens = (f"/confirm/{asked}", f"/refuse/{asked}", f"/u/{leaving}", f"/preferences/{leaving}")
    others = (
        *TOKENLESS,
        "/archive/world-brief/2026-11-23",
        "/archive/world-brief/2026-11-23.txt",
        "/media/suva-assembly.jpg",
        "/desk/",
        "/desk/login",
        "/desk/world-brief/2026-11-23",
    )
    kept = house.rows()
    for path in tokens * 33 + (*tokens, *others):
        assert house.client.get(path).status_code == 200
    for path in (*tokens, *others, "/signup"):
        assert house.client.head(path).content == b""
        assert house.client.options(path).status_code == 405
    assert house.client.get("/signup/challenge").status_code == 200
    assert house.rows() == kept


@ON_SQLITE
def test_every_answer_carries_the_security_headers(house: House) -> None:
    for path in ("/", "/signup", "/nowhere", "/u/x", "/confirm/x", "/desk/", "/media/x", "/healthz"):
        for method in ("GET", "HEAD", "POST", "OPTIONS", "DELETE"):
            answer = house.client.request(method, path, follow_redirects=False)
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert ("script-src 'self'" in policy) is (
                (path, method) in {("/", "GET"), ("/", "HEAD"), ("/signup", "POST")}
            )
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "same-origin"
            assert answer.headers["cross-origin-opener-policy"] == "same-origin"


@ON_SQLITE
def test_token_pages_are_neither_kept_nor_indexed(house: House) -> None:
    leaving = house.subscribe()
    house.client.post("/signup", data=house.form("pending@reader.test"))
    asked = house.confirm_token()
    paths = (
        *(f"/confirm/{asked}", f"/refuse/{asked}", f"/u/{leaving}", f"/preferences/{leaving}"),
        *("/u/unknown", "/confirm/unknown", "/refuse/unknown", "/preferences/unknown"),
    )
    for answer in [house.client.get(path) for path in paths] + [house.client.post(f"/u/{leaving}")]:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-robots-tag"] == "noindex"
        assert answer.headers["referrer-policy"] == answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "<script" not in answer.text
        assert "set-cookie" not in answer.headers


@ON_SQLITE
def test_head_answers_as_get_without_the_body(house: House) -> None:
    for path in TOKENLESS:
        got, asked = house.client.get(path), house.client.head(path)
        assert asked.status_code == got.status_code
        assert asked.content == b""
        assert asked.headers == got.headers


@ON_SQLITE
def test_the_style_may_be_kept_for_ever_and_has_no_hole(house: House) -> None:
    page = house.client.get("/").text
    style = house.client.get(page.split('rel="stylesheet" href="')[1].split('"')[0])
    assert style.headers["content-type"].startswith("text/css")
    assert "immutable" in style.headers["cache-control"]
    assert "{{" not in style.text
    assert "url(" not in style.text
    assert "#a3241c" in style.text


@ON_SQLITE
def test_no_page_fetches_from_anybody_else(house: House) -> None:
    token = house.subscribe()
    for path in ("/", "/archive/", "/privacy", "/terms", f"/u/{token}", "/desk/login"):
        text = house.client.get(path).text
        assert text.count("<script") == (path == "/")
        assert all(one.startswith("/static/") for one in re.findall(r'src="([^"]*)"', text))
        assert "//" not in text.replace("<!doctype", "")


def test_a_body_too_large_or_of_too_many_fields_is_refused(house: House) -> None:
    kept = house.people()
    huge = house.client.post("/signup", data=house.form("a" * 10_000_000 + "@x.org"))
    many = house.client.post("/signup", data=house.form() | {f"field{n}": "x" for n in range(5_000)})
    arrays = house.client.post("/signup", json={"address": ["a@x.org"], "newsletter": {}, "wording": 1})
    twice = house.client.post(
        "/signup",
        content="address[]=a@x.org&address=a&address=b&newsletter=world-brief",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    upload = house.client.post("/signup", data=house.form(), files={"address": ("a.txt", b"a@x.org")})
    assert [one.status_code for one in (huge, many)] == [413, 400]
    assert all(400 <= one.status_code < 500 for one in (arrays, twice, upload))
    assert "content-security-policy" in huge.headers
    assert house.people() == kept


@ON_SQLITE
def test_a_one_click_body_of_nonsense_is_no_fault_of_ours(house: House) -> None:
    token = house.subscribe()
    broken = {"Content-Type": "multipart/form-data"}
    assert house.client.post(f"/u/{token}", content=b"\xff\x00", headers=broken).status_code == 400
    assert house.client.post(f"/u/{token}", data={str(n): "x" for n in range(200)}).status_code == 400
    assert house.readers() == 1


@ON_SQLITE
def test_a_fault_of_ours_is_said_without_its_words_and_logged_without_the_path(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    token = house.subscribe()

    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("subscribers.preferences", broken)
    client = TestClient(application(house.pages), base_url=SITE, raise_server_exceptions=False)
    answer = client.get(f"/u/{token}")
    assert answer.status_code == 500
    assert "The fault is ours" in answer.text
    assert "secret" not in answer.text
    assert "content-security-policy" in answer.headers
    assert "/u/{token}: RuntimeError" in caplog.text
    assert token not in caplog.text
    gc.collect()


@ON_SQLITE
def test_privacy_and_terms_say_who_answers_for_them(house: House) -> None:
    assert "desk@worldbrief.test" in house.client.get("/privacy").text
    assert "72 hours" in house.client.get("/privacy").text
    assert "World Brief" in house.client.get("/terms").text
    bare = make_pages(
        house.database,
        house.pages.config.home,
        house.clock,
        site=replace(house.pages.config.site, contact_address="", postal_address=""),
    )
    client = TestClient(application(bare), base_url=SITE)
    assert [client.get(path).status_code for path in ("/privacy", "/terms", "/")] == [200, 200, 200]
