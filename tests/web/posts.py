"""What programs post: solved puzzles, JSON sign-ups, and how many letters came of all that."""

import base64
import hashlib
import json
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from starlette.testclient import TestClient

from newsletter.delivery import signups
from newsletter.web import consents
from newsletter.web.app import application
from newsletter.web.pages import Pages
from subscribers import Address
from tests.builders import SITE
from tests.web.house import House


def solve(challenge: dict[str, Any]) -> str:
    """The proof a client would send."""
    for number in range(challenge["maxnumber"] + 1):
        if hashlib.sha256(f"{challenge['salt']}{number}".encode()).hexdigest() == challenge["challenge"]:
            told = {name: challenge[name] for name in ("algorithm", "challenge", "salt", "signature")}
            return base64.b64encode(json.dumps(told | {"number": number}).encode()).decode()
    raise AssertionError("no number solves it")


def proof(house: House) -> str:
    return solve(house.client.get("/signup/challenge").json())


def call(house: House, address: str, client: TestClient | None = None, **changes: str) -> Any:
    """A sign-up by the JSON API."""
    told = {"address": address, "wording": house.form()["wording"], "altcha": proof(house)}
    return (client or house.client).post("/api/signup", json=told | changes)


def caller(pages: Pages, host: str) -> TestClient:
    """A browser at another address."""
    return TestClient(application(pages), base_url=SITE, client=(host, 1))


def limited(house: House, **signup: Any) -> Pages:
    """The same house with other limits."""
    config = replace(house.pages.config, signup=replace(house.pages.config.signup, **signup))
    return replace(house.pages, config=config)


def letters(house: House) -> int:
    """How many confirmation letters were ever queued."""
    return len(house.requests())


def count(house: House, table: str) -> int:
    house.settle()
    with house.database.snapshot() as session:
        return int(session.connection().execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one())


def asked(house: House, address: str, source: str = "form") -> signups.Request:
    """A sign-up as it comes to the one way in."""
    publisher = house.pages.config.site.publisher
    wording = consents.shown(house.paper, publisher, house.paper.language).text
    return signups.Request(
        newsletter=house.paper,
        address=Address.parse(address),
        wording=wording,
        language=house.paper.language,
        source=source,
        method="asked",
    )
