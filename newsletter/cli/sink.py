"""`worldbrief postbox`: a relay for editors and developers that keeps what it takes, and misbehaves as it is told."""

import random
import secrets
import threading
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from newsletter.cli import house
from newsletter.cli.progress import stopping
from newsletter.postbox import Postbox, Script, Service, behave, certificate, dial, page, running
from newsletter.postbox.dial import Fault

_HOST: Final = "127.0.0.1"
_GOOD_FOR: Final = timedelta(days=30)


class Tls(StrEnum):
    """How the postbox offers TLS."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


def postbox(
    *,
    port: Annotated[int, typer.Option("--port", help="The port to take mail on.")] = 8025,
    page_port: Annotated[int, typer.Option("--page-port", help="The port of the page that shows it.")] = 8026,
    folder: Annotated[Path, typer.Option("--folder", help="Where each letter is kept as an .eml file.")] = Path(
        "var/postbox"
    ),
    faults: Annotated[
        list[Fault] | None, typer.Option("--fault", parser=dial.parse, metavar="FAULT", help=dial.GRAMMAR)
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Repeats the faults of another run; a run says its own.")
    ] = None,
    tls: Annotated[Tls, typer.Option("--tls", help="Offer TLS, with a certificate made for this run.")] = Tls.NONE,
    auth: Annotated[
        str, typer.Option("--auth", metavar="USER:SECRET", help="Insist on a login; the secret may be a token.")
    ] = "",
) -> None:
    """Run an SMTP relay that keeps what it takes as files, shows it on a page and sends nothing on."""
    pem = b"" if tls is Tls.NONE else certificate.make(_HOST, house.clock(), _GOOD_FOR)
    service = Service(
        tls=certificate.served(pem) if pem else None,
        implicit_tls=tls is Tls.IMPLICIT,
        login=_login(auth),
        chunking=True,
        dsn=True,
        smtputf8=True,
    )
    seed = secrets.randbelow(10**6) if seed is None else seed
    box = Postbox(_HOST, port, script=_script(faults or [], seed), folder=folder, keep=False, service=service)
    stop = threading.Event()
    with running(box), page.shown(box, page_port) as shown_on, stopping(stop):
        house.say(f"postbox on {_HOST}:{box.port}, letters in {folder}")
        house.say(f"to read     http://{_HOST}:{shown_on}/")
        if pem:
            house.say(f'to trust    pinned_certificates = ["{certificate.fingerprint(pem)}"]')
        if faults:
            house.say(f"to repeat   --seed {seed}")
        house.say("Ctrl-C to stop")
        stop.wait()
        house.say(f"{box.count} letters")


def _login(auth: str) -> tuple[str, str] | None:
    user, colon, secret = auth.partition(":")
    if auth and not (user and colon and secret):
        raise typer.BadParameter("a login is USER:SECRET", param_hint="--auth")
    return (user, secret) if auth else None


def _script(faults: list[Fault], seed: int) -> Script:
    return dial.turned(faults, random.Random(seed).random) if faults else behave  # noqa: S311 -- faults are no secret
