"""Past editions for everybody: only what was sent, as it was approved, and nothing of any reader."""

import html
from dataclasses import replace
from datetime import date

from starlette.testclient import TestClient

from newsletter.delivery import dispatch, ledger
from newsletter.editions import store
from newsletter.editions.workflow import Event, State
from newsletter.rendering import proof
from newsletter.scheduling import routine
from newsletter.web.app import application
from newsletter.web.pages import Pages
from subscribers import Verifier, checkpoints
from tests.builders import MONDAY, SITE
from tests.web.house import ON_SQLITE, PICTURE, House, printable

FRIDAY = date(2026, 11, 20)
LETTER = "/archive/world-brief/2026-11-23"


@ON_SQLITE
def test_an_empty_archive_says_so(house: House) -> None:
    page = house.client.get("/archive/")
    assert page.status_code == 200
    assert "No edition has been sent yet" in page.text


def test_only_what_was_sent_is_listed_and_shown(house: House) -> None:
    house.send(FRIDAY)
    house.draft(MONDAY, printable(subject="Suva votes on the deep sea"))
    listed = house.client.get("/archive/").text
    assert "/archive/world-brief/2026-11-20" in listed
    assert "Friday, November 20, 2026" in listed
    assert "2026-11-23" not in listed
    assert house.client.get("/archive/world-brief/2026-11-20").status_code == 200
    assert house.client.get(LETTER).status_code == 404
    house.approve(house.record())
    assert house.client.get(LETTER).status_code == 404
    assert house.client.get(f"{LETTER}.txt").status_code == 404


@ON_SQLITE
def test_a_letter_finds_its_page_while_its_mailing_runs_and_not_when_it_is_stopped(house: House) -> None:
    record = house.send(to=State.SENDING)
    assert house.client.get(LETTER).status_code == 200
    assert LETTER not in house.client.get("/archive/").text
    with house.database.transaction() as session:
        store.move(session, record.id, Event.HOLD, "ana", record.send_at)
    assert house.client.get(LETTER).status_code == 404


def test_it_is_the_frozen_document_and_not_a_new_proof(house: House) -> None:
    record = house.send()
    with house.database.snapshot() as session:
        frozen = proof.from_bytes(store.frozen_of(session, record.id))
    html, text = proof.neutral(frozen)
    renamed = replace(house.paper, name="Another Name", tagline="Another tagline.")
    config = replace(
        house.pages.config,
        newsletters={"world-brief": renamed},
        site=replace(house.pages.config.site, base_url="https://moved.test"),
    )
    pages = Pages(config=config, database=house.database, vault=house.pages.vault, clock=house.clock)
    client = TestClient(application(pages), base_url="https://moved.test")
    assert client.get(LETTER).text == html.replace(f'src="{SITE}/media/', 'src="/media/')
    assert client.get(f"{LETTER}.txt").text == text
    assert client.get(f"{LETTER}.txt").headers["content-type"] == "text/plain; charset=utf-8"


@ON_SQLITE
def test_nothing_of_a_reader_is_in_it(house: House) -> None:
    token = house.subscribe()
    record = house.send()
    with house.database.snapshot() as session:
        nonce = proof.from_bytes(store.frozen_of(session, record.id)).nonce
    for path in (LETTER, f"{LETTER}.txt"):
        shown = house.client.get(path).text
        assert nonce not in shown
        assert token not in shown
        assert "/u/" not in shown
        assert "/preferences/" not in shown
        assert "@reader.test" not in shown


@ON_SQLITE
def test_its_pictures_come_from_here_and_nothing_in_it_may_run(house: House) -> None:
    house.send()
    letter = house.client.get(LETTER)
    assert 'src="/media/suva-assembly.jpg"' in letter.text
    policy = letter.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "img-src 'self'" in policy
    assert "sandbox" in policy
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    picture = house.client.get("/media/suva-assembly.jpg")
    assert (picture.content, picture.headers["content-type"]) == (PICTURE, "image/jpeg")
    # A webmail's page may show it too.
    assert picture.headers["cross-origin-resource-policy"] == "cross-origin"
    assert house.client.head("/media/suva-assembly.jpg").content == b""


@ON_SQLITE
def test_headlines_are_text_whatever_they_say(house: House) -> None:
    house.send(edition=printable(headline='AT&T "wins" where a < b: ' + "Rindfleischetikettierung" * 9))
    listed = house.client.get("/archive/").text
    assert '<strong lang="en"><bdi>AT&amp;T &#34;wins&#34; where a &lt; b: Rind' in listed


def test_what_is_not_there_is_not_found(house: House) -> None:
    house.send()
    for path in (
        "/archive/world-brief/2026-11-24",
        "/archive/other/2026-11-23",
        "/archive/world-brief/yesterday",
        "/archive/world-brief/2026-02-30",
        "/archive/world-brief/0001-01-01.txt",
        "/archive/world-brief/2026-11-23.pdf",
        "/archive/world-brief%00/2026-11-23",
        "/archive/' OR 1=1 --/2026-11-23",
        "/archive/..%2f..%2fetc%2fpasswd/2026-11-23",
        "/archive/%ff/2026-11-23",
        "/archive/" + "x" * 5_000 + "/2026-11-23",
    ):
        answer = house.client.get(path)
        assert answer.status_code == 404, path
        assert "There is nothing here" in answer.text


@ON_SQLITE
def test_only_pictures_of_the_media_folder_are_served(house: House) -> None:
    home = house.pages.config.home
    (home / "secret.key").write_text("secret")
    (home / "media" / "notes.txt").write_text("secret")
    (home / "media" / "page.html").write_text("<script>alert(1)</script>")
    (home / "media" / "drawing.svg").write_text("<svg onload='alert(1)'/>")
    (home / "media" / ".hidden.jpg").write_bytes(PICTURE)
    (home / "media" / "folder.jpg").mkdir()
    for name in (
        "..%2fsecret.key",
        "%2e%2e/secret.key",
        "....//secret.key",
        "%5c..%5csecret.key",
        "suva-assembly.jpg%00.png",
        "suva-assembly.jpg%0a",
        "notes.txt",
        "page.html",
        "drawing.svg",
        ".hidden.jpg",
        "folder.jpg",
        "none.jpg",
        "x" * 5_000 + ".jpg",
        "%ff.jpg",
    ):
        answer = house.client.get(f"/media/{name}")
        assert answer.status_code == 404, name
        assert "secret" not in answer.text


@ON_SQLITE
def test_every_letter_of_an_edition_and_its_page_carry_the_same_checkpoint(house: House) -> None:
    house.subscribe()
    house.approve(house.draft())
    press = routine.press(house.pages.config, house.paper)
    mailing = dispatch.dispatch(house.database, press, house.terms, MONDAY, house.record().send_at)
    with house.database.snapshot() as session:
        line = ledger.mailing(session, mailing).checkpoint
        kept = checkpoints.latest(session)
    assert kept is not None
    assert line == kept.line
    assert line in html.unescape(house.client.get(f"/archive/world-brief/{MONDAY}").text)
    assert house.client.get(f"/archive/world-brief/{MONDAY}.txt").text.endswith(f"Consent ledger checkpoint:\n{line}\n")
    assert kept.note in house.terms.witness.journal.read_text("utf-8")


@ON_SQLITE
def test_the_public_key_of_the_ledger_is_served(house: House) -> None:
    answer = house.client.get("/.well-known/consent-ledger.pub")
    assert answer.status_code == 200
    assert Verifier.parse(answer.text) == house.terms.witness.signer.verifier
    assert "BEGIN PUBLIC KEY" in answer.text
