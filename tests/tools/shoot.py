"""Draws the README’s pictures: the demo’s brief in Chromium, light and dark. `python -m tests.tools.shoot HTML`."""

import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PICTURES = Path(__file__).parents[1] / "corpus/golden"
WIDTH, HEIGHT, COLOURS = 640, 1180, 128
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def shoot(html: Path) -> None:
    """Write brief-light.png and brief-dark.png from the demo's brief.html."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
            page.goto(html.resolve().as_uri())
            target = PICTURES / f"brief-{scheme}.png"
            page.screenshot(path=target)
            Image.open(target).quantize(COLOURS).save(target, optimize=True)
        browser.close()


if __name__ == "__main__":
    shoot(Path(sys.argv[1]))
