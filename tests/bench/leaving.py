"""One-click posts a second, each on the disk before it is answered, from a load generator in a process of its own.

`python -m tests.bench.leaving PORT` posts for the tokens on standard input and says what it took.
"""

import asyncio
import json
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import uvicorn

import subscribers
from newsletter.database import Database
from newsletter.web.app import application
from newsletter.web.one_click import BODY
from newsletter.web.pages import Pages
from tests.bench.children import ROOT
from tests.bench.engines import Engines, engines, notes
from tests.bench.measure import Cell, Scale, Table, alternated, middle, ratio
from tests.builders import MORNING
from tests.delivery.newsroom import KEYS, NEWSLETTER, VAULT, make_config, subscribe

CONNECTIONS: Final = 200
ROW: Final = "one durable row a time"


def run(scale: Scale) -> Table:
    """10,000 readers leave by their letters' header, over 200 connections that are kept open."""
    count = scale.size(10_000, least=20)
    with engines(scale) as made:
        found = alternated(scale, _runs(made, count), "leaving")
        said = notes(made)
    return Table(
        name="leaving",
        title="Leaving by one click",
        columns=("work", "posts", "posts/s", "ratio"),
        rows=tuple(_row(name, count, rates, found) for name, rates in found.items()),
        notes=(
            "Served and answered after the commit was synced; the posts come from another process over loopback.",
            f"{ROW}: an UPDATE and its synced commit in SQLite, without HTTP, signature or ledger.",
            *said,
        ),
    )


def _row(name: str, count: int, rates: list[float], found: dict[str, list[float]]) -> tuple[Cell, ...]:
    return name, count, int(middle(rates)), "" if name == ROW else f"{ratio(rates, found[ROW]):.2f} of {ROW}"


def _runs(made: Engines, count: int) -> dict[str, Callable[[], float]]:
    runs: dict[str, Callable[[], float]] = {ROW: partial(_rows, count)}
    for name, opened in made.items():
        runs[f"one-click, {name}"] = partial(_leave, opened, count)
    return runs


def _leave(opened: Callable[[], Database], count: int) -> float:
    database = opened()
    subscribe(database, count, MORNING)
    with database.snapshot() as session:
        audience = subscribers.audience(session, NEWSLETTER.key, MORNING)
        ids = [row[0] for row in session.connection().execute(audience.eligible)]
        known = subscribers.recipients(session, KEYS, ids, NEWSLETTER.key, MORNING)
        tokens = [one.token for one in known.values() if isinstance(one, subscribers.Recipient)]
    pages = Pages(config=make_config(), database=database, vault=VAULT, clock=lambda: MORNING)
    with _served(pages) as port:
        seconds = _posted(port, tokens)
    with database.snapshot() as session:
        left = subscribers.audience(session, NEWSLETTER.key, MORNING)
    assert left.candidates == sum(left.excluded.values())
    database.close()
    return count / seconds


@contextmanager
def _served(pages: Pages) -> Iterator[int]:
    config = uvicorn.Config(application(pages), port=0, log_level="error", ws="none", lifespan="off", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def _posted(port: int, tokens: Sequence[str]) -> float:
    """Seconds until every post is answered, as the process that posted them measured it."""
    command = [sys.executable, "-m", "tests.bench.leaving", str(port)]
    posts = json.dumps(list(tokens)).encode()
    answer = subprocess.run(
        command, cwd=ROOT, input=posts, check=True, stdout=subprocess.PIPE, start_new_session=True
    ).stdout
    seconds, refused = json.loads(answer)
    assert refused == 0
    return float(seconds)


async def _post_all(port: int, tokens: list[str]) -> tuple[float, int]:
    lanes = [tokens[n::CONNECTIONS] for n in range(min(CONNECTIONS, len(tokens)))]
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in lanes]
    for _, writer in opened:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    started = time.perf_counter()
    refused = await asyncio.gather(*(_lane(*each, mine) for each, mine in zip(opened, lanes, strict=True)))
    return time.perf_counter() - started, sum(refused)


async def _lane(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tokens: list[str]) -> int:
    refused = 0
    for token in tokens:
        head = (
            f"POST /u/{token} HTTP/1.1\r\nHost: worldbrief.test\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(BODY)}\r\n\r\n"
        )
        writer.write(head.encode() + BODY)
        answer = await reader.readuntil(b"\r\n\r\n")
        refused += not answer.startswith(b"HTTP/1.1 200 ")
        await reader.readexactly(int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
    writer.close()
    return refused


def _rows(count: int) -> float:
    few = max(count // 20, 1)
    with tempfile.TemporaryDirectory(prefix="world-brief-bench-") as folder:
        with closing(sqlite3.connect(Path(folder) / "rows.db", isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("CREATE TABLE reader (id INTEGER PRIMARY KEY, state TEXT)")
            connection.executemany("INSERT INTO reader VALUES (?, 'active')", [(n,) for n in range(few)])
            started = time.perf_counter()
            for n in range(few):
                connection.execute("UPDATE reader SET state = 'ended' WHERE id = ?", (n,))
            return few / (time.perf_counter() - started)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_post_all(int(sys.argv[1]), json.load(sys.stdin)))))
