"""A reader in a real Chromium: from her address to her data, and what she changes there."""

import time

import pytest
from playwright.sync_api import Browser, Page

import subscribers
from tests.web.house import ON_SQLITE, READER, House
from tests.web.test_accessibility import AXE, faults
from tests.web.test_browser import SMALL, browser, page, served
from tests.web.test_mine import NEW, letters, newest

__all__ = ["browser", "page", "served"]
pytestmark = ON_SQLITE
LONG = f"{'a' * 60}@{'b' * 60}.{'c' * 60}.test"
# Every field has a name a screen reader says, every id is there once, headings and landmarks are in order.
FAULTS = """() => [
    ...[...document.querySelectorAll('input:not([type=hidden]), select, button')]
        .filter(one => !(one.labels?.length || one.textContent.trim())).map(one => 'unnamed ' + one.outerHTML),
    ...[...document.querySelectorAll('[id]')].map(one => one.id)
        .filter((id, place, all) => all.indexOf(id) !== place).map(id => 'twice ' + id),
    ...[...document.querySelectorAll('[aria-labelledby], [aria-describedby]')]
        .flatMap(one => [one.getAttribute('aria-labelledby'), one.getAttribute('aria-describedby')])
        .filter(id => id && !document.getElementById(id)).map(id => 'nowhere ' + id),
    ...(document.querySelectorAll('main').length === 1 ? [] : ['main']),
    ...(document.querySelectorAll('h1').length === 1 ? [] : ['h1']),
    ...(document.querySelector('script') ? ['script'] : []),
]"""


def _await(house: House, kind: str, count: int = 1) -> subscribers.Addressee:
    """The newest letter of a kind, once the work behind the answered page is done."""
    for _ in range(500):
        if len(letters(house, kind)) >= count:
            return newest(house, kind)
        time.sleep(0.01)
    raise AssertionError(f"no letter {kind!r} was queued")


def _enter(house: House, base: str, page: Page, address: str = READER) -> None:
    page.goto(f"{base}/my/")
    page.get_by_label("Your email address").fill(address)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Check your inbox").wait_for()
    page.goto(f"{base}/my/open/{_await(house, 'access').token}")
    page.get_by_role("button", name="Open my data").click()
    page.get_by_role("heading", name="Everything kept on you").wait_for()


def test_a_reader_walks_from_her_address_to_her_data_and_back(served: tuple[House, str], page: Page) -> None:
    house, base = served
    house.subscribe()
    _enter(house, base, page)
    assert page.get_by_text(READER).first.is_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as JSON").click()
    assert READER in download.value.path().read_text("utf-8")
    page.get_by_role("link", name="Preferences", exact=True).click()
    page.get_by_label("How often").select_option(label="Friday’s edition only")
    page.get_by_role("button", name="Save World Brief").click()
    page.get_by_role("status").get_by_text("Saved.").wait_for()
    assert page.get_by_label("How often").input_value() == "friday"
    page.get_by_label("Take a break until").fill("2026-12-24")
    page.get_by_role("button", name="Pause World Brief").click()
    page.get_by_text("It comes again from Thursday, December 24, 2026 on.").wait_for()
    page.get_by_role("button", name="Resume now World Brief").click()
    page.get_by_label("Take a break until").wait_for()
    page.get_by_label("Send everything to another address").fill(NEW)
    page.get_by_role("button", name="Change address").click()
    page.get_by_role("heading", name="Check your new inbox").wait_for()
    page.goto(f"{base}/my/address/{_await(house, 'change').token}")
    page.get_by_role("button", name="Use this address").click()
    page.get_by_role("heading", name="Address changed").wait_for()
    assert [one.address for one in house.recipients().values()] == [NEW]
    page.goto(f"{base}/my/data")
    page.get_by_role("heading", name="See and change what is kept on you").wait_for()


def test_a_letters_own_page_mails_the_link_without_showing_the_address(served: tuple[House, str], page: Page) -> None:
    house, base = served
    page.goto(f"{base}/preferences/{house.subscribe()}")
    page.get_by_role("button", name="Send me a link").click()
    page.get_by_role("heading", name="Check your inbox").wait_for()
    assert READER not in page.content()
    assert _await(house, "access").address == READER


def test_a_robot_that_opens_the_mailed_links_opens_nothing(served: tuple[House, str], page: Page) -> None:
    house, base = served
    leaving = house.subscribe()
    house.client.post(f"/my/link/{leaving}")
    token = _await(house, "access").token
    kept = house.rows()
    for path in (f"/my/open/{token}", f"/preferences/{leaving}", "/my/", "/my/data"):
        page.goto(base + path)
        page.wait_for_timeout(50)
    assert house.rows() == kept


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_phone_is_named_throughout_and_takes_long_words(
    served: tuple[House, str], browser: Browser, scheme: str
) -> None:
    house, base = served
    leaving = house.subscribe(LONG)
    context = browser.new_context(viewport={"width": 320, "height": 640}, color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
    page = context.new_page()
    for path in ("/my/", f"/preferences/{leaving}"):
        page.goto(base + path)
        _is_sound(page, path)
    _enter(house, base, page, LONG)
    _is_sound(page, "data")
    for path in ("/my/preferences", "/my/preferences?saved=world-brief", "/my/address/nothing"):
        page.goto(base + path)
        _is_sound(page, path)
    page.goto(f"{base}/my/preferences")
    page.get_by_label("Send everything to another address").fill(f"{'d' * 65}@example.org")
    page.get_by_role("button", name="Change address").click()
    page.get_by_role("alert").wait_for()
    _is_sound(page, "problem")
    page.get_by_role("button", name="Unsubscribe World Brief").click()
    page.get_by_role("button", name="Subscribe World Brief").wait_for()
    _is_sound(page, "ended")
    context.close()


def _is_sound(page: Page, name: str) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 320, name
    assert page.evaluate(FAULTS) == [], name
    page.evaluate(AXE)
    assert faults(page) == [], name
    assert page.evaluate(SMALL) == [], name
