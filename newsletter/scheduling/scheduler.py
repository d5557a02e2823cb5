"""The alarm clock: APScheduler wakes the routine, from memory. What is due and what is done is decided elsewhere."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from apscheduler.schedulers.background import BackgroundScheduler

import subscribers
from newsletter import readership
from newsletter.config import Config
from newsletter.database import Database
from newsletter.errors import NewsletterError
from newsletter.scheduling import routine
from newsletter.stories import wire
from newsletter.vault import Vault

log = logging.getLogger("world_brief.scheduler")


def run(database: Database, config: Config, vault: Vault, clock: Callable[[], datetime], stop: threading.Event) -> None:
    """Tick four times a minute, and pull the configured sources, until told to stop.

    Slots stand at whole minutes, so a tick at second 0 is punctual; the others catch sleep, clock jumps and restarts.
    """
    alarm_clock = BackgroundScheduler(timezone="UTC")
    once = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None, "next_run_time": clock()}

    def tick() -> None:
        _guarded(lambda: routine.tick(database, config, vault, clock()))

    def pull() -> None:
        _guarded(lambda: _pull(database, config, clock()))

    def prune() -> None:
        _guarded(lambda: _prune(database, clock()))

    alarm_clock.add_job(tick, "cron", second="0,15,30,45", **once)
    alarm_clock.add_job(prune, "interval", hours=1, **once)
    if config.sources:
        alarm_clock.add_job(pull, "interval", minutes=config.wire.pull_minutes, **once)
    alarm_clock.start()
    try:
        stop.wait()
    finally:
        alarm_clock.shutdown(wait=True)


def _prune(database: Database, now: datetime) -> None:
    """Forget the sign-ups nobody confirmed, which the ledger remembers, and what readers read long ago."""
    with database.transaction() as session:
        subscribers.prune(session, now)
        subscribers.prune_links(session, now)
        readership.prune(session, now)


def _pull(database: Database, config: Config, now: datetime) -> None:
    for source in config.sources.values():
        try:
            pulled = wire.pull(database, source.url, config.wire, source=source, now=now)
        except NewsletterError as error:
            log.warning("pull %s", error)
        else:
            for one in pulled:
                log.info("pull %s: %s new, %s updated, %s", one.source, one.new, one.updated, one.error or "no error")


def _guarded(step: Callable[[], object]) -> None:
    """Keep the clock ticking whatever one tick meets; the next one tries again."""
    try:
        step()
    except NewsletterError as error:
        log.error("%s", error)  # noqa: TRY400 -- expected, and its one line says it all
    except Exception:
        log.exception("a tick failed")
