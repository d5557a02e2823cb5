"""One sending process: `python -m newsletter.cli.sender --part 2/4 [--mailing N]`, as `worldbrief work` starts it.

It needs few of the commands' rooms, so that many of them fit into a small machine.
"""

import argparse
import os
import sys
import threading
from collections.abc import Sequence

from newsletter.cli import house
from newsletter.cli.progress import stopping
from newsletter.cli.senders import Part, orphaned
from newsletter.delivery import worker
from newsletter.delivery.ledger import MailingId
from newsletter.delivery.worker import Work
from newsletter.errors import NewsletterError
from subscribers import SubscribersError


def main(arguments: Sequence[str]) -> int:
    """Send what is due until stopped, or one mailing until it is finished."""
    parser = argparse.ArgumentParser(prog="worldbrief work", description="Send as one of so many processes.")
    parser.add_argument("--part", type=Part.parse, required=True, help="which of how many, such as 2/4")
    parser.add_argument("--mailing", type=int, default=0, help="work this mailing off, and end with it")
    parser.add_argument("--parent", type=int, default=0, help="the process to end with; whoever starts this by default")
    asked = parser.parse_args(arguments)
    stop = threading.Event()
    try:
        with house.opened() as one, stopping(stop), orphaned(stop, asked.parent or os.getppid()):
            job = Work(
                database=one.database,
                config=one.config,
                vault=one.vault,
                only=MailingId(asked.mailing) if asked.mailing else None,
                until_done=bool(asked.mailing),
                stop=stop,
                share=1 / asked.part.of,
                again=house.rereader(one.config),
            )
            worker.work(job, house.clock)
    except (NewsletterError, SubscribersError) as error:
        house.say(f"worldbrief: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
