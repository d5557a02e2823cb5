"""The legal documents: true to the settings, in six languages, and every version where it was."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

import subscribers
from newsletter.config import Config, Privacy
from newsletter.languages import CODES, language
from newsletter.web import legal
from newsletter.web.app import application
from newsletter.web.pages import Pages
from subscribers import notices
from tests.builders import SITE
from tests.tools.messages import said
from tests.web.house import ON_SQLITE, Clock, House

ABROAD = Privacy(
    controller="World Brief Ltd <London>",
    dpo_address="dpo@worldbrief.test",
    authority="Information Commissioner",
    hosting_country="DE",
    relay_operator="Relay AG",
    proof_months=24,
)


def _house(house: House, **changes: Privacy) -> House:
    config: Config = replace(house.pages.config, **changes)  # type: ignore[arg-type]
    pages = Pages(config=config, database=house.database, vault=house.pages.vault, clock=house.clock)
    return House(pages=pages, client=TestClient(application(pages), base_url=SITE), clock=house.clock)


def _versions(page: str) -> list[str]:
    return re.findall(r'href="(/legal/[^"]+)"', page)


@ON_SQLITE
@pytest.mark.parametrize("code", CODES)
def test_the_policy_names_what_article_13_asks_for(house: House, code: str) -> None:
    text = _house(house, privacy=ABROAD).client.get(f"/privacy?lang={code}").text
    named = ("World Brief Ltd &lt;London&gt;", "dpo@worldbrief.test", "Information Commissioner", "Relay AG")
    for one in (*named, "24", "72", language(code).country("DE"), house.pages.config.site.contact_address):
        assert one in text, one


@ON_SQLITE
def test_what_is_not_set_is_not_named(house: House) -> None:
    text = house.client.get("/privacy").text
    assert "our own mail server" in text
    assert "supervisory authority of the place where you live" in text
    assert "data protection officer" not in text
    assert "Our servers" not in text


def test_a_change_is_a_new_version_and_the_old_one_stays_where_it_was(house: House, clock: Clock) -> None:
    legal.publish(house.pages)
    [first] = _versions(house.client.get("/privacy?lang=de").text)
    old = house.client.get(first).text
    assert "Fassung 1, in Kraft seit Montag, 23. November 2026" in old
    assert "gilt nicht mehr" not in old
    clock.now += timedelta(days=2)
    later = _house(house, privacy=ABROAD)
    legal.publish(later.pages)
    legal.publish(later.pages)
    present = later.client.get("/privacy?lang=de").text
    newest, oldest = _versions(present)
    assert oldest == first
    assert "Fassung 2, in Kraft seit Mittwoch, 25. November 2026" in present
    kept = later.client.get(f"{first}?lang=de").text
    assert "gilt nicht mehr" in kept
    assert old.split("<article")[1].split("</article>")[0] in kept
    assert later.client.get(newest).status_code == 200
    # Back to the first settings: a third version, since what holds now is not what held then.
    legal.publish(house.pages)
    assert len(_versions(house.client.get("/privacy?lang=de").text)) == 3


def test_publishing_again_changes_nothing(house: House, clock: Clock) -> None:
    legal.publish(house.pages)
    kept = house.rows()
    clock.now += timedelta(days=30)
    legal.publish(house.pages)
    clock.now -= timedelta(days=60)
    legal.publish(house.pages)
    assert house.rows() == kept


@ON_SQLITE
def test_looking_at_a_document_writes_nothing(house: House) -> None:
    legal.publish(house.pages)
    kept = house.rows()
    for path in ("/privacy", "/terms", "/cookies", *_versions(house.client.get("/terms").text)):
        answer = house.client.get(path)
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
    assert house.rows() == kept


@ON_SQLITE
def test_what_was_never_published_is_no_page(house: House) -> None:
    legal.publish(house.pages)
    [address] = _versions(house.client.get("/privacy").text)
    with house.database.transaction() as session:
        form = notices.keep(session, "<form>", "en", house.clock.now.date())
    for path in ("/legal/privacy/0", address.replace("privacy", "terms"), f"/legal/form/{form}", "/legal/x/y"):
        assert house.client.get(path).status_code == 404, path


@ON_SQLITE
def test_the_documents_a_form_links_to_are_known_by_their_digests(house: House) -> None:
    with house.database.snapshot() as session:
        assert legal.in_force(session, house.pages, "en") == ("", "")
    legal.publish(house.pages)
    with house.database.snapshot() as session:
        privacy, terms = legal.in_force(session, house.pages, "fr")
        assert notices.find(session, privacy) == notices.versions(session, notices.NoticeKind.PRIVACY, "fr")[-1]
        assert notices.find(session, terms) == notices.versions(session, notices.NoticeKind.TERMS, "fr")[-1]
    elsewhere = replace(house.pages.config, site=replace(house.pages.config.site, terms_url="https://elsewhere.test/t"))
    pages = Pages(config=elsewhere, database=house.database, vault=house.pages.vault, clock=house.clock)
    with house.database.snapshot() as session:
        assert legal.in_force(session, pages, "fr") == (privacy, "")


@ON_SQLITE
def test_a_sign_up_records_the_documents_it_was_shown(house: House) -> None:
    legal.publish(house.pages)
    house.client.post("/signup?lang=ja", data=house.form())
    house.settle()
    with house.database.snapshot() as session:
        shown = legal.in_force(session, house.pages, "ja")
        header = session.connection().execute(sa.text("SELECT header FROM consent")).scalar_one()
    assert all(one and one in header for one in shown)


@ON_SQLITE
@pytest.mark.parametrize("code", CODES)
def test_the_policy_names_how_long_fingerprints_of_letters_and_of_a_refusal_are_kept(house: House, code: str) -> None:
    text = house.client.get(f"/privacy?lang={code}").text
    spoken = language(code)
    for kept, days in (
        ("Of a confirmation letter", subscribers.LETTERS_KEPT),
        ("If you answer it", subscribers.BLOCKED),
    ):
        one, many = next(each.id for each in said() if isinstance(each.id, tuple) and each.id[0].startswith(kept))
        assert spoken.catalogue.ngettext(one, many, days.days) % {"count": days.days} in text
    assert (subscribers.LETTERS_KEPT.days, subscribers.BLOCKED.days) == (30, 90)


@ON_SQLITE
@pytest.mark.parametrize("mode", ["none", "aggregate", "consented"])
def test_the_policy_says_what_is_counted(house: House, mode: Literal["none", "aggregate", "consented"]) -> None:
    papers = {"world-brief": replace(house.paper, tracking=mode)}
    pages = replace(house.pages, config=replace(house.pages.config, newsletters=papers))
    client = TestClient(application(pages), base_url=SITE)
    text = client.get("/privacy").text
    assert ("we count by link and day" in text) is (mode != "none")
    assert ("opened a letter, for 90 days" in text) is (mode == "consented")
    assert ("The letters carry no pixel" in client.get("/cookies").text) is (mode != "consented")
