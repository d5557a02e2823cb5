"""Counted links over HTTP: the stored target and nothing else, machines left out, and readers only while they agree."""

from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import subscribers
from newsletter import readership
from newsletter.database import Database
from newsletter.editions.workflow import State
from newsletter.rendering import press, proof
from newsletter.web.app import application
from subscribers import Address, Agreement, Evidence
from subscribers.tokens import Purpose
from tests.builders import MONDAY, make_newsletter
from tests.web.house import READER, Clock, House, make_pages

PERSON = {"Sec-Fetch-Mode": "navigate"}
DOOR = "/go/world-brief/2026-11-23"
AGREED = Agreement(wording="Count me.", language="en", evidence=Evidence(method="box on the preferences page"))


@pytest.fixture
def counted(database: Database, tmp_path: Path) -> House:
    """A house whose newsletter counts readers who agreed, with Monday's edition sent."""
    clock = Clock()
    paper = make_newsletter(tracking="consented")
    pages = make_pages(database, tmp_path, clock, newsletters={paper.key: paper})
    client = TestClient(application(pages), base_url="http://testserver", follow_redirects=False)
    house = House(pages=pages, client=client, clock=clock)
    house.send()
    return house


def targets(house: House) -> tuple[str, ...]:
    with house.database.snapshot() as session:
        from newsletter.editions import store

        return proof.from_bytes(store.frozen_of(session, house.record().id)).links


def clicks(house: House) -> int:
    rows = house.rows()["click"]
    return len(rows)


def reading_token(house: House) -> str:
    with house.database.snapshot() as session:
        [mine] = subscribers.show(session, house.pages.keys, Address.parse(READER)).subscriptions
    return house.pages.keys.token(Purpose.READ, mine.public_id)


def agree(house: House) -> None:
    with house.database.transaction() as session:
        subject = bytes.fromhex(subscribers.show(session, house.pages.keys, Address.parse(READER)).subject)
        assert subscribers.allow_tracking(session, house.pages.keys, subject, "world-brief", AGREED, house.clock.now)


def test_f5_a_link_leads_to_the_stored_target_and_to_no_other(counted: House) -> None:
    links = targets(counted)
    for n, target in enumerate(links, start=1):
        answer = counted.client.get(f"{DOOR}/{n}?url=https://evil.example/&next=//evil.example", headers=PERSON)
        assert (answer.status_code, answer.headers["location"]) == (302, target)
        assert answer.headers["cache-control"] == "no-store"
        assert not {"set-cookie", "etag"} & set(answer.headers)
    for nowhere in (
        f"{DOOR}/{len(links) + 1}",
        f"{DOOR}/0",
        f"{DOOR}/x",
        "/go/world-brief/2026-11-24/1",
        "/go/other/2026-11-23/1",
    ):
        assert counted.client.get(nowhere, headers=PERSON).status_code == 404


def test_what_looks_like_a_machine_is_led_on_and_not_counted(counted: House) -> None:
    assert counted.client.get(f"{DOOR}/1").status_code == 302
    assert counted.client.head(f"{DOOR}/1", headers=PERSON).status_code == 302
    assert clicks(counted) == 0
    counted.client.get(f"{DOOR}/1", headers=PERSON)
    assert clicks(counted) == 1


def test_a_counter_holds_nobody(counted: House) -> None:
    counted.client.get(f"{DOOR}/1", headers=PERSON | {"User-Agent": "Netscape", "Referer": "https://mail.example/"})
    [row] = counted.rows()["click"]
    assert row == "('world-brief', datetime.date(2026, 11, 23), 1, datetime.date(2026, 11, 23), 1)"


def test_only_who_agreed_is_counted_as_a_reader(counted: House) -> None:
    counted.subscribe()
    token = reading_token(counted)
    for _ in range(2):
        counted.client.get(f"{DOOR}/1/{token}", headers=PERSON)
        counted.client.get(f"/opened/world-brief/2026-11-23/{token}.gif")
        assert counted.rows()["reading"] == []
    agree(counted)
    counted.client.get(f"{DOOR}/2/{token}", headers=PERSON)
    counted.client.get(f"/opened/world-brief/2026-11-23/{token}.gif")
    assert len(counted.rows()["reading"]) == 2
    for forged in ("nobody", token[:-1], "a" * 56):
        assert counted.client.get(f"{DOOR}/1/{forged}", headers=PERSON).status_code == 302
    assert len(counted.rows()["reading"]) == 2


def test_l7_after_the_withdrawal_old_links_work_and_record_nothing(counted: House) -> None:
    leave = counted.subscribe()
    agree(counted)
    token = reading_token(counted)
    counted.client.get(f"{DOOR}/1/{token}", headers=PERSON)
    assert len(counted.rows()["reading"]) == 1
    page = counted.client.get(f"/preferences/{leave}").text
    assert "Stop counting me" in page
    answer = counted.client.post(f"/preferences/{leave}/tracking")
    assert answer.status_code == 200
    assert "Stop counting me" not in answer.text
    assert counted.rows()["reading"] == []
    assert counted.client.get(f"{DOOR}/1/{token}", headers=PERSON).status_code == 302
    counted.client.get(f"/opened/world-brief/2026-11-23/{token}.gif")
    assert counted.rows()["reading"] == []
    with counted.database.snapshot() as session:
        assert subscribers.verify(session, counted.pages.keys).ok
    assert counted.readers() == 1


def test_leaving_ends_the_counting_too(counted: House) -> None:
    leave = counted.subscribe()
    agree(counted)
    token = reading_token(counted)
    counted.client.post(f"/u/{leave}", data={"List-Unsubscribe": "One-Click"})
    counted.client.get(f"{DOOR}/1/{token}", headers=PERSON)
    assert counted.rows()["reading"] == []


def test_a_letters_token_can_end_but_not_begin_it(counted: House) -> None:
    leave = counted.subscribe()
    counted.client.post(f"/preferences/{leave}/tracking")
    with counted.database.snapshot() as session:
        mine = subscribers.preferences(session, counted.pages.keys, leave)
    assert not mine.tracked
    assert counted.client.post("/preferences/nonsense/tracking").status_code == 404


def test_the_readers_who_agreed_get_their_own_links_and_the_others_do_not(counted: House) -> None:
    counted.subscribe()
    counted.subscribe("ben@reader.test")
    agree(counted)
    ids = list(counted.recipients())
    with counted.database.snapshot() as session:
        found = subscribers.reading_tokens(session, counted.pages.keys, ids, "world-brief")
    assert list(found.values()) == [reading_token(counted)]


def test_what_was_read_most_is_in_the_next_edition(counted: House) -> None:
    links = targets(counted)
    for n, count in ((1, 10), (2, 14), (3, 9)):
        for _ in range(min(count, 14)):
            counted.client.get(f"{DOOR}/{n}", headers=PERSON)
    with counted.database.snapshot() as session:
        ranked = press.most_read(session, counted.record())
    assert [(one.url, one.reads) for one in ranked] == [(links[1], 14), (links[0], 10)]
    counted.log_in()
    page = counted.client.get("/desk/world-brief/2026-11-23").text
    assert "Most followed links" in page
    tuesday = MONDAY + timedelta(days=1)
    occasion = press.Occasion(on=tuesday, send_at=counted.record().send_at + timedelta(days=1))
    with counted.database.snapshot() as session:
        [story] = press._ranking(session, "world-brief", occasion)
    assert story.ranking
    assert all(one.reads >= readership.LEAST_SHOWN for one in story.ranking)


def test_an_edition_that_counts_nothing_has_no_door(database: Database, tmp_path: Path) -> None:
    clock = Clock()
    pages = make_pages(database, tmp_path, clock)
    house = House(pages=pages, client=TestClient(application(pages), follow_redirects=False), clock=clock)
    house.send(to=State.SENT)
    assert house.client.get(f"{DOOR}/1", headers=PERSON).status_code == 404
