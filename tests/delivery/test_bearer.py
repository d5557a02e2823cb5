"""Tokens from a command, from a file, and from a real token endpoint over https on loopback."""

import asyncio
import http.server
import json
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from newsletter.delivery.bearer import Bearer, NoToken
from newsletter.relays import RelaySettings
from tests.delivery import certificates

pytestmark = pytest.mark.anyio


@dataclass
class Endpoint:
    """A token endpoint that answers as told, and what it was asked."""

    url: str = ""
    status: int = 200
    answer: object = field(default_factory=lambda: {"access_token": "granted", "expires_in": 3600})
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def endpoint(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """It shows a certificate that this process trusts for the time of the test."""
    one = Endpoint()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            one.asked.append({name: values[0] for name, values in parse_qs(text).items()})
            body = one.answer if isinstance(one.answer, bytes) else json.dumps(one.answer).encode()
            self.send_response(one.status)
            for name, value in one.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = certificates.served(certificate).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    one.url = f"https://127.0.0.1:{server.server_address[1]}/token?tenant=brief"
    yield one
    server.shutdown()
    server.server_close()
    thread.join()


def private(folder: Path, text: str) -> Path:
    file = folder / "token"
    file.write_text(text)
    file.chmod(0o600)
    return file


def command(script: str) -> Bearer:
    return Bearer(RelaySettings(token_command=(sys.executable, "-c", script)), "")


async def test_a_command_says_the_token() -> None:
    assert await command("print(' spoken ')").token() == "spoken"


@pytest.mark.parametrize(
    ("script", "says", "permanent"),
    [
        ("import sys; sys.exit('no\\nnetwork \\x1b[31mhere')", "left with 1: no network [31mhere", False),
        ("print('')", "what should be a token is none", True),
        ("print('two words')", "what should be a token is none", True),
        ("print('a\\x01auth=Bearer b')", "what should be a token is none", True),
    ],
)
async def test_a_command_that_fails_is_named_with_its_words(script: str, says: str, permanent: bool) -> None:
    with pytest.raises(NoToken) as caught:
        await command(script).token()
    assert says in str(caught.value)
    assert caught.value.permanent == permanent


async def test_a_command_that_is_none_is_named() -> None:
    with pytest.raises(NoToken, match="/nowhere/at-all: No such file") as caught:
        await Bearer(RelaySettings(token_command=("/nowhere/at-all",)), "").token()
    assert caught.value.permanent


async def test_a_command_that_says_nothing_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.delivery.bearer._PATIENCE_SECONDS", 0.2)
    with pytest.raises(NoToken, match="gave no token"):
        await command("import time; time.sleep(60)").token()


async def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = private(tmp_path, "kept\n")
    assert await Bearer(RelaySettings(token_file=str(file)), "").token() == "kept"
    file.chmod(0o644)
    with pytest.raises(NoToken, match="chmod 600") as caught:
        await Bearer(RelaySettings(token_file=str(file)), "").token()
    assert caught.value.permanent


async def test_a_refresh_token_is_granted_an_access_token(endpoint: Endpoint, tmp_path: Path) -> None:
    file = private(tmp_path, "refresh\n")
    settings = RelaySettings(
        token_url=endpoint.url, token_file=str(file), token_client="brief", token_scope="smtp send"
    )
    assert await Bearer(settings, "client-secret").token() == "granted"
    assert endpoint.asked == [
        {
            "grant_type": "refresh_token",
            "refresh_token": "refresh",
            "client_id": "brief",
            "client_secret": "client-secret",
            "scope": "smtp send",
        }
    ]
    assert file.read_text() == "refresh\n"


async def test_a_client_of_its_own_is_granted_one_for_its_secret(endpoint: Endpoint) -> None:
    assert await Bearer(RelaySettings(token_url=endpoint.url, token_client="brief"), "secret").token() == "granted"
    assert endpoint.asked == [{"grant_type": "client_credentials", "client_id": "brief", "client_secret": "secret"}]


async def test_a_new_refresh_token_is_kept_privately_in_place_of_the_old_one(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    endpoint.answer = {"access_token": "granted", "refresh_token": "next", "expires_in": 3600}
    file = private(tmp_path, "refresh")
    await Bearer(RelaySettings(token_url=endpoint.url, token_file=str(file)), "").token()
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("next\n", 0o600)
    assert os.listdir(tmp_path) == ["token"]  # noqa: PTH208


async def test_a_token_is_asked_for_once_until_shortly_before_its_end(endpoint: Endpoint) -> None:
    bearer = Bearer(RelaySettings(token_url=endpoint.url), "secret")
    assert set(await asyncio.gather(*(bearer.token() for _ in range(8)))) == {"granted"}
    assert len(endpoint.asked) == 1
    endpoint.answer = {"access_token": "short", "expires_in": 59}
    bearer.forget("granted")
    assert bearer.known == ""
    assert [await bearer.token(), await bearer.token()] == ["short", "short"]
    assert len(endpoint.asked) == 3


async def test_a_newer_token_is_not_forgotten_for_an_older_one(endpoint: Endpoint) -> None:
    bearer = Bearer(RelaySettings(token_url=endpoint.url), "secret")
    await bearer.token()
    bearer.forget("an older one")
    assert bearer.known == "granted"


@pytest.mark.parametrize(
    ("status", "answer", "says", "permanent"),
    [
        (400, {"error": "no", "error_description": "expired\r\nyesterday"}, "400 no expired yesterday", True),
        (401, b"<html>", "grants no token: 401", True),
        (429, {"error": "slow_down"}, "429 slow_down", False),
        (503, b"", "503", False),
        (200, b"not JSON", "what should be a token is none", True),
        (200, ["a", "list"], "what should be a token is none", True),
        (200, {"access_token": 7}, "what should be a token is none", True),
    ],
)  # fmt: skip
async def test_a_refused_grant_says_why(
    endpoint: Endpoint, status: int, answer: object, says: str, permanent: bool
) -> None:
    endpoint.status, endpoint.answer = status, answer
    bearer = Bearer(RelaySettings(token_url=endpoint.url), "secret")
    with pytest.raises(NoToken) as caught:
        await bearer.token()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.permanent == permanent


async def test_the_secrets_are_not_carried_elsewhere(endpoint: Endpoint) -> None:
    endpoint.status, endpoint.headers = 307, {"Location": endpoint.url}
    with pytest.raises(NoToken, match="307"):
        await Bearer(RelaySettings(token_url=endpoint.url), "secret").token()
    assert len(endpoint.asked) == 1


async def test_an_endpoint_that_is_not_trusted_is_told_nothing(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(NoToken, match="certificate is not trusted") as caught:
        await Bearer(RelaySettings(token_url=endpoint.url), "secret").token()
    assert caught.value.permanent
    assert endpoint.asked == []


async def test_an_endpoint_that_is_away_is_asked_again_later() -> None:
    with pytest.raises(NoToken, match=r"127\.0\.0\.1: Connection refused") as caught:
        await Bearer(RelaySettings(token_url="https://127.0.0.1:1/token"), "secret").token()
    assert not caught.value.permanent
