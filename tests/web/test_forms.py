"""What somebody read is what is kept, even if the form reads otherwise by the time it is posted; for a week (S13)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

import subscribers
from newsletter.web import consents, forms
from newsletter.web.app import application
from subscribers import Address, notices
from tests.builders import SITE
from tests.web.house import ON_SQLITE, READER, House, hidden
from tests.web.posts import call, count

DAY = timedelta(days=1)
STRICT = "Send me World Brief, a weekday news email"


@pytest.fixture
def before(house: House) -> House:
    """A house that has been opened with the standard words."""
    forms.publish(house.pages)
    return house


def reopened(house: House, **changes: Any) -> House:
    """The house after a restart with other settings."""
    signup = replace(house.pages.config.signup, confirm_hours=24 * 30)
    paper = replace(house.paper, **changes)
    site = replace(house.pages.config.site, postal_address="Another Street 1")
    config = replace(house.pages.config, newsletters={paper.key: paper}, signup=signup, site=site)
    pages = replace(house.pages, config=config)
    forms.publish(pages)
    return House(pages=pages, client=TestClient(application(pages), base_url=SITE), clock=house.clock)


def shown_to(house: House, address: str = READER) -> tuple[str, str]:
    """The words and the form behind the newest event of an address."""
    with house.database.snapshot() as session:
        dossier = subscribers.show(session, house.pages.keys, Address.parse(address))
        last = dossier.events[-1]
        digest = dict(dossier.headers)[last.seq].partition('"form":"')[2].partition('"')[0]
        kept = notices.find(session, digest)
    assert kept
    return dict(dossier.wordings)[last.wording], kept.text


def confirm(house: House) -> Any:
    return house.press(f"/confirm/{house.confirm_token()}")


def test_s13_who_has_the_old_page_open_agrees_to_what_stands_on_it(before: House) -> None:
    old, read = before.form(), before.client.get("/").text
    after = reopened(before, wording_style="strict")
    after.clock.now += timedelta(hours=3)
    assert after.client.post("/signup", data=old).status_code == 200
    assert confirm(after).status_code == 200
    wording, form = shown_to(after)
    assert wording in read
    assert wording in form
    assert STRICT not in wording + form
    assert f'value="{old["wording"]}"' in form
    # What is kept is the form with nobody's entries, and its digest is what the form carried.
    assert consents.digest(form) == old["shown"]
    assert READER not in form
    assert STRICT in after.client.get("/").text


@ON_SQLITE
def test_s13_a_form_that_changed_around_the_same_words_is_kept_as_it_was_seen(before: House) -> None:
    old = before.form()
    after = reopened(before)
    assert after.form()["wording"] == old["wording"]
    assert after.form()["shown"] != old["shown"]
    assert after.client.post("/signup", data=old).status_code == 200
    after.settle()
    form = shown_to(after)[1]
    assert "Another Street" not in form
    assert consents.digest(form) == old["shown"]


@ON_SQLITE
@pytest.mark.parametrize(("days", "status"), [(6.9, 202), (7.1, 409)])
def test_s13_a_program_may_show_replaced_words_for_a_week(before: House, days: float, status: int) -> None:
    old = before.form()["wording"]
    after = reopened(before, wording_style="strict")
    after.clock.now += days * DAY
    assert call(after, "a@reader.test", wording=old).status_code == status
    assert count(after, "signup_request") == (status == 202)


@ON_SQLITE
def test_s13_after_a_week_the_form_is_shown_again_with_its_new_words(before: House) -> None:
    old = before.form()
    after = reopened(before, wording_style="strict")
    after.clock.now += 8 * DAY
    kept = after.people()
    # Not even with the stamp of a page of today.
    answer = after.client.post("/signup", data=old | {"stamp": after.form()["stamp"]})
    assert answer.status_code == 409
    assert STRICT in answer.text
    assert after.people() == kept
    assert after.client.post("/signup", data=after.form()).status_code == 200


@ON_SQLITE
def test_s13_words_replaced_for_a_week_can_be_confirmed_no_more(before: House) -> None:
    old = before.form()
    after = reopened(before, wording_style="strict")
    assert after.client.post("/signup", data=old).status_code == 200
    token = after.confirm_token()
    after.clock.now += 6 * DAY
    assert after.client.get(f"/confirm/{token}").status_code == 200
    after.clock.now += 2 * DAY
    assert after.client.get(f"/confirm/{token}").status_code == 410
    assert after.client.post(f"/confirm/{token}", data={"stamp": "x"}).status_code in {409, 410}
    assert after.readers() == 0


@ON_SQLITE
def test_words_that_come_back_are_as_good_as_ever(before: House) -> None:
    old = before.form()["wording"]
    between = reopened(before, wording_style="strict")
    between.clock.now += 3 * DAY
    after = reopened(before)
    after.clock.now += 30 * DAY
    assert call(after, "a@reader.test", wording=old).status_code == 202
    forms.publish(after.pages)
    assert call(after, "b@reader.test", wording=old).status_code == 202


@ON_SQLITE
def test_a_form_counts_for_no_words_but_its_own_and_for_no_unknown_digest(before: House) -> None:
    strict = reopened(before, wording_style="strict").form()
    after = reopened(before)
    for changes in ({"shown": strict["shown"]}, {"shown": "0" * 64}, {"shown": ""}, {"shown": strict["wording"]}):
        assert after.client.post("/signup", data=after.form() | changes).status_code == 409
    mixed = after.form(wording=strict["wording"])
    assert after.client.post("/signup", data=mixed).status_code == 409
    assert call(after, "a@reader.test", wording=after.form()["shown"]).status_code == 409
    assert count(after, "signup_request") == 0


@ON_SQLITE
def test_every_form_carries_the_digest_of_itself_in_its_language(before: House) -> None:
    standing = forms.standing(before.pages, before.paper)
    assert len(standing) == 12
    for code in ("en", "ar", "ja"):
        name = hidden(before.client.get(f"/?lang={code}").text, "shown")
        assert (standing[name].page, standing[name].language) == ("signup", code)
        assert f'<html lang="{code}"' in standing[name].text
