"""The alarm clock: APScheduler wakes the routine, from memory. What is due and what is done is decided elsewhere."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from apscheduler.schedulers.background import BackgroundScheduler

from newsletter.config import Config
from newsletter.database import Database
from newsletter.errors import NewsletterError
from newsletter.scheduling import routine
from newsletter.scheduling.retention import Retention
from newsletter.stories import wire
from newsletter.vault import Vault

log = logging.getLogger("world_brief.scheduler")


def run(database: Database, config: Config, vault: Vault, clock: Callable[[], datetime], stop: threading.Event) -> None:
    """Tick four times a minute, pull the configured sources and clean once a day, until told to stop.

    Slots stand at whole minutes, so a tick at second 0 is punctual; the others catch sleep, clock jumps and restarts.
    """
    alarm_clock = BackgroundScheduler(timezone="UTC")
    once = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None, "next_run_time": clock()}

    def tick() -> None:
        _guarded(lambda: routine.tick(database, config, vault, clock()))

    def pull() -> None:
        _guarded(lambda: _pull(database, config, clock()))

    cleaning = Retention(database=database, config=config, vault=vault, stop=stop)

    def clean() -> None:
        _guarded(lambda: cleaning.warn(clock()))
        _guarded(lambda: log.info("cleaned: %s", cleaning.run(clock())))

    alarm_clock.add_job(tick, "cron", second="0,15,30,45", **once)
    alarm_clock.add_job(clean, "interval", days=1, **once)
    if config.sources:
        alarm_clock.add_job(pull, "interval", minutes=config.wire.pull_minutes, **once)
    alarm_clock.start()
    try:
        stop.wait()
    finally:
        alarm_clock.shutdown(wait=True)


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
