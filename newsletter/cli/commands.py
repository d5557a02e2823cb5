"""All commands, and how one ends.

Exit codes: 0 done, 1 refused or a check failed, 2 wrong usage. An error is one line; a traceback is a bug of ours.
"""

import sys
from typing import Final

from newsletter.cli import (
    demo,
    dkim,
    doctor,
    edition,
    feedback,
    house,
    privacy,
    proofs,
    relays,
    safekeeping,
    service,
    sink,
    story,
    transfers,
)
from newsletter.cli.house import app
from newsletter.errors import NewsletterError
from subscribers import SubscribersError

__all__ = ["app", "main", "proofs"]

app.add_typer(story.app, name="story")
app.add_typer(edition.app, name="edition")
app.add_typer(transfers.subscriber, name="subscriber")
app.add_typer(proofs.app, name="consent")
app.add_typer(feedback.app, name="feedback")
app.add_typer(dkim.app, name="dkim")
app.add_typer(relays.app, name="relay")
app.add_typer(service.account, name="account")
app.add_typer(service.db, name="db")
app.add_typer(privacy.app, name="privacy")
app.add_typer(safekeeping.keys, name="keys")
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
for command in (
    service.init,
    service.config,
    service.run,
    service.web,
    service.work,
    service.schedule,
    sink.postbox,
    safekeeping.backup,
    safekeeping.restore,
):
    app.command(command.__name__)(command)


INTERRUPTED: Final = 130


def main() -> None:
    """Run one command and leave with its exit code."""
    try:
        app()
    except (NewsletterError, SubscribersError) as error:
        house.say(f"worldbrief: {error}")
        sys.exit(1)
    except SystemExit as left:
        # Typer turns a KeyboardInterrupt into this code, without a word.
        if left.code == INTERRUPTED:
            house.say("worldbrief: interrupted; what was finished is kept, the same command continues")
        raise
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
