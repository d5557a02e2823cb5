"""`worldbrief consent receipt`, `check-receipt`, `lint`: what is handed out as proof, and what is weak beforehand."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

import subscribers
from newsletter import languages
from newsletter.cli import house
from newsletter.cli.house import House, JSONOption
from newsletter.cli.people import AddressArgument, consent
from newsletter.config import Newsletter
from newsletter.errors import NewsletterError
from newsletter.web import consents, forms, receipts
from newsletter.web.pages import Pages
from subscribers import Address, Display, ReceiptRefused, Verifier, Weakness, lint

app = consent
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PRINT_SECONDS: Final = 60


class Format(StrEnum):
    """What a receipt is written as."""

    JSONLD = "jsonld"
    HTML = "html"
    PDF = "pdf"


@consent.command()
def receipt(
    address: AddressArgument,
    *,
    as_format: Annotated[Format, typer.Option("--format", help="For machines, a screen or print.")] = Format.JSONLD,
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; only you can read it.")] = None,
) -> None:
    """Certify what the ledger holds on one address (ISO/IEC TS 27560), with its proof; a page in its own language."""
    if as_format is Format.PDF and out is None:
        raise typer.BadParameter("a PDF needs --out FILE")
    with house.opened() as one:
        content = _written(_pages(one), Address.parse(address), as_format)
    if out is None:
        sys.stdout.write(content.decode())
        return
    handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    house.say(f"written: {out}")


@consent.command("check-receipt")
def check_receipt(
    file: Annotated[Path, typer.Argument(help="The receipt (JSON-LD).")],
    key: Annotated[Path, typer.Option("--key", help="The ledger’s public key: /.well-known/consent-ledger.pub.")],
) -> None:
    """Check a receipt with the public key alone: every event to the signed checkpoint, every text to its digest."""
    verifier = Verifier.parse(house.content(key).decode("utf-8", "replace"))
    try:
        document = json.loads(house.content(file))
    except ValueError as error:
        raise ReceiptRefused(f"{file}: is not JSON") from error
    count = subscribers.check_receipt(document, verifier)
    house.say(f"the receipt holds: {count} event{'s' * (count != 1)} in the ledger of {verifier.origin or 'this key'}")


@consent.command("lint")
def lint_wordings(*, as_json: JSONOption = False) -> None:
    """Say what is weak in the wordings and forms people are shown; leaves with 1 only when a control is pre-ticked."""
    with house.opened() as one:
        pages = _pages(one)
        found = [(paper.key, each) for paper in one.config.newsletters.values() for each in _weak(one, paper)]
        found += [(f"{form.page}.html", each) for form in forms.all_forms(pages) for each in _loose(one, form)]
        with one.database.snapshot() as session:
            kept = subscribers.notices.forms(session)
        found += [(f"form {form.digest[:16]}", each) for form in kept for each in lint.form(form.text)]
    # What is weak in every language is weak once.
    for where, each in dict.fromkeys(found):
        if as_json:
            house.answer({"where": where, **house.plain(each)})
        else:
            word = "blocks" if each.blocking else "warns"
            house.stdout.print(f"{where}: {word}: {each.rule}: {each.advice}", markup=False)
    if any(each.blocking for _, each in found):
        raise typer.Exit(1)


def _weak(one: House, paper: Newsletter) -> list[Weakness]:
    publisher = one.config.site.publisher
    asked = consents.deployed(paper, publisher).values()
    shown = [lint.Shown(wording=each.text, language=each.language, controller=publisher) for each in asked]
    return [weak for each in shown for weak in lint.inspect(each)]


def _loose(one: House, form: Display) -> list[Weakness]:
    """What is weak in a form; where somebody unknown signs up, policy and terms are to be one link away."""
    site = one.config.site
    return lint.form(form.text, (site.privacy_url, site.terms_url) if form.page in forms.PAGES else ())


def _pages(one: House) -> Pages:
    return Pages(config=one.config, database=one.database, vault=one.vault, clock=house.clock)


def _written(pages: Pages, address: Address, wanted: Format) -> bytes:
    made = receipts.make(pages, address)
    if wanted is Format.JSONLD:
        return receipts.as_json(made).encode()
    with pages.database.snapshot() as session:
        own = subscribers.language_of(session, pages.keys, address)
    page = receipts.as_html(pages, made, languages.language(languages.nearest(own) or languages.CODES[0])).encode()
    return page if wanted is Format.HTML else _printed(page)


def _printed(page: bytes) -> bytes:
    """The page on paper. A browser shapes every script, Arabic and Japanese too, and gives it the look of the pages."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise NewsletterError("a PDF is printed by Chromium or Chrome, and none is installed; use --format html")
    with tempfile.TemporaryDirectory(prefix="worldbrief-print-") as folder:
        source, target = Path(folder, "receipt.html"), Path(folder, "receipt.pdf")
        source.write_bytes(page)
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            "--no-pdf-header-footer",
            f"--user-data-dir={folder}/profile",
        ]
        # Chromium's sandbox does not start for root.
        command += ["--no-sandbox"] * (os.geteuid() == 0)
        command += [f"--print-to-pdf={target}", source.as_uri()]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=PRINT_SECONDS)  # noqa: S603 -- our own words
            return target.read_bytes()
        except (subprocess.SubprocessError, OSError) as error:
            raise NewsletterError(f"{browser} could not print the receipt; use --format html") from error
