"""Draws the README’s pictures in Chromium, light and dark. `python -m tests.tools.shoot [HTML]`.

HTML is the demo’s brief, whose pictures stay as they are without it; the pages are those of an installation that lives
as long as this takes.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from starlette.testclient import TestClient

from newsletter.database import Database
from newsletter.web.app import application
from tests.builders import SITE
from tests.web.house import READER, Clock, House, make_pages, serving
from tests.web.test_mine import newest

PICTURES: Final = Path(__file__).parents[1] / "corpus/golden"
WIDTH, HEIGHT, COLOURS = 640, 1180, 128
PAGE_HEIGHT: Final = 860
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def shoot(html: Path | None) -> None:
    """Write the pictures of the brief from the demo's brief.html, and those of the sign-up and the preferences."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as home, _served(Path(home)) as (house, base):
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        if html:
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.goto(html.resolve().as_uri())
            _draw(page, "brief")
        page = browser.new_page(viewport={"width": WIDTH, "height": PAGE_HEIGHT})
        page.goto(base)
        _draw(page, "signup")
        _draw(_preferences(browser, house, base), "preferences")
        browser.close()


@contextmanager
def _served(home: Path) -> Iterator[tuple[House, str]]:
    """An installation with two newsletters on loopback, and its address."""
    database = Database(f"sqlite:///{home / 'pictures.db'}")
    database.upgrade()
    clock = Clock()
    pages = make_pages(database, home, clock)
    [paper] = pages.config.newsletters.values()
    weekend = replace(
        paper, key="weekend", name="World Weekend", tagline="One long read, every Saturday.", days=("sat",)
    )
    both = {paper.key: paper, weekend.key: weekend}
    pages = replace(pages, config=replace(pages.config, newsletters=both))
    house = House(pages=pages, client=TestClient(application(pages), base_url=SITE), clock=clock)
    with serving(pages) as base:
        yield house, base
    database.close()


def _preferences(browser: Browser, house: House, base: str) -> Page:
    """A reader's preferences, opened by the link that is mailed to her."""
    house.subscribe()
    house.client.post("/my/", data={"address": READER})
    page = browser.new_page(viewport={"width": WIDTH, "height": PAGE_HEIGHT})
    page.goto(f"{base}/my/open/{newest(house).token}")
    page.get_by_role("button", name="Open my data").click()
    page.get_by_role("link", name="Preferences", exact=True).click()
    page.get_by_role("heading", name="What you receive").wait_for()
    return page


def _draw(page: Page, name: str) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        target = PICTURES / f"{name}-{scheme}.png"
        page.screenshot(path=target)
        # The one accent is a small part of each, and the usual method would lose it.
        Image.open(target).convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(target, optimize=True)


if __name__ == "__main__":
    shoot(Path(sys.argv[1]) if sys.argv[1:] else None)
