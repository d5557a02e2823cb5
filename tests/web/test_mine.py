"""A reader's own pages: only the mailed link opens them, every form is hers, and what she takes is all there is."""

import csv
import io
import json
import re
from dataclasses import fields, replace
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel
from starlette.testclient import TestClient

import subscribers
from newsletter.delivery import ledger
from newsletter.delivery.ledger import EDITION, Opening
from newsletter.delivery.witness import Witness
from newsletter.languages import CODES, language
from newsletter.web import joining, legal, receipts
from newsletter.web.app import application
from newsletter.web.pages import Pages
from newsletter.web.visit import COOKIE
from subscribers import Address
from subscribers.ledger import receipt, vocabulary
from subscribers.tokens import Purpose
from tests.builders import MONDAY, SITE, make_newsletter
from tests.web.house import ON_SQLITE, OURS, READER, Clock, House

NEW = "ana@elsewhere.test"
DEEDS = ("subscribe", "unsubscribe", "rhythm", "pause", "resume", "count", "uncount")
POSTS = (
    "/my/leave",
    "/my/export",
    "/my/receipt",
    "/my/erase",
    "/my/subscriptions/world-brief",
    "/my/language",
    "/my/address",
)
FIELDS = {"deed": "unsubscribe", "form": "json", "language": "en", "address": NEW}


def letters(house: House, kind: str = "access") -> list[int]:
    """The numbers of the letters of a kind that were queued, oldest first."""
    query = "SELECT recipient_id FROM delivery JOIN mailing ON mailing.id = mailing_id WHERE kind = :kind"
    with house.database.snapshot() as session:
        rows = session.connection().execute(sa.text(f"{query} ORDER BY mailing_id"), {"kind": kind}).all()
    return [row[0] for row in rows]


def newest(house: House, kind: str = "access") -> subscribers.Addressee:
    with house.database.snapshot() as session:
        found = subscribers.addressee(session, house.pages.keys, letters(house, kind)[-1], house.clock.now)
    assert isinstance(found, subscribers.Addressee), found
    return found


def sign_in(house: House, address: str = READER) -> None:
    """The whole way in: ask, open the letter's link, press its button."""
    house.client.post("/my/", data={"address": address})
    token = newest(house).token
    assert "<button>Open my data</button>" in house.client.get(f"/my/open/{token}").text
    answer = house.client.post(f"/my/open/{token}", headers=OURS, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/my/data")


def form_token(house: House) -> str:
    found = re.search(r'name="form_token" value="(\w+)"', house.client.get("/my/preferences").text)
    assert found
    return found[1]


def post(house: House, path: str, **fields: str) -> Any:
    """Press a button of a signed-in page, as its form would."""
    posted = {"form_token": form_token(house)} | fields
    return house.client.post(path, data=posted, headers=OURS, follow_redirects=False)


def choose(house: House, deed: str, newsletter: str = "world-brief", **fields: str) -> Any:
    return post(house, f"/my/subscriptions/{newsletter}", deed=deed, **fields)


def taken(house: House) -> dict[str, Any]:
    held = json.loads(post(house, "/my/export", form="json").text)
    assert isinstance(held, dict)
    return held


@pytest.fixture
def two(pages: Pages, clock: Clock) -> House:
    """An installation with a second newsletter, which comes on Saturdays too."""
    evening = make_newsletter(key="evening", name="World Evening", days=("fri", "sat"), language="fr", slots=())
    papers = {**pages.config.newsletters, "evening": evening}
    both = replace(pages, config=replace(pages.config, newsletters=papers))
    client = TestClient(application(both), base_url=SITE, client=("192.0.2.7", 50000))
    return House(pages=both, client=client, clock=clock)


# The way in


def test_every_address_gets_the_same_answer_and_only_a_known_one_a_letter(house: House) -> None:
    house.subscribe()
    gone = house.subscribe("gone@reader.test")
    house.client.post(f"/u/{gone}", data={"List-Unsubscribe": "One-Click"})
    house.client.post("/signup", data=house.form("pending@reader.test"))
    house.subscribe("complained@reader.test")
    house.suppress("complained@reader.test")
    names = (READER, "gone@reader.test", "new@reader.test", "pending@reader.test", "complained@reader.test")
    answers = [house.client.post("/my/", data={"address": one}) for one in names]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len({str(answer.headers) for answer in answers}) == 1
    assert "set-cookie" not in answers[0].headers
    assert len(letters(house)) == 2


@ON_SQLITE
def test_a_stranger_who_asks_for_somebodys_data_learns_nothing_and_the_letter_goes_to_its_holder(house: House) -> None:
    house.subscribe()
    stranger = TestClient(house.client.app, base_url=SITE)
    asked = stranger.post("/my/", data={"address": READER})
    assert READER not in asked.text
    assert newest(house).address == READER
    for path in ("/my/data", "/my/preferences"):
        answer = stranger.get(path, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/my/")
    assert stranger.post("/my/export", data={"form": "json"}, headers=OURS, follow_redirects=False).status_code == 303


@ON_SQLITE
def test_a_mailbox_gets_a_few_such_letters_a_day_over_all_its_spellings(house: House) -> None:
    house.subscribe("ana.reader@gmail.com")
    for _ in range(5):
        house.client.post("/my/", data={"address": "Ana.Reader@gmail.com"})
    assert len(letters(house)) == 3
    house.clock.now += timedelta(hours=25)
    house.client.post("/my/", data={"address": "ana.reader@gmail.com"})
    assert len(letters(house)) == 4


@ON_SQLITE
def test_a_network_that_asks_for_too_many_is_told_to_wait(house: House) -> None:
    few = replace(house.pages.config.signup, network_posts_per_hour=50)
    pages = replace(house.pages, config=replace(house.pages.config, signup=few))
    client = TestClient(application(pages), base_url=SITE)
    answers = [client.post("/my/", data={"address": f"a{n}@reader.test"}) for n in range(51)]
    assert [one.status_code for one in answers] == [200] * 50 + [429]


@ON_SQLITE
@pytest.mark.parametrize("typed", ["", "nobody", "a@x.org\r\nBcc: v@y.org", "a" * 65 + "@x.org", "<script>@x.org"])
def test_what_cannot_be_an_address_is_said_so(house: House, typed: str) -> None:
    answer = house.client.post("/my/", data={"address": typed})
    assert answer.status_code == 422
    assert "That address cannot be right" in answer.text
    assert "<script>" not in answer.text


@ON_SQLITE
def test_a_link_opens_once_and_for_half_an_hour(house: House, clock: Clock) -> None:
    house.subscribe()
    house.client.post("/my/", data={"address": READER})
    token = newest(house).token
    clock.now += timedelta(minutes=30)
    for answer in (house.client.get(f"/my/open/{token}"), house.client.post(f"/my/open/{token}", headers=OURS)):
        assert answer.status_code == 410
        assert "Ask for a new one here" in answer.text
    sign_in(house)
    used = newest_token_used(house)
    assert house.client.get(f"/my/open/{used}").status_code == 410
    again = house.client.post(f"/my/open/{used}", headers=OURS)
    assert again.status_code == 410
    assert "set-cookie" not in again.headers
    clock.now += timedelta(minutes=29)
    assert READER in house.client.get("/my/data").text
    clock.now += timedelta(minutes=1)
    assert house.client.get("/my/data", follow_redirects=False).status_code == 303


def newest_token_used(house: House) -> str:
    with house.database.snapshot() as session:
        query = sa.text("SELECT public_id FROM access_grant WHERE used_at IS NOT NULL ORDER BY id DESC LIMIT 1")
        return house.pages.keys.token(Purpose.ACCESS, bytes(session.connection().execute(query).scalar_one()))


@ON_SQLITE
def test_the_cookie_is_the_strictest_there_is_and_no_other_page_sets_one(house: House) -> None:
    leaving = house.subscribe()
    house.client.post("/my/", data={"address": READER})
    token = newest(house).token
    entered = house.client.post(f"/my/open/{token}", headers=OURS, follow_redirects=False)
    [cookie] = entered.headers.get_list("set-cookie")
    name, *attributes = cookie.split("; ")
    assert name.startswith(f"{COOKIE}=")
    assert set(attributes) == {"HttpOnly", "Secure", "SameSite=strict", "Path=/", "Max-Age=1800"}
    secret = name.partition("=")[2]
    assert len(bytes.fromhex(secret)) == 32
    assert secret not in str(house.rows())
    paths = ("/", "/archive/", "/privacy", "/my/", f"/u/{leaving}", f"/preferences/{leaving}", "/my/data")
    assert not [path for path in paths if "set-cookie" in house.client.get(path).headers]


@ON_SQLITE
def test_over_plain_http_the_cookie_goes_without_the_prefix_browsers_would_refuse(pages: Pages, clock: Clock) -> None:
    client = TestClient(application(pages), base_url="http://127.0.0.1:8000")
    house = House(pages=pages, client=client, clock=clock)
    house.subscribe()
    house.client.post("/my/", data={"address": READER})
    path, ours = f"/my/open/{newest(house).token}", {"Sec-Fetch-Site": "same-origin"}
    [cookie] = client.post(path, headers=ours, follow_redirects=False).headers.get_list("set-cookie")
    assert cookie.startswith("reader=")
    assert "Secure" not in cookie
    assert READER in client.get("/my/data").text


# Capability separation


@ON_SQLITE
def test_the_link_in_a_newsletter_opens_nothing_but_the_way_out(house: House) -> None:
    leaving = house.subscribe()
    kept = house.rows()
    for path in ("/my/open", "/my/address", "/confirm"):
        assert house.client.get(f"{path}/{leaving}").status_code == 404
        assert house.client.post(f"{path}/{leaving}", headers=OURS).status_code == 404
    assert house.rows() == kept
    sign_in(house)
    access = newest_token_used(house)
    for path in ("/u", "/preferences", "/my/address", "/my/link", "/confirm"):
        assert house.client.post(f"{path}/{access}", data={"weeks": "1"}, headers=OURS).status_code == 404


def test_a_friend_with_a_forwarded_edition_sees_no_address_and_her_link_goes_to_its_owner(house: House) -> None:
    leaving = house.subscribe()
    friend = TestClient(house.client.app, base_url=SITE)
    page = friend.get(f"/preferences/{leaving}").text
    assert READER not in page
    assert f'action="/my/link/{leaving}"' in page
    asked = friend.post(f"/my/link/{leaving}")
    assert asked.content == friend.post("/my/", data={"address": "nobody@reader.test"}).content
    assert newest(house).address == READER
    assert friend.get("/my/data", follow_redirects=False).status_code == 303


@ON_SQLITE
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_no_other_site_opens_a_visit_or_changes_an_address(house: House, site: str) -> None:
    house.subscribe()
    house.client.post("/my/", data={"address": READER})
    kept, foreign = house.rows(), {"Sec-Fetch-Site": site, "Origin": "https://evil.test"}
    for path in (f"/my/open/{newest(house).token}", "/my/address/anything"):
        assert house.client.post(path, headers=foreign).status_code == 403
    assert house.rows() == kept


def signed_in_posts(house: House) -> set[str]:
    """Every route below /my/ that posts without a token in its path."""
    around: Any = house.client.app
    paths = around.app.app.openapi()["paths"]
    mine = {path for path, methods in paths.items() if path.startswith("/my/") and "post" in methods}
    return {path.replace("{newsletter}", "world-brief") for path in mine if "{token}" not in path}


@ON_SQLITE
@pytest.mark.parametrize("attack", ["no token", "another visit's token", "cross-site", "null origin", "no visit"])
def test_a_signed_in_form_is_taken_from_its_own_visit_only(house: House, attack: str) -> None:
    house.subscribe()
    sign_in(house)
    own = form_token(house)
    other = House(pages=house.pages, client=TestClient(house.client.app, base_url=SITE), clock=house.clock)
    sign_in(other)
    tokens = {"no token": "", "another visit's token": form_token(other)}
    headers = {"cross-site": {"Sec-Fetch-Site": "cross-site"}, "null origin": {"Origin": "null"}}.get(attack, OURS)
    if attack == "no visit":
        house.client.cookies.clear()
    kept = house.rows()
    assert {*POSTS, "/my/"} == signed_in_posts(house)
    for path in POSTS:
        fields = FIELDS | {"form_token": tokens.get(attack, own)}
        answer = house.client.post(path, data=fields, headers=headers, follow_redirects=False)
        assert answer.status_code == (303 if attack == "no visit" else 403), path
    assert house.rows() == kept


def test_looking_writes_nothing(house: House) -> None:
    leaving = house.subscribe()
    sign_in(house)
    post(house, "/my/address", address=NEW)
    house.client.post("/my/", data={"address": READER})
    paths = ["/my/", "/my/data", "/my/preferences", "/my/preferences?saved=world-brief", f"/preferences/{leaving}"]
    paths += [f"/my/open/{newest(house).token}", f"/my/address/{newest(house, 'change').token}"]
    kept = house.rows()
    for path in paths:
        for method in ("GET", "HEAD"):
            answer = house.client.request(method, path)
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "no-store" or path == "/"
            assert answer.headers["referrer-policy"] == "same-origin"
            assert answer.headers["x-robots-tag"] == "noindex"
    assert house.rows() == kept


def test_signing_out_ends_the_visit(house: House) -> None:
    house.subscribe()
    sign_in(house)
    secret = house.client.cookies[COOKIE]
    assert post(house, "/my/leave").headers["location"] == "/my/"
    house.client.cookies.set(COOKIE, secret)
    assert house.client.get("/my/data", follow_redirects=False).status_code == 303


# What she chooses


def test_a_reader_chooses_pauses_resumes_and_leaves(two: House) -> None:
    two.subscribe()
    sign_in(two)
    assert choose(two, "rhythm", rhythm="friday").status_code == 303
    assert "Friday’s edition only</option>" in two.client.get("/my/preferences").text
    assert choose(two, "pause", until="2026-12-24").status_code == 303
    assert "It comes again from Thursday, December 24, 2026 on." in two.client.get("/my/preferences").text
    assert two.readers() == 0
    assert choose(two, "resume").status_code == 303
    assert two.readers() == 1
    assert choose(two, "unsubscribe").status_code == 303
    assert two.readers() == 0
    with two.database.snapshot() as session:
        assert subscribers.verify(session, two.pages.keys).broken == ()
        found = subscribers.show(session, two.pages.keys, Address.parse(READER))
    kinds = [one.kind.value for one in found.events]
    assert kinds == ["requested", "given", "preference_changed", "paused", "resumed", "withdrawn"]


def test_another_newsletter_is_a_consent_of_its_own_with_its_own_words(two: House) -> None:
    two.subscribe()
    sign_in(two)
    page = two.client.get("/my/preferences").text
    [words] = re.findall(r'<p class="quiet">([^<]+)</p>\s*<input[^>]+><input type="hidden" name="wording"', page)
    [digest] = re.findall(r'name="wording" value="(\w+)"', page)
    assert "World Evening" in words
    assert choose(two, "subscribe", "evening", wording="0" * 64).status_code == 422
    assert choose(two, "subscribe", "evening", wording=digest).status_code == 303
    assert choose(two, "subscribe", "evening", wording=digest).status_code == 303
    with two.database.snapshot() as session:
        found = subscribers.show(session, two.pages.keys, Address.parse(READER))
        assert subscribers.verify(session, two.pages.keys).ok
        assert subscribers.audience(session, "evening", two.clock.now).candidates == 1
        [form] = [one.text for one in subscribers.notices.forms(session) if "/my/subscriptions/evening" in one.text]
    # The form is kept as it was shown to her, in her language and not in the newsletter's.
    assert words in form
    assert ">Subscribe<" in form
    [given] = [one for one in found.events if one.newsletter == "evening"]
    assert given.kind is subscribers.Kind.GIVEN
    assert dict(found.wordings)[given.wording] == words
    assert "mailed to the address" in dict(given.evidence)["method"]


@ON_SQLITE
def test_a_blocked_address_is_offered_nothing_and_given_nothing(two: House) -> None:
    two.subscribe()
    sign_in(two)
    [digest] = re.findall(r'name="wording" value="(\w+)"', two.client.get("/my/preferences").text)
    two.suppress(READER)
    assert "this address is blocked" in two.client.get("/my/preferences").text
    assert choose(two, "subscribe", "evening", wording=digest).status_code == 409
    assert "This address is blocked" in two.client.get("/my/data").text


@ON_SQLITE
@pytest.mark.parametrize(
    "until", ["", "tomorrow", "2026-11-23", "1999-01-01", "2028-01-01", "9999-12-31", "0001-01-01"]
)
def test_a_break_ends_on_a_day_within_the_next_year(house: House, until: str) -> None:
    house.subscribe()
    sign_in(house)
    answer = choose(house, "pause", until=until)
    assert answer.status_code == 422
    assert "Please choose a day within the next year." in answer.text
    assert house.readers() == 1


@ON_SQLITE
@pytest.mark.parametrize("deed", DEEDS)
def test_a_newsletter_nobody_knows_is_not_found(house: House, deed: str) -> None:
    house.subscribe()
    sign_in(house)
    assert choose(house, deed, "nothing", rhythm="friday", until="2026-12-24").status_code == 404


@ON_SQLITE
def test_only_rhythms_that_make_a_difference_are_offered(two: House) -> None:
    two.subscribe()
    sign_in(two)
    page = two.client.get("/my/preferences").text
    assert "on weekdays only" not in page
    assert choose(two, "rhythm", rhythm="hourly").status_code == 422
    [digest] = re.findall(r'name="wording" value="(\w+)"', page)
    choose(two, "subscribe", "evening", wording=digest)
    assert "on weekdays only" in two.client.get("/my/preferences").text


@ON_SQLITE
def test_a_reader_chooses_her_language_among_the_houses(two: House) -> None:
    two.subscribe()
    sign_in(two)
    assert post(two, "/my/language", language="fr").status_code == 303
    assert '<option value="fr" lang="fr" selected>' in two.client.get("/my/preferences").text
    assert post(two, "/my/language", language="tlh").status_code == 422


# Another address


def test_an_address_changes_only_when_the_new_mailbox_says_so(house: House) -> None:
    house.subscribe()
    sign_in(house)
    assert "a letter is on its way" in post(house, "/my/address", address=NEW).text
    asked = newest(house, "change")
    assert asked.address == NEW
    assert [one.address for one in house.recipients().values()] == [READER]
    page = house.client.get(f"/my/address/{asked.token}").text
    assert READER not in page
    assert NEW not in page
    house.client.cookies.clear()
    done = house.client.post(f"/my/address/{asked.token}", headers=OURS).text
    assert "<h1>Address changed</h1>" in done
    assert "<title>Address changed: World Brief</title>" in done
    assert [one.address for one in house.recipients().values()] == [NEW]
    told = newest(house, "moved")
    assert told.address == READER
    assert house.client.post(f"/my/address/{asked.token}", headers=OURS).status_code == 410
    with house.database.snapshot() as session:
        assert subscribers.verify(session, house.pages.keys).ok
        found = subscribers.show(session, house.pages.keys, Address.parse(NEW))
        assert subscribers.show(session, house.pages.keys, Address.parse(READER)).subscriptions == ()
    assert found.events[-1].kind is subscribers.Kind.ADDRESS_CHANGED


def test_whoever_signs_up_with_the_old_address_later_is_somebody_else(house: House) -> None:
    house.subscribe()
    sign_in(house)
    post(house, "/my/address", address=NEW)
    house.client.post(f"/my/address/{newest(house, 'change').token}", headers=OURS)
    house.clock.now += timedelta(days=2)
    house.subscribe(READER)
    assert {one.address for one in house.recipients().values()} == {NEW, READER}
    with house.database.snapshot() as session:
        assert subscribers.verify(session, house.pages.keys).ok


def test_a_change_ends_every_visit_and_every_link_of_the_old_mailbox(house: House) -> None:
    house.subscribe()
    sign_in(house)
    post(house, "/my/address", address=NEW)
    house.client.post("/my/", data={"address": READER})
    link = newest(house).token
    house.client.post(f"/my/address/{newest(house, 'change').token}", headers=OURS)
    assert house.client.get("/my/data", follow_redirects=False).status_code == 303
    assert house.client.post(f"/my/open/{link}", headers=OURS).status_code == 410


@ON_SQLITE
@pytest.mark.parametrize("state", ["known", "suppressed", "her own"])
def test_an_address_that_cannot_be_had_gets_the_same_page_and_no_letter(house: House, state: str) -> None:
    house.subscribe()
    if state == "known":
        house.subscribe(NEW)
    elif state == "suppressed":
        house.suppress(NEW)
    sign_in(house)
    answer = post(house, "/my/address", address=READER if state == "her own" else NEW)
    free = post(house, "/my/address", address="free@elsewhere.test")
    assert answer.content == free.content
    assert len(letters(house, "change")) == 1


@ON_SQLITE
def test_an_address_that_came_to_be_known_meanwhile_is_not_taken(house: House) -> None:
    house.subscribe()
    sign_in(house)
    post(house, "/my/address", address=NEW)
    token = newest(house, "change").token
    house.subscribe(NEW)
    kept = house.rows()
    assert house.client.post(f"/my/address/{token}", headers=OURS).status_code == 404
    assert house.rows() == kept


@ON_SQLITE
def test_a_newer_change_takes_the_place_of_an_older_and_a_day_has_few(house: House) -> None:
    house.subscribe()
    sign_in(house)
    post(house, "/my/address", address=NEW)
    first = newest(house, "change").token
    for number in range(4):
        post(house, "/my/address", address=f"ana{number}@elsewhere.test")
    assert len(letters(house, "change")) == 3
    assert house.client.get(f"/my/address/{first}").status_code == 410
    house.clock.now += timedelta(hours=72)
    with house.database.snapshot() as session:
        late = subscribers.addressee(session, house.pages.keys, letters(house, "change")[-1], house.clock.now)
    assert isinstance(late, subscribers.Dropped)


# What she takes


def _delivered(house: House, on: date) -> None:
    """An edition's mailing to everybody, as the sender leaves it."""
    record = house.send(on)
    assert record.approval is not None
    with house.database.transaction() as session:
        found = subscribers.candidates(session, "world-brief", house.clock.now, on)
        opening = Opening(
            newsletter="world-brief",
            kind=EDITION,
            on=on,
            proof_digest=record.approval.digest,
            expires_at=house.clock.now + timedelta(hours=20),
            eligible=found.eligible,
            candidates=found.count,
            excluded=found.excluded,
        )
        assert ledger.open_mailing(session, opening, house.clock.now)


def test_the_copy_holds_everything_and_both_forms_say_the_same(house: House) -> None:
    house.subscribe()
    house.subscribe("somebody.else@reader.test")
    _delivered(house, MONDAY)
    sign_in(house)
    held = taken(house)
    assert held["address"] == READER
    assert [one["edition"] for one in held["letters"] if one["kind"] == "edition"] == ["2026-11-23"]
    assert [one["kind"] for one in held["letters"]].count("confirm") == 1
    assert "somebody.else" not in json.dumps(held)
    assert [one["kind"] for one in held["events"]] == ["requested", "given", "exported"]
    table = list(csv.reader(io.StringIO(post(house, "/my/export", form="csv").text)))
    facts = {(part, number, name): value for part, number, name, value in table[1:]}
    again = {
        (part, str(number), name): "" if value is None else str(value)
        for part, ones in held.items()
        if isinstance(ones, list)
        for number, one in enumerate(ones, 1)
        for name, value in one.items()
    }
    # The second copy was itself written down; all else is the same.
    assert {key: value for key, value in facts.items() if key in again} == {
        key: value if not value.startswith(("=", "+", "-", "@")) else f"'{value}" for key, value in again.items()
    }
    assert {key[0] for key in facts.keys() - again.keys()} == {"reader", "events"}


def test_the_copy_equals_what_the_database_holds(house: House) -> None:
    """Whatever a row of hers says is in the copy, but seals (which are opened), hashes, and whose row it is."""
    house.subscribe()
    _delivered(house, MONDAY)
    sign_in(house)
    post(house, "/my/address", address=NEW)
    held = taken(house)
    said = {str(value) for part in held.values() if isinstance(part, list) for one in part for value in one.values()}
    said |= {str(value) for value in held.values() if not isinstance(value, list)}
    subject = bytes.fromhex(held["subject"])
    hashes = {"fingerprint", "mailbox", "sealed", "token_hash", "commitment", "previous", "entry", "header"}
    private = {
        "access_grant": hashes | {"public_id"},
        "signup_request": hashes | {"public_id", "language", "requested_by"},
    }
    with house.database.snapshot() as session:
        connection = session.connection()
        for name, table in SQLModel.metadata.tables.items():
            if "subject" not in table.c:
                continue
            for row in connection.execute(sa.select(table).where(table.c.subject == subject)).mappings():
                for column, value in row.items():
                    if column in private.get(name, hashes) or (name, column) == ("subscriber", "id") or value is None:
                        continue
                    told = value.hex() if isinstance(value, bytes) else _moment(column, value)
                    assert told in said, f"{name}.{column}"


def _moment(column: str, value: Any) -> str:
    if column.endswith(("_at", "_until")) and isinstance(value, int):
        from subscribers.instants import from_ms

        return from_ms(value).isoformat()
    return str(value)


@ON_SQLITE
def test_no_cell_of_the_copy_runs_in_a_spreadsheet(house: House) -> None:
    house.subscribe("=cmd@reader.test")
    sign_in(house, "=cmd@reader.test")
    answer = post(house, "/my/export", form="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="my-data-2026-11-23.csv"'
    cells = [cell for row in csv.reader(io.StringIO(answer.text)) for cell in row]
    assert "'=cmd@reader.test" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@ON_SQLITE
def test_the_page_of_everything_shows_it_readably(house: House) -> None:
    house.subscribe()
    _delivered(house, MONDAY)
    sign_in(house)
    page = house.client.get("/my/data").text
    for said in (READER, "<bdi>World Brief</bdi> · Monday, November 23, 2026", "about to be sent", "What it said"):
        assert said in page
    assert "form_token" in page
    assert "<script" not in page


def test_what_is_over_is_deleted(house: House) -> None:
    house.subscribe()
    sign_in(house)
    house.clock.now += timedelta(days=2)
    with house.database.transaction() as session:
        assert subscribers.prune_links(session, house.clock.now) == 1
    assert house.rows()["access_grant"] == house.rows()["reader_session"] == []


# The last things


def test_a_receipt_is_handed_over_for_machines_and_for_print(house: House) -> None:
    house.subscribe()
    sign_in(house)
    made = post(house, "/my/receipt", form="json")
    assert made.headers["content-disposition"].endswith('.jsonld"')
    verifier = Witness(config=house.pages.config, vault=house.pages.vault).signer.verifier
    assert subscribers.check_receipt(json.loads(made.text), verifier) == 2
    page = post(house, "/my/receipt", form="html")
    assert "Consent receipt" in page.text
    assert "Consent given</dt><dd><bdi>2026-11-23 10:00:00 UTC</bdi></dd>" in page.text
    assert READER not in page.text
    assert post(house, "/my/receipt", form="pdf").status_code == 422


@ON_SQLITE
def test_a_receipt_shows_the_policy_as_it_was_read_and_its_links_lead_somewhere(house: House) -> None:
    legal.publish(house.pages)
    house.subscribe()
    sign_in(house)
    page = post(house, "/my/receipt", form="html").text
    assert "Shown: the privacy policy" in page
    assert "<h4>Privacy Policy</h4>" in page
    assert "Shown: the terms of use" in page
    assert "<h4>Terms of Use</h4>" in page
    assert "<h5>Who is responsible</h5>" in page
    assert f'<a href="{SITE}/cookies">Cookie Statement</a>' in page
    assert "&lt;p&gt;" not in page


@ON_SQLITE
@pytest.mark.parametrize("code", CODES)
def test_a_receipt_to_print_speaks_its_readers_language(house: House, code: str) -> None:
    house.subscribe()
    with house.database.transaction() as session:
        session.connection().execute(sa.text("UPDATE subscriber SET language = :code"), {"code": code})
    sign_in(house)
    page, spoken = post(house, "/my/receipt", form="html").text, language(code)
    assert page.startswith(f'<!doctype html>\n<html lang="{code}" dir="{spoken.direction}">')
    told = [said for said in (*receipts.WORDS.values(), *receipts.SENTENCES) if spoken.say(said) in page]
    for said in (
        "Consent requested",
        "Consent given",
        "Shown: the wording of the form",
        receipt.PURPOSE,
        receipt.UNTIL,
    ):
        assert said in told
        assert said not in page or code == "en"
    # Only the reader's own page is translated: what machines read says the same to everybody.
    made = json.loads(post(house, "/my/receipt", form="json").text)
    purpose = made["dpv:hasRecordOfActivity"][0]["dpv:hasProcess"][0]["dpv:hasPurpose"][0]
    assert purpose["skos:prefLabel"] == [receipt.PURPOSE]


def test_every_word_a_receipt_can_need_has_a_name_on_its_page() -> None:
    states = set(vocabulary.STATUSES.values()) | set(receipt.SHOWN.values())
    evidence = {f"wb:{field.name}" for field in fields(subscribers.Evidence)} | {"wb:at"}
    assert receipts.WORDS.keys() == states | evidence
    assert {receipt.PURPOSE, receipt.UNTIL, receipt.WAY_OUT} <= set(receipts.SENTENCES)
    assert set(joining.SOURCES.values()) - set(receipts.SENTENCES) == {"api"}


def test_who_has_herself_erased_is_gone_and_the_ledger_still_verifies(house: House) -> None:
    house.subscribe()
    house.subscribe("ben@reader.test")
    sign_in(house)
    assert "Erase everything?" in house.client.get("/my/erase").text
    answer = post(house, "/my/erase", never_again="true")
    assert answer.status_code == 200
    assert house.client.get("/my/data", follow_redirects=False).status_code == 303
    with house.database.snapshot() as session:
        assert subscribers.subject_of(session, house.pages.keys, Address.parse(READER)) is None
        verdict = subscribers.verify(session, house.pages.keys)
    assert verdict.ok
    assert verdict.shredded
    assert house.readers() == 1
    rows = house.rows()
    assert (rows["access_grant"], rows["reader_session"]) == ([], [])


def test_an_erasure_that_is_held_and_cannot_be_sealed_says_until_when(house: House) -> None:
    house.subscribe()
    sign_in(house)
    with house.database.transaction() as session:
        mark = house.pages.keys.fingerprint(Address.parse(READER))
        held = subscribers.Hold(reason="claim", owner="ana", until=date(2027, 3, 1))
        subscribers.hold(session, mark, held)
    answer = post(house, "/my/erase")
    assert answer.status_code == 409
    assert "March 1, 2027" in answer.text
    assert house.readers() == 1


@ON_SQLITE
def test_under_a_hold_she_is_erased_and_told_what_is_kept_sealed(house: House) -> None:
    vault = replace(house.pages.vault, hold_pem=subscribers.new_pair(house.pages.keys.chance)[1])
    pages = replace(house.pages, vault=vault)
    there = House(pages=pages, client=TestClient(application(pages), base_url=SITE), clock=house.clock)
    there.subscribe()
    sign_in(there)
    with there.database.transaction() as session:
        held = subscribers.Hold(reason="claim", owner="ana", until=date(2027, 3, 1))
        subscribers.hold(session, pages.keys.fingerprint(Address.parse(READER)), held)
    said = post(there, "/my/erase").text
    assert "One thing is kept until Monday, March 1, 2027" in said
    assert "Nothing else is kept on you" in said
    assert "one last letter says the same" in said
    assert there.readers() == 0


@ON_SQLITE
def test_who_complained_is_erased_and_no_letter_is_promised(house: House) -> None:
    house.subscribe()
    sign_in(house)
    house.suppress(READER)
    said = post(house, "/my/erase").text
    assert "Nothing is kept on you any more, and nothing more is sent to you." in said
    assert "last letter" not in said
    assert house.rows()["last_letter"] == []


@ON_SQLITE
def test_a_reader_agrees_to_be_counted_by_the_words_she_saw_and_ends_it(house: House) -> None:
    counting = replace(house.paper, tracking="consented")
    config = replace(house.pages.config, newsletters={counting.key: counting})
    pages = replace(house.pages, config=config)
    there = House(pages=pages, client=TestClient(application(pages), base_url=SITE), clock=house.clock)
    there.subscribe()
    sign_in(there)
    page = there.client.get("/my/preferences").text
    digest = page.split('name="wording" value="')[1].split('"')[0]
    assert choose(there, "count", wording="0" * 64).status_code == 422
    assert choose(there, "count", wording=digest).status_code == 303
    assert "Stop counting me" in there.client.get("/my/preferences").text
    with there.database.snapshot() as session:
        [agreed] = [
            one
            for one in subscribers.show(session, there.pages.keys, Address.parse(READER)).events
            if one.kind is subscribers.Kind.TRACKING_GIVEN
        ]
    assert agreed.wording == digest
    assert choose(there, "uncount").status_code == 303
    assert "Stop counting me" not in there.client.get("/my/preferences").text
