"""The values of a TOML table as the frozen dataclasses of `newsletter.config`, each checked against its type.

An unknown key is an error that names the nearest known one.
"""

import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final, Literal

from newsletter.errors import ConfigError


class Text(str):
    """A value told by the environment, to be read as whatever its setting wants."""

    __slots__ = ()


def section(cls: type[Any], table: object, file: Path, where: str, hidden: tuple[str, ...] = ("key",)) -> object:
    if not isinstance(table, Mapping):
        raise ConfigError(file, where, "must be a table")
    hints = typing.get_type_hints(cls)
    known = {f.name: f for f in fields(cls) if f.name not in hidden}
    values: dict[str, object] = {}
    for key, value in table.items():
        name = f"{where}.{key}" if where else key
        if key not in known:
            raise ConfigError(file, name, f"unknown key{nearest(key, known)}")
        values[key] = _value(hints[key], value, file, name)
    missing = [n for n, f in known.items() if n not in values and f.default is MISSING and f.default_factory is MISSING]
    if missing:
        raise ConfigError(file, f"{where}.{missing[0]}" if where else missing[0], "missing")
    return cls(**values)


def nearest(word: str, known: Iterable[str]) -> str:
    """What was probably meant, as the end of a sentence; empty when nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.4)
    return f"; did you mean `{near[0]}`?" if near else ""


def _value(kind: Any, value: object, file: Path, where: str) -> object:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if is_dataclass(kind):
        return section(typing.cast("type[Any]", kind), value, file, where)
    if origin in {Mapping, typing.get_origin(Mapping[str, str])}:
        if not isinstance(value, Mapping):
            raise ConfigError(file, where, "must be a table")
        return {key: _value(arguments[1], one, file, f"{where}.{key}") for key, one in value.items()}
    if origin is tuple:
        if isinstance(value, Text):
            value = [Text(word.strip()) for word in value.split(",") if word.strip()]
        if not isinstance(value, list):
            raise ConfigError(file, where, "must be a list")
        return tuple(_value(arguments[0], one, file, f"{where}[{n}]") for n, one in enumerate(value))
    if origin in {types.UnionType, typing.Union}:
        return _value(arguments[0], value, file, where)
    if origin is Literal:
        if value not in arguments:
            raise ConfigError(file, where, f"{value!r} is not one of {', '.join(map(str, arguments))}")
        return str(value)
    return _scalar(kind, value, file, where)


def _scalar(kind: Any, value: object, file: Path, where: str) -> object:
    try:
        if isinstance(value, Text):
            if kind is bool:
                return {"true": True, "false": False, "1": True, "0": False}[value.lower()]
            if kind in {int, float}:
                return kind(value)
            value = str(value)
        if kind in {time, date, datetime} and isinstance(value, str):
            return kind.fromisoformat(value)
    except (ValueError, KeyError) as error:
        raise ConfigError(file, where, f"{value!r} is no {_WORDS[kind]}") from error
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ConfigError(file, where, f"{value!r} is no {_WORDS[kind]}")
    return value


_WORDS: Final = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    time: 'time of day such as "05:30"',
    datetime: 'moment such as "2026-12-01T06:00:00Z"',
    date: 'date such as "2026-12-24"',
}
