"""The editors' pages: who may in, from where a form may come, and what each button does or refuses."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from lxml import html as markup
from starlette.routing import Route
from starlette.testclient import TestClient

from newsletter.config import Web
from newsletter.delivery import dispatch
from newsletter.desk.accounts import Role
from newsletter.editions import store
from newsletter.editions.edition import Edition, Section
from newsletter.editions.workflow import Event, State
from newsletter.scheduling import routine
from newsletter.web.app import Manners, application
from newsletter.web.deeds import DEEDS
from newsletter.web.one_click import OneClick
from newsletter.web.pages import Pages
from tests.builders import MONDAY, SITE, make_story
from tests.web.house import ON_SQLITE, OURS, PASSWORD, Clock, House, printable

DESK = "/desk/world-brief/2026-11-23"
SATURDAY = date(2026, 11, 28)
ELSEWHERE: tuple[dict[str, str], ...] = (
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.org"},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://other.worldbrief.test"},
    {"Sec-Fetch-Site": "cross-site", "Origin": SITE},
    {"Origin": "null"},
    {"Origin": "https://evil.org"},
    {"Origin": "http://worldbrief.test"},
    {},
)


def _faulty() -> Edition:
    """An edition with one fault that blocks: somebody has not finished the intro."""
    return printable(intro="Welcome back to World Brief, where we’re looking at TODO and a lighthouse in a sweater.")


# The door


@ON_SQLITE
def test_without_a_session_there_is_only_the_login(house: House) -> None:
    house.draft()
    for path in ("/desk/", DESK, f"{DESK}/proof", f"{DESK}/text"):
        answer = house.client.get(path, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk/login")
        assert "Pacific" not in answer.text


@ON_SQLITE
def test_an_empty_desk_says_how_to_make_an_account(house: House) -> None:
    assert "worldbrief account add" in house.client.get("/desk/login").text
    house.account()
    assert "worldbrief account add" not in house.client.get("/desk/login").text


def test_logging_in_and_out(house: House) -> None:
    house.account()
    answer = house.client.post(
        "/desk/login", data={"name": "Dorothy Amadi", "password": PASSWORD}, headers=OURS, follow_redirects=False
    )
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=lax", "Path=/desk", "Secure", "Max-Age=28800"))
    page = house.client.get("/desk/")
    assert "Dorothy Amadi, owner" in page.text
    assert page.headers["cache-control"] == "no-store"
    stolen = dict(house.client.cookies)
    token = page.text.split('name="form_token" value="')[1].split('"')[0]
    assert house.client.post("/desk/logout", data={"form_token": token}, headers=OURS).url.path == "/desk/login"
    house.client.cookies.update(stolen)
    assert house.client.get("/desk/").url.path == "/desk/login"


@ON_SQLITE
def test_on_plain_http_the_cookie_is_not_bound_to_tls(house: House) -> None:
    house.account()
    posted = {"name": "Dorothy Amadi", "password": PASSWORD}
    for address, bound in (
        ("http://127.0.0.1:8000", False),
        ("https://127.0.0.1:8000", True),
        # A proxy in front of us speaks TLS, and passes on the Host.
        ("http://worldbrief.test", True),
    ):
        client = TestClient(application(house.pages), base_url=address)
        answer = client.post("/desk/login", data=posted, headers={"Origin": address}, follow_redirects=False)
        if address != "http://worldbrief.test":
            assert answer.status_code == 303
        assert ("Secure" in answer.headers["set-cookie"]) is bound


def test_a_session_ends_by_itself_and_with_a_new_password(house: House, clock: Clock) -> None:
    house.log_in()
    clock.now += timedelta(hours=Web().session_hours)
    assert house.client.get("/desk/").url.path == "/desk/login"
    house.log_in()
    house.account()
    assert house.client.get("/desk/").url.path == "/desk/login"


def test_a_wrong_name_and_a_wrong_password_get_one_answer(house: House) -> None:
    house.account()
    answers = [
        house.client.post("/desk/login", data={"name": name, "password": "wrong"}, headers=OURS)
        for name in ("Dorothy Amadi", "nobody", "", "nul\0", "<b>")
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert 'role="alert"' in answers[0].text


@ON_SQLITE
def test_guessing_is_slowed_down(house: House) -> None:
    house.account()
    posted = {"name": "Dorothy Amadi", "password": "wrong"}
    for _ in range(4):
        house.client.post("/desk/login", data=posted, headers=OURS)
    right = posted | {"password": PASSWORD}
    assert house.client.post("/desk/login", data=right, headers=OURS).status_code == 401
    for _ in range(60):
        house.pages.within("desk/192.0.2.0/24", 60)
    answer = house.client.post("/desk/login", data=right, headers=OURS)
    assert answer.status_code == 429
    assert "try again in an hour" in answer.text


# Forms from elsewhere


def _posts(pages: Pages) -> list[str]:
    """Every route of the desk that is not read."""
    manners = application(pages)
    assert isinstance(manners, OneClick)
    manners = manners.app
    assert isinstance(manners, Manners)
    routes: list[Any] = manners.app.routes  # type: ignore[attr-defined]
    found: set[str] = set()
    while routes:
        one = routes.pop(0)
        if isinstance(one, Route) and one.methods and one.methods - {"GET", "HEAD", "OPTIONS"}:
            found.add(one.path)
        routes += list(getattr(getattr(one, "original_router", None), "routes", []))
    return sorted(path for path in found if path.startswith("/desk"))


@ON_SQLITE
def test_a_form_from_elsewhere_is_refused_by_every_route(house: House) -> None:
    house.log_in()
    house.draft()
    page = house.client.get(DESK).text
    token = page.split('name="form_token" value="')[1].split('"')[0]
    posts = _posts(house.pages)
    assert "/desk/login" in posts
    assert "/desk/logout" in posts
    kept = house.rows()
    for path in posts:
        for action in DEEDS if "{action}" in path else [""]:
            url = path.format(newsletter="world-brief", on=MONDAY, action=action)
            data = {"form_token": token, "name": "Dorothy Amadi", "password": PASSWORD}
            for headers in ELSEWHERE:
                assert house.client.post(url, data=data, headers=headers).status_code == 403, (url, headers)
    assert house.rows() == kept


@ON_SQLITE
def test_a_form_without_this_sessions_token_is_refused(house: House) -> None:
    house.log_in()
    house.draft()
    kept = house.rows()
    for token in ("", "0" * 64, "ü", "\0"):
        answer = house.client.post(f"{DESK}/hold", data={"form_token": token}, headers=OURS)
        assert answer.status_code == 403
    assert house.rows() == kept


@ON_SQLITE
def test_a_browser_without_fetch_metadata_is_known_by_its_origin(house: House) -> None:
    house.log_in()
    house.draft()
    page = house.client.get(DESK).text
    token = page.split('name="form_token" value="')[1].split('"')[0]
    answer = house.client.post(f"{DESK}/hold", data={"form_token": token}, headers={"Origin": SITE})
    assert answer.status_code == 200
    assert house.state() is State.HELD


# What is shown


@ON_SQLITE
def test_the_editions_and_the_slots_to_come_are_listed(house: House) -> None:
    house.log_in()
    page = house.client.get("/desk/").text
    assert "Nothing has been built yet" in page
    assert "Mon, Nov 23, 2026" in page
    assert "05:30 EST" in page
    house.send(date(2026, 11, 20))
    house.draft()
    page = house.client.get("/desk/").text
    assert page.count("Mon, Nov 23, 2026") == 1
    assert '<span class="state in_review">in review</span>' in page
    assert '<span class="state sent">sent</span>' in page
    assert "<script" not in page


@ON_SQLITE
def test_the_proof_is_framed_at_every_width_dark_without_images_and_as_text(house: House) -> None:
    house.log_in()
    house.draft()
    page = house.client.get(DESK).text
    assert page.count("<iframe") == 6
    assert page.count('sandbox=""') == 6
    assert all(f'width="{width}"' in page for width in (600, 375, 320))
    light, dark, bare = (house.client.get(f"{DESK}/proof{query}") for query in ("", "?scheme=dark", "?images=off"))
    assert "Pacific Leaders Weigh a Pause" in light.text
    assert "prefers-color-scheme" not in light.text
    assert "@media not all" in light.text
    assert "@media all" in dark.text
    assert "img-src 'self'" in light.headers["content-security-policy"]
    assert "img-src 'none'" in bare.headers["content-security-policy"]
    for frame in (light, dark, bare, house.client.get(f"{DESK}/text")):
        assert "frame-ancestors 'self'" in frame.headers["content-security-policy"]
        assert "sandbox" in frame.headers["content-security-policy"]
        assert frame.headers["cache-control"] == "no-store"
    assert house.client.get(f"{DESK}/text").headers["content-type"].startswith("text/plain")


@ON_SQLITE
def test_after_the_approval_the_frames_show_what_was_approved(house: House) -> None:
    house.log_in()
    house.approve(house.draft())
    renamed = replace(house.paper, tagline="Another tagline.")
    config = replace(house.pages.config, newsletters={"world-brief": renamed})
    pages = Pages(config=config, database=house.database, vault=house.pages.vault, clock=house.clock)
    client = TestClient(application(pages), base_url=SITE, cookies=dict(house.client.cookies))
    assert "Another tagline." not in client.get(f"{DESK}/proof").text
    assert "something changed since the approval" in client.get(DESK).text


def test_a_day_without_an_edition_says_why(house: House) -> None:
    house.log_in()
    page = house.client.get(f"/desk/world-brief/{SATURDAY}").text
    assert "does not appear on this day: Saturday is no publishing day" in page
    assert "Build the draft" not in page
    for path in ("/desk/other/2026-11-23", "/desk/world-brief/today", "/desk/world-brief%00/2026-11-23"):
        assert house.client.get(path).status_code == 404
    assert house.client.get("/desk/world-brief/9999-12-31").status_code == 200
    assert house.client.get(f"{DESK}/proof").status_code == 409
    token = {"form_token": "x"}
    assert house.client.post(f"{DESK}/kill", data=token, headers=OURS).status_code == 404


@ON_SQLITE
def test_findings_name_story_and_place_and_block(house: House) -> None:
    house.log_in()
    house.draft(edition=_faulty())
    page = house.client.get(DESK).text
    assert "Blocks, C21" in page
    assert "One rule stands in the way" in page
    assert "Pass C21: The newsroom&#39;s own rules" in page
    assert "Replace “TODO”: it marks something unfinished." in page
    assert "intro · edition line 1" in page


def test_the_accounts_of_a_mailing_stand_on_its_page(house: House) -> None:
    house.log_in()
    for n in range(3):
        house.subscribe(f"reader{n}@reader.test")
    house.approve(house.draft())
    press = routine.press(house.pages.config, house.paper)
    dispatch.dispatch(house.database, press, house.terms, MONDAY, house.record().send_at)
    page = house.client.get(DESK).text
    assert "It is going out." in page
    assert '<td class="number">3</td><td class="number">3</td><td class="number quiet">0</td>' in page


def test_what_stories_say_is_text_on_the_desk(house: House) -> None:
    house.log_in()
    nasty = '"><script>alert(1)</script>' + "Rindfleischetikettierung" * 12
    edition = printable(subject=nasty[:200], preheader=nasty, headline=nasty)
    sections = (*edition.sections, Section(slot="x", title=nasty, style="items", stories=(make_story(guid="n"),)))
    house.draft(edition=replace(edition, sections=sections))
    for path in ("/desk/", DESK):
        assert "<script" not in house.client.get(path).text
    assert not markup.document_fromstring(house.client.get(f"{DESK}/proof").content).xpath("//script")
    answer = house.act("hold", reason=nasty)
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text


# What is done


def test_the_editor_builds_approves_and_sees_it(house: House) -> None:
    house.log_in()
    assert "There is no draft yet" in house.client.get(DESK).text
    answer = house.act("build")
    assert answer.status_code == 200
    assert house.state() is State.IN_REVIEW
    house.act("hold")
    house.act("release")
    with house.database.transaction() as session:
        store.save(session, house.record().id, printable(), "test", house.clock.now)
    page = house.act("approve").text
    assert "Approved by Dorothy Amadi" in page
    assert "It goes out at 05:30 EST" in page
    assert house.record().approval is not None
    assert "approve" in page.split("History")[1]


@ON_SQLITE
def test_what_blocks_is_passed_only_by_name_and_with_a_reason(house: House) -> None:
    house.log_in()
    house.draft(edition=_faulty())
    refused = house.act("approve")
    assert refused.status_code == 409
    assert "Nothing was approved: a finding blocks it" in refused.text
    without = house.act("approve", override="C21", reason="  \n ")
    assert without.status_code == 409
    assert "needs a reason" in without.text
    assert house.act("approve", override="C20", reason="another rule").status_code == 409
    assert house.state() is State.IN_REVIEW
    passed = house.act("approve", override=["C21", "C20"], reason="That is\0 its name.")
    assert passed.status_code == 200
    assert "Passed C21: That is its name." in passed.text
    approval = house.record().approval
    assert approval is not None
    assert [(one.rule, one.by) for one in approval.overrides] == [("C21", "Dorothy Amadi")]


@ON_SQLITE
def test_an_approval_is_of_what_was_looked_at(house: House) -> None:
    house.log_in()
    record = house.draft()
    page = house.client.get(DESK).text
    seen = page.split('name="digest" value="')[1].split('"')[0]
    with house.database.transaction() as session:
        store.save(session, record.id, printable(headline="Something Else Altogether"), "bo", house.clock.now)
    answer = house.act("approve", digest=seen)
    assert answer.status_code == 409
    assert "changed since this page was opened" in answer.text
    assert house.state() is State.IN_REVIEW


@ON_SQLITE
def test_another_subject_voids_the_approval(house: House) -> None:
    house.log_in()
    house.approve(house.draft())
    assert "which voids the approval" in house.client.get(DESK).text
    page = house.act("edit", subject="Suva votes\r\nBcc: x@y.org", preheader="Plus: a lighthouse in a sweater.").text
    edition = house.record().edition
    assert edition is not None
    assert edition.subject == "Suva votes Bcc: x@y.org"
    assert house.record().approval is None
    assert "Waits for an approval" in page
    empty = house.act("edit", subject=" ", preheader="x")
    assert empty.status_code == 409
    assert "needs a subject" in empty.text


@ON_SQLITE
def test_two_people_when_two_are_required(house: House) -> None:
    paper = replace(house.paper, two_person=True)
    config = replace(house.pages.config, newsletters={"world-brief": paper})
    pages = Pages(config=config, database=house.database, vault=house.pages.vault, clock=house.clock)
    house.client = TestClient(application(pages), base_url=SITE, client=("192.0.2.7", 1))
    house.pages = pages
    house.log_in()
    house.draft()
    house.act("edit", subject="Suva votes on the deep sea", preheader="Plus: a lighthouse in a sweater.")
    assert "Let somebody else than Dorothy Amadi approve" in house.client.get(DESK).text
    assert house.act("approve").status_code == 409
    house.client.cookies.clear()
    house.log_in("Bo", Role.PUBLISHER)
    assert "Approved by Bo" in house.act("approve").text


@ON_SQLITE
def test_hold_keeps_its_reason_and_release_leads_back_to_review(house: House) -> None:
    house.log_in()
    house.approve(house.draft())
    held = house.act("hold", reason="Casualty figures are wrong").text
    assert "Nothing leaves until it is released" in held
    assert "Dorothy Amadi: Casualty figures are wrong" in held
    again = house.act("hold")
    assert again.status_code == 409
    assert "an edition that is held cannot hold" in again.text
    assert "Waits for an approval" in house.act("release").text


@ON_SQLITE
def test_what_was_sent_stays_as_it_is(house: House) -> None:
    house.log_in()
    house.send()
    page = house.client.get(DESK).text
    assert "It stands in the archive" in page
    assert all(f'action="{DESK}/{action}"' not in page for action in DEEDS)
    for action in DEEDS:
        answer = house.act(action, subject="Too late", digest="0" * 64)
        assert answer.status_code == 409, action
        assert 'role="alert"' in answer.text
    assert house.state() is State.SENT


@ON_SQLITE
def test_a_role_presses_only_its_buttons(house: House) -> None:
    house.draft()
    for role in Role:
        house.client.cookies.clear()
        house.log_in(role.value.title(), role)
        page = house.client.get(DESK).text
        for action, (needed, _deed) in DEEDS.items():
            allowed = role.may(needed)
            shown = f'action="{DESK}/{action}"' in page
            assert shown == (allowed and action != "release"), (role, action)
            if not allowed:
                answer = house.act(action)
                assert answer.status_code == 403
                assert f"needs the role {needed}" in answer.text
    assert house.state() is State.IN_REVIEW


@ON_SQLITE
def test_an_edition_held_in_mid_send_can_be_released_and_not_edited(house: House) -> None:
    house.log_in()
    record = house.send(to=State.SENDING)
    with house.database.transaction() as session:
        store.move(session, record.id, Event.HOLD, "ana", record.send_at)
    answer = house.act("edit", subject="Another", preheader="x")
    assert answer.status_code == 409
    assert house.record().approval is not None
    assert house.act("release").status_code == 200
    assert house.state() is State.SENDING


@ON_SQLITE
def test_a_form_of_too_much_is_refused(house: House) -> None:
    house.log_in()
    house.draft()
    posted = {f"field{n}": "x" for n in range(1_000)}
    assert house.client.post(f"{DESK}/hold", data=posted, headers=OURS).status_code == 400
    assert house.act("edit", subject="x" * 200_000).status_code == 413
    assert house.act("hold", reason="long " * 2_000).status_code == 200
