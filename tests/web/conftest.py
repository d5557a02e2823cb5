"""One installation per test, on both databases, asked as a browser on its public address would."""

from collections.abc import Iterator
from pathlib import Path

import argon2
import pytest
from starlette.testclient import TestClient

from newsletter.database import Database
from newsletter.desk import accounts
from newsletter.web.app import application
from newsletter.web.pages import Pages
from tests.builders import SITE
from tests.web.house import Clock, House, make_pages


@pytest.fixture(autouse=True)
def _quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same Argon2id with little memory: what it costs is measured in the desk's own tests."""
    monkeypatch.setattr(accounts, "_hasher", argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    accounts._nobody.cache_clear()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pages(database: Database, tmp_path: Path, clock: Clock) -> Iterator[Pages]:
    one = make_pages(database, tmp_path / "home", clock)
    yield one
    one.joinings.drain()


@pytest.fixture
def client(pages: Pages) -> TestClient:
    return TestClient(application(pages), base_url=SITE, client=("192.0.2.7", 50000))


@pytest.fixture
def house(pages: Pages, client: TestClient, clock: Clock) -> House:
    return House(pages=pages, client=client, clock=clock)
