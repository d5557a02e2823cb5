"""A sender in a process of its own, to be killed: `python -m tests.delivery.sender DATABASE_URL RELAY_PORT MAILING`."""

import sys
import threading
from datetime import UTC, datetime

from newsletter.database import Database
from newsletter.delivery import worker
from newsletter.delivery.ledger import MailingId
from newsletter.delivery.worker import Work
from tests.delivery.newsroom import VAULT, make_config


def main(url: str, port: str, mailing: str) -> None:
    """Work one mailing off."""
    job = Work(
        database=Database(url),
        config=make_config(int(port), chunk_size=50),
        vault=VAULT,
        only=MailingId(int(mailing)),
        until_done=True,
        stop=threading.Event(),
    )
    worker.work(job, lambda: datetime.now(UTC))


if __name__ == "__main__":
    main(*sys.argv[1:])
