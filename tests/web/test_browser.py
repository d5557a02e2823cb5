"""What people do in a real Chromium: sign up, leave, look at frames and approve; and that robots change nothing."""

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from starlette.testclient import TestClient

import subscribers
from newsletter.database import Database
from newsletter.editions.workflow import State
from newsletter.web.app import application
from tests.builders import SITE
from tests.conftest import missing
from tests.web.house import ON_SQLITE, PASSWORD, READER, Clock, House, make_pages, serving

ROOT = Path(__file__).parents[2]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
DESK = "/desk/world-brief/2026-11-23"
pytestmark = ON_SQLITE
# WCAG 2.2, 2.5.8: 24 CSS pixels, but for links within a sentence.
TARGETS = "button, select, input:not([type=hidden], [type=radio], .apart *), .frames label, .masthead a, footer a"
SMALL = f"""() => [...document.querySelectorAll({TARGETS!r})]
    .filter(one => one.getBoundingClientRect().height < 24).map(one => one.outerHTML)"""


# Playwright's own loop runs in this thread until it is closed, so it may not outlive the tests of this file.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all of these tests."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        missing("browser", "no Chromium on this machine (Debian: chromium)")
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield one
        one.close()


@pytest.fixture
def served(database: Database, tmp_path: Path, clock: Clock) -> Iterator[tuple[House, str]]:
    """The pages on a port of loopback, and the address they answer at."""
    pages = make_pages(database, tmp_path / "home", clock)
    shutil.copy(ROOT / "newsletter/samples/media/deep-sea.jpg", pages.media / "suva-assembly.jpg")
    house = House(pages=pages, client=TestClient(application(pages), base_url=SITE), clock=clock)
    with serving(pages) as base:
        yield house, base


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh window that fails the test when a page complains on its console."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    one = context.new_page()
    complaints: list[str] = []
    one.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    yield one
    context.close()
    # A proof without its pictures is one whose policy forbids them; a wrong password is a 401.
    assert [text for text in complaints if "img-src 'none'" not in text and "401" not in text] == []


def _until(page: Page, fits: Callable[[], bool]) -> None:
    """Wait for up to ten seconds until something is so."""
    for _ in range(500):
        if fits():
            return
        page.wait_for_timeout(20)
    raise AssertionError("it did not come to be so")


def _await_letter(house: House) -> str:
    """The confirmation's token, once the work behind the answered page is done."""
    for _ in range(500):
        if house.requests():
            return house.confirm_token()
        time.sleep(0.01)
    raise AssertionError("no confirmation letter was queued")


def test_a_person_signs_up_confirms_pauses_and_leaves(served: tuple[House, str], page: Page) -> None:
    house, base = served
    page.goto(base)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    house.clock.now += timedelta(seconds=5)
    page.get_by_label("Your email address").fill(READER)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Check your inbox").wait_for()
    token = _await_letter(house)
    page.goto(f"{base}/confirm/{token}")
    assert house.readers() == 0
    assert house.trapped() == 0
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("heading", name="Signed Up").wait_for()
    leaving = house.leave_token()
    page.goto(f"{base}/preferences/{leaving}")
    page.get_by_label("Take a break").select_option("4")
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("It comes again from Monday, December 21, 2026").wait_for()
    page.get_by_role("button", name="Resume now").click()
    page.get_by_text("every weekday").last.wait_for()
    assert house.readers() == 1
    page.goto(f"{base}/u/{leaving}")
    page.get_by_role("button", name="Unsubscribe").click()
    page.get_by_role("heading", name="Unsubscribed").wait_for()
    assert house.readers() == 0


def test_a_robot_that_opens_every_link_changes_nothing(served: tuple[House, str], page: Page) -> None:
    house, base = served
    leaving = house.subscribe()
    record = house.send()
    house.client.post("/signup", data=house.form("pending@reader.test"))
    links = re.findall(r'href="([^"]+)"', house.client.get("/archive/world-brief/2026-11-23").text)
    ours = {urlsplit(link).path for link in links if link.startswith(SITE) and "/2026/" not in link} | {"/archive/"}
    asked = house.confirm_token()
    ours |= {f"/u/{leaving}", f"/preferences/{leaving}", f"/confirm/{asked}", f"/refuse/{asked}"}
    assert record.approval is not None
    kept = house.rows()
    for path in sorted(ours):
        page.goto(base + path)
        page.wait_for_timeout(50)
    assert house.rows() == kept


def test_t2_a_scanner_that_runs_scripts_and_waits_confirms_nobody_and_t9_one_click_does(
    served: tuple[House, str], page: Page
) -> None:
    house, base = served
    house.client.post("/signup", data=house.form())
    token = house.confirm_token()
    kept = house.rows()
    for path in (f"/confirm/{token}", f"/refuse/{token}", "/"):
        page.goto(base + path)
        page.mouse.move(100, 100)
        page.wait_for_timeout(700)
    assert house.rows() == kept
    page.goto(f"{base}/confirm/{token}")
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("heading", name="Signed Up").wait_for()
    assert house.readers() == 1


def test_the_form_works_without_script_and_the_code_confirms_in_the_same_window(
    served: tuple[House, str], browser: Browser
) -> None:
    house, base = served
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(base)
    house.clock.now += timedelta(seconds=5)
    page.get_by_label("Your email address").fill(READER)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Check your inbox").wait_for()
    house.settle()
    with house.database.snapshot() as session:
        found = subscribers.requester(session, house.pages.keys, house.requests()[-1], house.clock.now)
    assert isinstance(found, subscribers.Requester)
    page.get_by_label("Or type the code from the letter").fill(found.code.lower())
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Signed Up").wait_for()
    assert house.readers() == 1
    context.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def paper(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Another site: its origin, and the file it shows."""
    folder = tmp_path / "paper"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder / "index.html"
        server.shutdown()


def test_the_framed_form_proves_its_work_and_answers_in_a_tab_of_its_own(
    served: tuple[House, str], browser: Browser, paper: tuple[str, Path]
) -> None:
    pages, (origin, shown) = served[0].pages, paper
    # Nobody gets in here without a proof.
    signup = replace(pages.config.signup, embed_origins=(origin,), unproved_posts_per_hour=0)
    pages = replace(pages, config=replace(pages.config, signup=signup))
    house = replace(served[0], pages=pages, client=TestClient(application(pages), base_url=SITE))
    context = browser.new_context()
    page = context.new_page()
    with serving(pages) as base:
        line = f'<iframe src="{base}/embed/world-brief" title="Sign up to World Brief"></iframe>'
        shown.write_text(f"<!doctype html><title>Paper</title>{line}", "utf-8")
        page.goto(origin)
        form = page.frame_locator("iframe")
        for address in ("anna@reader.tset", READER):
            form.get_by_label("Your email address").fill(address)
            house.clock.now += timedelta(seconds=5)
            _until(page, lambda: bool(form.locator("input[name=altcha]").input_value()))
            with context.expect_page() as opened:
                form.get_by_role("button", name="Sign Up").click()
            opened.value.get_by_role("heading", name="Check your inbox").wait_for()
            # Who has mistyped finds the form as new.
            _until(page, lambda: not form.get_by_label("Your email address").input_value())
        _until(page, lambda: len(house.requests()) == 2)
    assert house.trapped() == 0
    context.close()


def test_an_archived_letter_shows_its_picture_and_leads_on(served: tuple[House, str], page: Page) -> None:
    house, base = served
    house.send()
    page.goto(f"{base}/archive/")
    page.get_by_role("link", name="Pacific Leaders").click()
    page.get_by_role("heading", name="Pacific Leaders").first.wait_for()
    picture = page.get_by_alt_text("Delegates").first
    picture.scroll_into_view_if_needed()
    assert picture.bounding_box() is not None
    assert page.evaluate("document.images[0].naturalWidth") > 0


def test_the_editor_looks_at_the_frames_approves_and_sees_it(served: tuple[House, str], page: Page) -> None:
    house, base = served
    house.account()
    house.draft()
    page.goto(f"{base}/desk/")
    page.get_by_label("Name").fill("Dorothy Amadi")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("alert").wait_for()
    page.get_by_label("Name").fill("Dorothy Amadi")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Mon, Nov 23, 2026").click()
    for name, width, ground, shows in (
        ("600 px", 600, "rgb(255, 255, 255)", True),
        ("375 px", 375, "rgb(255, 255, 255)", True),
        ("320 px", 320, "rgb(255, 255, 255)", True),
        ("Dark", 600, "rgb(20, 22, 26)", True),
        ("No images", 600, "rgb(255, 255, 255)", False),
    ):
        page.get_by_text(name, exact=True).click()
        element = page.locator(f'iframe[title="The proof: {name}"]')
        handle = element.element_handle()
        assert handle is not None
        frame = handle.content_frame()
        assert frame is not None
        frame.wait_for_url("**/proof*")
        frame.wait_for_load_state("load")
        assert frame.evaluate("innerWidth") == width
        assert frame.evaluate("getComputedStyle(document.body).backgroundColor") == ground
        assert frame.evaluate("origin") == "null"
        assert frame.evaluate("document.documentElement.scrollWidth") <= width
        assert (frame.evaluate("document.images[0].naturalWidth") > 0) is shows
    page.get_by_text("Text", exact=True).click()
    page.frame_locator('iframe[title="The proof: Text"]').get_by_text("Welcome back to World Brief").wait_for()
    page.get_by_role("button", name="Approve this proof").click()
    page.get_by_text("Approved by Dorothy Amadi").wait_for()
    assert house.state() is State.APPROVED
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("heading", name="Log in").wait_for()


def test_no_page_is_wider_than_a_phone_and_every_target_can_be_hit(served: tuple[House, str], browser: Browser) -> None:
    house, base = served
    leaving = house.subscribe()
    house.account()
    house.draft()
    context = browser.new_context(viewport={"width": 320, "height": 640}, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{base}/desk/login")
    page.get_by_label("Name").fill("Dorothy Amadi")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    for path in ("/", "/archive/", "/privacy", f"/u/{leaving}", f"/preferences/{leaving}", "/nowhere", "/desk/", DESK):
        page.goto(base + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
        assert page.locator("h1").count() == 1, path
        small = page.evaluate(SMALL)
        assert small == [], path
    context.close()
