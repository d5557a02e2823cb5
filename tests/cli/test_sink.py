"""`worldbrief postbox` as an editor and a developer start it: a relay with a page, that misbehaves as it is told."""

import asyncio
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from newsletter.delivery.outcome import Replied
from newsletter.delivery.relay import Relay
from newsletter.relays import RelaySettings
from tests.cli.conftest import ROOT, Run
from tests.delivery.submitting import letter, nothing


@contextmanager
def started(folder: Path, *options: str) -> Iterator[tuple[int, int, str, subprocess.Popen[str]]]:
    """The ports of mail and page, all that was said at the start, and the process."""
    command = [
        sys.executable,
        "-m",
        "newsletter",
        "postbox",
        "--port",
        "0",
        "--page-port",
        "0",
        "--folder",
        str(folder),
    ]
    with subprocess.Popen([*command, *options], cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        try:
            while "Ctrl-C" not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            mail, shown = (int(number) for number in re.findall(r"127\.0\.0\.1:(\d+)", said)[:2])
            yield mail, shown, said, process
        finally:
            process.kill()


async def submit(settings: RelaySettings, secret: str, count: int) -> list[int]:
    connection = await Relay(settings, secret).connect()
    codes = []
    for _ in range(count):
        result = await connection.submit(letter(), nothing)
        assert isinstance(result, Replied)
        codes.append(result.reply.code)
    await connection.close()
    return codes


def test_what_it_takes_is_on_its_page_and_in_its_folder(tmp_path: Path) -> None:
    with started(tmp_path / "letters") as (mail, shown, said, process):
        assert "--seed" not in said
        assert asyncio.run(submit(RelaySettings(port=mail), "", 2)) == [250, 250]
        with urllib.request.urlopen(f"http://127.0.0.1:{shown}/", timeout=10) as answer:
            assert "2 letters" in answer.read().decode()
        assert len(list((tmp_path / "letters").glob("*.eml"))) == 2
        process.send_signal(signal.SIGINT)
        _, last = process.communicate(timeout=20)
    assert (process.returncode, last.strip()) == (0, "2 letters")


def test_it_offers_tls_to_who_pins_it_and_insists_on_a_login(tmp_path: Path) -> None:
    with started(tmp_path, "--tls", "implicit", "--auth", "desk:secret") as (mail, _shown, said, _process):
        [pin] = re.findall(r"[0-9a-f]{64}", said)
        settings = RelaySettings(port=mail, tls="implicit", pinned_certificates=(pin,), username="desk")
        assert asyncio.run(submit(settings, "secret", 1)) == [250]


def test_it_misbehaves_by_dial_and_again_with_the_same_seed(tmp_path: Path) -> None:
    runs = []
    for _ in range(2):
        with started(tmp_path, "--fault", "rcpt=550@0.5", "--fault", "dot=451@0.2", "--seed", "11") as (
            mail,
            _shown,
            said,
            _process,
        ):
            assert "--seed 11" in said
            runs.append(asyncio.run(submit(RelaySettings(port=mail), "", 30)))
    assert runs[0] == runs[1]
    assert set(runs[0]) == {250, 451, 550}


@pytest.mark.parametrize(
    "options", [("--fault", "lunch=421"), ("--auth", "nobody"), ("--tls", "maybe"), ("--seed", "x")]
)
def test_a_wrong_use_is_said(run: Run, options: tuple[str, str]) -> None:
    ran = run("postbox", *options)
    assert ran.code == 2
    assert options[0] in ran.err


def test_a_port_in_use_is_one_line(run: Run, tmp_path: Path) -> None:
    with started(tmp_path) as (mail, _shown, _said, _process):
        ran = run("postbox", "--port", str(mail), "--folder", tmp_path / "other")
    assert ran.code == 1
    assert ran.err.startswith("worldbrief: the postbox cannot be opened")
    assert len(ran.err.splitlines()) == 1
