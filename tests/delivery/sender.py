"""A sender of its own, to be killed: `python -m tests.delivery.sender DATABASE_URL RELAY_PORT MAILING NOW`."""

import sys
import threading
from datetime import datetime

from newsletter.database import Database
from newsletter.delivery import worker
from newsletter.delivery.ledger import MailingId
from newsletter.delivery.worker import Work
from tests.delivery.newsroom import VAULT, Clock, make_config


def main(url: str, port: str, mailing: str, now: str) -> None:
    """Work one mailing off, as if it were that moment."""
    job = Work(
        database=Database(url),
        config=make_config(int(port), chunk_size=50),
        vault=VAULT,
        only=MailingId(int(mailing)),
        until_done=True,
        stop=threading.Event(),
    )
    worker.work(job, Clock(datetime.fromisoformat(now)))


if __name__ == "__main__":
    main(*sys.argv[1:])
