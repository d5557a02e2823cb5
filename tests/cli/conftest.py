"""Running the command line as a person does, but in this process: arguments in, exit code, output and errors out."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from newsletter.cli import commands
from newsletter.postbox import Postbox, running

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def answers(self) -> list[dict[str, Any]]:
        """The JSON objects on standard output, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run `worldbrief` with these arguments against an empty home and the default configuration."""
    monkeypatch.setenv("WORLD_BRIEF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WORLD_BRIEF_CONFIG", str(ROOT / "config.toml"))
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: str | Path) -> Ran:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["worldbrief", *map(str, arguments)])
        code = 0
        try:
            commands.main()
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else int(left.code is not None)
        said = capfd.readouterr()
        return Ran(code, said.out, said.err)

    return command


@pytest.fixture
def postbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Postbox]:
    """A relay that keeps everything, and that the environment names as ours."""
    with running(Postbox(folder=tmp_path / "letters", keep=False)) as box:
        monkeypatch.setenv("WORLD_BRIEF_RELAY__HOST", "127.0.0.1")
        monkeypatch.setenv("WORLD_BRIEF_RELAY__PORT", str(box.port))
        yield box
