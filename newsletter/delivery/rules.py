"""The rules by which a refusal is judged, as data: rules.toml beside this file, loaded and checked once. Pure.

Texts are read first, since providers misuse codes, then enhanced codes (RFC 3463), then reply codes; within each the
first rule that fits decides. Patterns are bounded by law: a pattern that could run away is refused when it is loaded.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Final

from newsletter.delivery.outcome import Fault, Phase
from newsletter.delivery.texts import Diagnosis
from newsletter.errors import NewsletterError

# A repetition without an end, of more than 99, or of a group that could itself repeat.
_RUNAWAY: Final = re.compile(r"(?<!\\)[*+]|\{\d*,\}|\{\d{0,3},?\d{3,}\}|\)\{")
# What is said before a recipient is named is about us, never about a reader.
_ABOUT_US: Final = frozenset({Phase.CONNECT, Phase.BANNER, Phase.EHLO, Phase.MAIL})
_HEADING: Final = frozenset({"version", "rule"})


class RuleError(NewsletterError, ValueError):
    """A rule cannot be used: an unknown key, a missing one, a pattern that does not compile or could run away."""

    def __init__(self, rule: str, key: str, reason: str) -> None:
        self.rule, self.key, self.reason = rule, key, reason
        super().__init__(f"rule {rule}: {key}: {reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One line of judgement. Every condition that is given must hold; within one, any of its entries suffices.

    `hard` is true when the address itself is dead. `text` is searched for in the cleaned diagnosis, `status` are
    enhanced codes without their class, as in "1.1", `unless_status` what they must not be. A `vague` text, such as
    "service unavailable", is heard only when nothing else that was said means more; a `lasting` one only when no code
    says that it will pass. A `reply` of 0 is no reply code at all.
    """

    id: str
    fault: Fault
    reason: str
    hard: bool = False
    vague: bool = False
    lasting: bool = False
    text: re.Pattern[str] | None = None
    status: tuple[str, ...] = ()
    unless_status: tuple[str, ...] = ()
    reply: tuple[int, ...] = ()
    phase: tuple[Phase, ...] = ()

    def fits(self, said: Diagnosis, phase: Phase) -> bool:
        """Whether every condition of this rule holds for what was said."""
        status = said.enhanced[2:]
        return (
            not (self.hard and phase in _ABOUT_US)
            and not (self.lasting and said.passing)
            and (not self.phase or phase in self.phase)
            and (not self.reply or said.code in self.reply)
            and (not self.status or status in self.status)
            and (not self.unless_status or status not in self.unless_status)
            and (self.text is None or bool(self.text.search(said.text)))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A versioned set of rules, in the order in which they are asked."""

    version: str
    texts: tuple[Rule, ...]
    vague: tuple[Rule, ...]
    statuses: tuple[Rule, ...]
    replies: tuple[Rule, ...]


def load(document: str) -> Rules:
    """The rules of a TOML document. Raises RuleError naming the rule and the key."""
    try:
        data = tomllib.loads(document)
    except tomllib.TOMLDecodeError as error:
        raise RuleError("(file)", "(syntax)", str(error)) from error
    for key in data.keys() - _HEADING:
        raise RuleError("(file)", key, "unknown key")
    rules = [_rule(entry) for entry in data.get("rule", [])]
    names = [rule.id for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise RuleError(name, "id", "given twice")
    return Rules(
        version=str(data.get("version", "")),
        texts=tuple(rule for rule in rules if rule.text and not rule.vague),
        vague=tuple(rule for rule in rules if rule.text and rule.vague),
        statuses=tuple(rule for rule in rules if not rule.text and rule.status),
        replies=tuple(rule for rule in rules if not rule.text and not rule.status),
    )


@cache
def shipped() -> Rules:
    """The rules that come with this version."""
    return load(resources.files("newsletter.delivery").joinpath("rules.toml").read_text("utf-8"))


def first(rules: Iterable[Rule], said: Diagnosis, phase: Phase) -> Rule | None:
    """The first rule that fits."""
    return next((rule for rule in rules if rule.fits(said, phase)), None)


def _rule(entry: Mapping[str, object]) -> Rule:
    name = str(entry.get("id", "(without id)"))
    known = {field.name for field in fields(Rule)}
    for key in entry.keys() - known:
        raise RuleError(name, key, f"unknown key; there are {', '.join(sorted(known))}")
    for key in ("id", "fault", "reason"):
        if not isinstance(entry.get(key), str):
            raise RuleError(name, key, "must be given, as a text")
    hard = _flag(name, entry, "hard")
    try:
        fault = Fault(str(entry["fault"]))
        phases = tuple(Phase(each) for each in _texts(name, entry, "phase"))
    except ValueError as error:
        raise RuleError(name, "fault or phase", str(error)) from error
    if hard and fault is not Fault.RECIPIENT_DEAD:
        raise RuleError(name, "hard", "only where the address itself is dead: fault recipient-dead")
    patterns = _texts(name, entry, "text")
    return Rule(
        id=name,
        fault=fault,
        reason=str(entry["reason"]),
        hard=hard,
        vague=_flag(name, entry, "vague"),
        lasting=_flag(name, entry, "lasting"),
        text=_pattern(name, patterns) if patterns else None,
        status=_texts(name, entry, "status"),
        unless_status=_texts(name, entry, "unless_status"),
        reply=_numbers(name, entry, "reply"),
        phase=phases,
    )


def _pattern(name: str, patterns: Iterable[str]) -> re.Pattern[str]:
    for pattern in patterns:
        if _RUNAWAY.search(pattern):
            raise RuleError(name, "text", f"{pattern!r} could run away; repeat with ? or {{0,99}}, and no group")
        if pattern != pattern.lower():
            raise RuleError(name, "text", f"{pattern!r} can never match: texts are read in lower case")
    try:
        return re.compile("|".join(patterns))
    except re.error as error:
        raise RuleError(name, "text", str(error)) from error


def _flag(name: str, entry: Mapping[str, object], key: str) -> bool:
    value = entry.get(key, False)
    if not isinstance(value, bool):
        raise RuleError(name, key, "must be true or false")
    return value


def _texts(name: str, entry: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = entry.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise RuleError(name, key, "must be a list of texts")
    return tuple(value)


def _numbers(name: str, entry: Mapping[str, object], key: str) -> tuple[int, ...]:
    value = entry.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, int) for each in value):
        raise RuleError(name, key, "must be a list of numbers")
    return tuple(value)
