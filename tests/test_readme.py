"""The README is true: every command, setting, error and word is in it, and what it tells to type can be typed."""

import dataclasses
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import subscribers
from newsletter import config, errors
from newsletter.cli import commands
from newsletter.delivery.outcome import DeliveryState
from newsletter.editions.workflow import State

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
COMMAND = typer.main.get_command(commands.app)


def _inner(command: Any) -> dict[str, Any]:
    """The commands of a group; none for a command."""
    return getattr(command, "commands", {})


def _commands(command: Any, path: str) -> Iterator[str]:
    for name, inner in _inner(command).items():
        yield from _commands(inner, f"{path} {name}")
    if not _inner(command):
        yield path


def _settings(kind: type, where: str) -> Iterator[str]:
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        inner = hints[field.name]
        arguments = [one for one in typing.get_args(inner) if dataclasses.is_dataclass(one)]
        if dataclasses.is_dataclass(inner):
            yield from _settings(typing.cast("type", inner), field.name)
        elif arguments:
            yield from _settings(typing.cast("type", arguments[0]), field.name)
        elif field.name not in {"path", "home", "key"}:
            yield f"{where}.{field.name}"


def _errors(root: type[Exception]) -> Iterator[str]:
    """Every error of a tree, wherever its leaves are kept."""
    for kind in root.__subclasses__():
        yield kind.__name__
        yield from _errors(kind)


@pytest.mark.parametrize("command", sorted(_commands(COMMAND, "worldbrief")))
def test_every_command_is_named(command: str) -> None:
    assert f"`{command}" in README


@pytest.mark.parametrize("setting", sorted(set(_settings(config.Config, ""))))
def test_every_setting_is_named(setting: str) -> None:
    assert f"`{setting.rpartition('.')[2]}`" in README


@pytest.mark.parametrize("error", sorted({*_errors(errors.NewsletterError), *_errors(subscribers.SubscribersError)}))
def test_every_error_is_named(error: str) -> None:
    assert f"`{error}`" in README


@pytest.mark.parametrize("state", [*DeliveryState, *State])
def test_every_state_is_named(state: str) -> None:
    assert f"`{state}`" in README


@pytest.mark.parametrize("variable", ["CONFIG", "HOME", "DATABASE_URL", "SECRET", "RELAY_PASSWORD"])
def test_every_variable_is_named(variable: str) -> None:
    assert f"`WORLD_BRIEF_{variable}`" in README


def _examples() -> list[str]:
    lines = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
    return [line.partition("#")[0].strip() for line in lines if line.startswith(("worldbrief", "make"))]


@pytest.mark.parametrize("line", _examples())
def test_what_the_readme_tells_to_type_can_be_typed(line: str) -> None:
    program, *words = line.split()
    if program == "make":
        assert re.search(rf"^{words[0]}:.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        return
    command: Any = COMMAND
    while _inner(command):
        command = _inner(command)[words.pop(0)]
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_the_pictures_and_files_the_readme_shows_are_there() -> None:
    for path in re.findall(r'src="(?!https:)([^"]+)"', README):
        assert (ROOT / path).is_file(), path


def test_the_promises_are_those_of_the_design() -> None:
    assert len(re.findall(r"^\d\. \*\*", README, re.MULTILINE)) == 8
