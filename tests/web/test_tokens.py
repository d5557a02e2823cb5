"""The pages behind a letter's links, row by row (T1 to T14), the code beside them, and one click at any rate."""

import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import sqlalchemy as sa
from starlette.testclient import TestClient

import subscribers
from newsletter.database import Database
from newsletter.postbox import Postbox, running
from newsletter.web.app import application
from newsletter.web.clerk import Clerk
from newsletter.web.pages import Pages
from subscribers import Keys, Kind
from subscribers.tokens import Purpose
from tests.builders import MORNING, SITE
from tests.delivery import newsroom
from tests.keyring import RING
from tests.web.house import ON_SQLITE, READER, House, hidden
from tests.web.posts import letters

ROOT = Path(__file__).parents[2]
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def _code(house: House) -> str:
    with house.database.snapshot() as session:
        found = subscribers.requester(session, house.pages.keys, house.requests()[-1], house.clock.now)
    assert isinstance(found, subscribers.Requester)
    return found.code


def _kinds(house: House, address: str = READER) -> list[str]:
    with house.database.snapshot() as session:
        found = subscribers.show(session, house.pages.keys, subscribers.Address.parse(address))
    return [one.kind.value for one in found.events]


def test_t1_looking_a_hundred_times_changes_nothing(house: House) -> None:
    leaving = house.subscribe()
    house.client.post("/signup", data=house.form("pending@reader.test"))
    asked = house.confirm_token()
    kept = house.rows()
    for path in (f"/confirm/{asked}", f"/refuse/{asked}", f"/u/{leaving}", f"/preferences/{leaving}"):
        for _ in range(33):
            assert house.client.get(path, headers={"Purpose": "prefetch", "Sec-Purpose": "prefetch"}).status_code == 200
            house.client.head(path)
            house.client.options(path)
    assert house.rows() == kept


def test_t3_one_click_needs_nothing_but_its_body(house: House) -> None:
    token = house.subscribe()
    bare = TestClient(application(house.pages), base_url=SITE, headers={})
    for name in ("user-agent", "accept", "accept-encoding", "connection"):
        bare.headers.pop(name, None)
    answer = bare.post(f"/u/{token}", data=ONE_CLICK, follow_redirects=False)
    assert (answer.status_code, answer.text) == (200, "Unsubscribed.\n")
    assert house.readers() == 0


def test_t4_one_click_says_the_same_twice_and_for_nobody(house: House) -> None:
    token = house.subscribe()
    nobody = Keys(bytes(32)).token(Purpose.LEAVE, bytes(16))
    unknown = house.pages.keys.token(Purpose.LEAVE, bytes(16))
    answers = [house.client.post(f"/u/{one}", data=ONE_CLICK) for one in (token, token, nobody, unknown, "x")]
    assert len({(one.status_code, one.content, str(one.headers)) for one in answers}) == 1
    assert _kinds(house) == ["requested", "given", "withdrawn"]


@ON_SQLITE
def test_t5_a_token_opens_only_its_own_door(house: House) -> None:
    leave = house.subscribe()
    house.client.post("/signup", data=house.form("other@reader.test"))
    confirm = house.confirm_token()
    assert house.client.get(f"/confirm/{leave}").status_code == 404
    assert house.client.get(f"/refuse/{leave}").status_code == 404
    assert house.client.post(f"/refuse/{leave}", data=ONE_CLICK).text == "Unsubscribed.\n"
    assert house.client.get(f"/u/{confirm}").status_code == 404
    assert house.client.get(f"/preferences/{confirm}").status_code == 404
    house.client.post(f"/u/{confirm}", data=ONE_CLICK)
    assert house.readers() == 1


@ON_SQLITE
def test_t6_a_token_that_was_touched_is_none(house: House) -> None:
    leave = house.subscribe()
    for n in (0, 10, 55):
        flipped = leave[:n] + ("a" if leave[n] != "a" else "b") + leave[n + 1 :]
        house.client.post(f"/u/{flipped}", data=ONE_CLICK)
    house.client.post(f"/u/{leave[:-8]}", data=ONE_CLICK)
    assert house.readers() == 1


def test_t7_a_link_confirms_once_in_its_time_and_not_after_a_refusal(house: House) -> None:
    house.client.post("/signup", data=house.form())
    token = house.confirm_token()
    stamp = hidden(house.client.get(f"/confirm/{token}").text, "stamp")
    assert "Signed Up" in house.client.post(f"/confirm/{token}", data={"stamp": stamp}).text
    assert "Signed Up" in house.client.post(f"/confirm/{token}", data={"stamp": stamp}).text
    assert _kinds(house) == ["requested", "given"]
    house.client.post(f"/u/{house.leave_token()}", data=ONE_CLICK)
    assert house.client.post(f"/confirm/{token}", data={"stamp": stamp}).status_code == 404
    house.client.post("/signup", data=house.form("no@reader.test"))
    refused = house.confirm_token()
    stamp = hidden(house.client.get(f"/confirm/{refused}").text, "stamp")
    assert "Cancelled" in house.press(f"/refuse/{refused}").text
    assert house.client.post(f"/confirm/{refused}", data={"stamp": stamp}).status_code == 404
    assert _kinds(house, "no@reader.test") == ["requested", "refused"]
    assert house.readers() == 0


@ON_SQLITE
def test_a_button_works_only_on_the_page_that_was_shown_for_its_link(house: House) -> None:
    house.client.post("/signup", data=house.form())
    token = house.confirm_token()
    other = hidden(house.client.get("/").text, "stamp")
    stale = hidden(house.client.get(f"/confirm/{token}").text, "stamp")
    house.clock.now += timedelta(hours=25)
    for stamp in ("", "x", other, stale):
        for page in ("confirm", "refuse"):
            assert house.client.post(f"/{page}/{token}", data={"stamp": stamp}).status_code == 409
    assert _kinds(house) == ["requested"]


def test_who_says_it_was_not_them_is_not_asked_for_ninety_days(house: House) -> None:
    house.client.post("/signup", data=house.form())
    house.press(f"/refuse/{house.confirm_token()}")
    house.clock.now += timedelta(days=89)
    house.client.post("/signup", data=house.form())
    assert letters(house) == 1
    house.clock.now += timedelta(days=1)
    house.client.post("/signup", data=house.form())
    assert letters(house) == 2


@ON_SQLITE
def test_a_mail_programs_own_button_cancels_the_request_and_blocks_nothing(house: House) -> None:
    house.client.post("/signup", data=house.form())
    token = house.confirm_token()
    assert house.client.post(f"/refuse/{token}", data=ONE_CLICK).text == "Unsubscribed.\n"
    assert house.client.get(f"/confirm/{token}").status_code == 404
    house.clock.now += timedelta(days=2)
    house.client.post("/signup", data=house.form())
    assert letters(house) == 2


def test_a_code_typed_on_the_page_confirms(house: House) -> None:
    page = house.client.post("/signup", data=house.form()).text
    form = {"ticket": hidden(page, "ticket"), "newsletter": "world-brief"}
    code = _code(house)
    assert re.fullmatch("[A-Z2-7]{8}", code)
    typed = f" {code[:4].lower()}-{code[4:]} "
    assert "Signed Up" in house.client.post("/confirm/code", data=form | {"code": typed}).text
    assert house.readers() == 1
    assert "Signed Up" in house.client.post("/confirm/code", data=form | {"code": code}).text
    assert _kinds(house) == ["requested", "given"]


def test_t8_a_code_is_tried_five_times_and_the_link_still_works(house: House) -> None:
    page = house.client.post("/signup", data=house.form()).text
    form = {"ticket": hidden(page, "ticket"), "newsletter": "world-brief"}
    code = _code(house)
    wrong = [house.client.post("/confirm/code", data=form | {"code": "AAAAAAAA"}) for _ in range(5)]
    wrong.append(house.client.post("/confirm/code", data=form | {"code": code}))
    assert {one.status_code for one in wrong} == {422}
    assert len({one.content for one in wrong}) == 1
    assert "Signed Up" in house.press(f"/confirm/{house.confirm_token()}").text


@ON_SQLITE
def test_a_code_tells_nobody_whether_there_is_a_request(house: House) -> None:
    house.suppress("gone@reader.test")
    pages = [house.client.post("/signup", data=house.form(f"{name}@reader.test")).text for name in ("new", "gone")]
    answers = [
        house.client.post("/confirm/code", data={"ticket": hidden(page, "ticket"), "code": "AAAAAAAA"})
        for page in pages
    ]
    assert len({one.status_code for one in answers}) == 1
    assert len({len(one.content) for one in answers}) == 1
    assert house.client.post("/confirm/code", data={"ticket": "forged", "code": "x"}).status_code == 404


@ON_SQLITE
def test_t10_whoever_holds_a_forwarded_letter_sees_no_address(house: House) -> None:
    token = house.subscribe()
    for path in (f"/u/{token}", f"/preferences/{token}"):
        text = house.client.get(path).text
        assert "ana" not in text
        assert "reader.test" not in text


@ON_SQLITE
def test_t11_one_click_by_the_short_way_carries_what_every_answer_carries(house: House) -> None:
    answer = house.client.post("/u/x", data=ONE_CLICK)
    page = house.client.get("/u/x")
    for name in (
        "cache-control",
        "x-robots-tag",
        "referrer-policy",
        "x-content-type-options",
        "permissions-policy",
        "cross-origin-opener-policy",
        "content-security-policy",
    ):
        assert answer.headers[name] == page.headers[name]


def test_t12_a_visit_leaves_no_token_in_any_log(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = os.environ | {
        "WORLD_BRIEF_HOME": str(tmp_path / "home"),
        "WORLD_BRIEF_CONFIG": str(ROOT / "config.toml"),
        "WORLD_BRIEF_WEB__PORT": str(port),
        "PYTHONPATH": str(ROOT),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "newsletter", "web"], env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        for _ in range(1_200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz")
                break
            except OSError:
                time.sleep(0.05)
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/u/{'t' * 56}", data=b"List-Unsubscribe=One-Click", method="POST"
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.read() == b"Unsubscribed.\n"
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=20)
    assert b"ttttt" not in said


@ON_SQLITE
def test_t14_a_letter_of_long_ago_unsubscribes_after_the_key_has_changed(database: Database) -> None:
    old, new = Keys(bytes(32), ring=RING), Keys(bytes([1]) * 32, number=2, former={1: bytes(32)}, ring=RING)
    lines = [
        b"email,consent_at,consent_source,consent_wording,consent_method\n",
        b"a@reader.test,2025-01-01T00:00:00Z,form,I agree.,button\n",
    ]
    job = subscribers.ImportJob(file="x", newsletter="world-brief", language="en", by="test", now=MORNING)
    subscribers.import_csv(database.transaction, old, lines, job)
    with database.snapshot() as session:
        public_id = bytes(session.connection().execute(sa.text("SELECT public_id FROM subscription")).scalar_one())
    token, later = old.token(Purpose.LEAVE, public_id), MORNING + timedelta(days=400)
    with database.transaction() as session:
        assert not subscribers.unsubscribe(session, new, token, later, "RFC 8058 POST").already


# The confirmation letter


def test_l4_a_confirmation_letter_says_what_it_must_and_nothing_that_sells(database: Database) -> None:
    with running(Postbox()) as box:
        config = newsroom.make_config(box.port)
        pages = Pages(config=config, database=database, vault=newsroom.VAULT, clock=lambda: MORNING)
        from newsletter.delivery import signups

        request = signups.Request(
            newsletter=newsroom.NEWSLETTER,
            address=subscribers.Address.parse("ana@reader.test"),
            wording="Receive it?",
            language="en",
            source="form",
            method="submit button",
            network="203.0.113.0/24",
        )
        with database.transaction() as session:
            signups.sign_up(session, pages.keys, config, request, MORNING)
        newsroom.work(database, config, newsroom.Clock(MORNING), None)
        [arrived] = box.messages
    letter = message_from_bytes(arrived.data, policy=policy.default)
    assert letter["Subject"] == "Confirm your subscription to World Brief"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Form-Sub"] == "v=1 ; ip4=203.0.113.x"
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert re.fullmatch(rf"<{SITE}/refuse/[a-z2-7]{{56}}>", letter["List-Unsubscribe"])
    for kind in ("plain", "html"):
        part = letter.get_body((kind,))
        assert part is not None
        text = part.get_content()
        assert re.search(r"\b[A-Z2-7]{8}\b", text)
        assert f"{MORNING:%Y-%m-%d %H:%M}" in text
        assert "UTC" in text
        assert config.site.postal_address.split(",")[0] in text
        links = set(re.findall(r"https?://[^\s\"<>]+", text))
        paths = {one.removeprefix(SITE).split("/")[1] for one in links if one.startswith(SITE)}
        assert paths <= {"", "confirm", "refuse", "privacy", "terms"}
        assert all(one.startswith((SITE, "http://www.w3.org/")) for one in links)
        for selling in ("<img", "offer", "discount", "facebook", "twitter", "instagram", "linkedin", "% off", "share"):
            assert selling not in text.lower()


# One click at any rate


def test_who_leaves_while_an_edition_is_leaving_does_not_get_it(database: Database) -> None:
    with running(Postbox()) as box:
        config = newsroom.make_config(box.port)
        mailing = newsroom.sending(database, config, 3, MORNING)
        pages = Pages(config=config, database=database, vault=newsroom.VAULT, clock=lambda: MORNING)
        with database.snapshot() as session:
            ids = [row[0] for row in session.connection().execute(sa.text("SELECT id FROM subscription ORDER BY id"))]
            known = subscribers.recipients(session, pages.keys, ids, "world-brief", MORNING)
        first = known[ids[0]]
        assert isinstance(first, subscribers.Recipient)
        client = TestClient(application(pages), base_url=SITE)
        assert client.post(f"/u/{first.token}", data=ONE_CLICK).status_code == 200
        accounts = newsroom.work(database, config, newsroom.Clock(MORNING), mailing)
        assert (accounts.accepted, accounts.dropped) == (2, 1)
        assert first.address not in newsroom.arrivals(box)


def test_many_who_leave_at_once_are_one_transaction_and_a_bad_token_spoils_none(house: House) -> None:
    tokens = [house.subscribe(f"r{n}@reader.test") for n in range(5)]
    asked = dict.fromkeys([*tokens, "x", house.pages.keys.token(Purpose.LEAVE, bytes(16))], "RFC 8058 POST")
    with house.database.transaction() as session:
        done = subscribers.unsubscribe_all(session, house.pages.keys, asked, house.clock.now)
    assert set(done) == set(tokens)
    assert not any(one.already for one in done.values())
    assert house.readers() == 0
    with house.database.snapshot() as session:
        assert subscribers.verify(session, house.pages.keys).ok
        events = subscribers.show(session, house.pages.keys, subscribers.Address.parse("r3@reader.test")).events
    assert [one.kind for one in events] == [Kind.REQUESTED, Kind.GIVEN, Kind.WITHDRAWN]


@ON_SQLITE
def test_one_whose_key_is_gone_leaves_with_the_others(house: House) -> None:
    lost, other = house.subscribe("lost@reader.test"), house.subscribe("other@reader.test")
    with house.database.snapshot() as session:
        subject = bytes.fromhex(
            subscribers.show(session, house.pages.keys, subscribers.Address.parse("lost@reader.test")).subject
        )
    house.pages.keys.shred([subject])
    codes: dict[str, int] = {}

    def post(token: str) -> None:
        codes[token] = house.client.post(f"/u/{token}", data=ONE_CLICK).status_code

    threads = [threading.Thread(target=post, args=(one,)) for one in (lost, other)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert codes[other] == 200
    assert codes[lost] == 200
    assert [one for one in house.recipients().values() if isinstance(one, subscribers.Recipient)] == []


def test_the_clerks_writes_wait_for_the_disk(database: Database) -> None:
    if database.dialect == "sqlite":
        with database.durable.transaction() as session:
            assert session.connection().execute(sa.text("PRAGMA synchronous")).scalar_one() == 2
    else:
        assert database.durable.dialect == "postgresql"


def test_a_clerk_is_bounded_works_in_batches_and_survives_what_it_meets() -> None:
    gate, done = threading.Event(), []

    def work(batch: object) -> None:
        gate.wait(5)
        done.append(list(batch))  # type: ignore[call-overload]
        if len(done) == 1:
            raise RuntimeError("the first one fails")

    clerk: Clerk[int] = Clerk(work, most=3, batch=2)
    taken = [clerk.put(n) for n in range(3)]
    while len(clerk._waiting) == 3:
        time.sleep(0.001)
    taken += [clerk.put(n) for n in range(3, 8)]
    assert taken[:3] == [True] * 3
    assert False in taken
    assert not clerk.drain(0.01)
    gate.set()
    assert clerk.drain(5)
    assert sum(map(len, done)) == taken.count(True)
    assert max(map(len, done)) <= 2
    assert clerk.put(9)
    assert clerk.drain(5)
