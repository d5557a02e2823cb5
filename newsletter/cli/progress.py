"""A progress bar on standard error, and a Ctrl-C that lets finish what is in flight."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from newsletter.cli.house import console


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int | None], None]]:
    """Yield `advance(done, total)`; a total of None is not known yet."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def stopping(stop: threading.Event) -> Iterator[None]:
    """Set `stop` at SIGINT and SIGTERM, and put the handlers back afterwards."""
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
