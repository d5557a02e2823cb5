"""Every public page in a real Chromium against axe-core's rules for WCAG 2.2 AA: in three scripts, light and dark.

Beside them what axe cannot see: nothing wider than a phone, nothing kept in the browser, and the whole way by keyboard.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from starlette.testclient import TestClient

from newsletter.config import Signup
from newsletter.database import Database
from newsletter.web import legal
from newsletter.web.app import application
from tests.builders import SITE
from tests.conftest import missing
from tests.web.house import ON_SQLITE, Clock, House, make_pages, serving

ARGUMENTS: Final = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
LANGUAGES: Final = ("en", "ar", "ja")
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
AXE: Final = Axe().axe_script
WIDTHS: Final = (320, 1280)
RULES: Final = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "resultTypes": ["violations"],
}


@dataclass(frozen=True)
class Served:
    """An installation on loopback with something on every page, and those pages' addresses."""

    house: House
    base: str
    paths: tuple[str, ...]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        missing("browser", "no Chromium on this machine (Debian: chromium)")
    with sync_playwright() as playwright:
        one = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield one
        one.close()


@pytest.fixture
def served(database: Database, tmp_path: Path, clock: Clock) -> Iterator[Served]:
    signup = Signup(posts_per_hour=50, unproved_posts_per_hour=50, embed_origins=("https://paper.test",))
    pages = make_pages(database, tmp_path / "home", clock, signup=signup)
    house = House(pages=pages, client=TestClient(application(pages), base_url=SITE), clock=clock)
    legal.publish(pages)
    leaving = house.subscribe()
    away, gone = house.subscribe("away@reader.test"), house.subscribe("gone@reader.test")
    house.client.post(f"/preferences/{away}", data={"weeks": "4"})
    house.client.post(f"/u/{gone}")
    house.send()
    house.client.post("/signup", data=house.form("asked@reader.test"))
    tokens = (f"/confirm/{house.confirm_token()}", f"/u/{leaving}", f"/u/{gone}", f"/preferences/{leaving}")
    open_paths = ("/", "/my/", "/archive/", "/privacy", "/terms", "/cookies", "/embed/world-brief", "/nowhere")
    paths = (*open_paths, *tokens, f"/preferences/{away}", f"/preferences/{gone}")
    with serving(pages) as base:
        yield Served(house=house, base=base, paths=paths)


def _look(page: Page, where: str) -> None:
    """What axe finds on the page that is open, at the width of a phone and of a desk."""
    page.evaluate(AXE)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert faults(page) == [], f"{where} {width}"
        assert not _wide(page), f"{where} {width}"


def faults(page: Page) -> list[str]:
    """What axe, which has been put into the page, finds there."""
    found = page.evaluate("rules => axe.run(rules).then(found => found.violations)", RULES)
    return [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"]]


def _wide(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@ON_SQLITE
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("code", LANGUAGES)
def test_no_page_has_a_finding_or_is_wider_than_its_window(
    served: Served, browser: Browser, code: str, scheme: Literal["light", "dark"]
) -> None:
    # A policy without scripts keeps axe out, too; what it looks at is the page all the same.
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    for path in served.paths:
        page.goto(f"{served.base}{path}?lang={code}")
        _look(page, f"{path} {code} {scheme}")
    for address in ("nonsense@x", "new@reader.test"):
        _fill_in(page, served, code, address)
        _look(page, f"{address} {code} {scheme}")
    context.close()


def test_axe_is_awake(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content("<html><body><input><p style='color:#bbb;background:#fff'>pale</p></body></html>")
    page.evaluate(AXE)
    found = " ".join(faults(page))
    assert all(rule in found for rule in ("label:", "color-contrast:", "html-has-lang:", "document-title:"))
    page.close()


def _fill_in(page: Page, served: Served, code: str, address: str) -> None:
    page.goto(f"{served.base}/?lang={code}")
    page.locator("#address").fill(address)
    page.locator("main button").click()
    # Where script runs it proves some work first, and posts then.
    page.wait_for_url("**/signup**")
    page.wait_for_load_state()


@ON_SQLITE
def test_public_pages_keep_nothing_in_the_browser_and_ask_nobody_else(served: Served, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in served.paths:
        page.goto(served.base + path)
        assert page.evaluate("document.cookie") == ""
    _fill_in(page, served, "en", "quiet@reader.test")
    assert context.cookies() == []
    assert [one["origin"] for one in context.storage_state()["origins"]] == []
    assert {url for url in asked if not url.startswith(served.base)} == set()
    context.close()


@ON_SQLITE
def test_the_whole_way_goes_by_keyboard(served: Served, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{served.base}/?lang=ar")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    seen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.name || document.activeElement.hreflang || ''"))
        ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert ring != "none" or page.evaluate("document.activeElement === document.body")
    assert "weekday_tea" not in seen
    assert {"address", "fr", "ja"} <= set(seen)
    page.locator("#address").focus()
    page.keyboard.type("keys@reader.test")
    page.keyboard.press("Enter")
    page.wait_for_url("**/signup?lang=ar")
    page.close()


@ON_SQLITE
def test_a_document_prints_black_on_white_without_its_navigation(served: Served, browser: Browser) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(f"{served.base}/privacy")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("footer nav").is_visible()
    assert page.locator("article h1").is_visible()
    page.close()
