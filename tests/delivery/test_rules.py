"""Rules are data, checked when they are loaded: one that could run away, or that nobody understands, is refused."""

import time
from typing import Final

import pytest

from newsletter.delivery import rules
from newsletter.delivery.outcome import Fault, Phase
from newsletter.delivery.rules import Rule, RuleError
from newsletter.delivery.texts import Diagnosis

GOOD: Final = 'version = "1"\n[[rule]]\nid = "a"\nfault = "relay"\nreason = "x"\ntext = ["y"]\n'
ALL: Final = [
    rule
    for group in (rules.shipped().texts, rules.shipped().vague, rules.shipped().statuses, rules.shipped().replies)
    for rule in group
]
ADVERSE: Final = [
    *(
        word * 4_000
        for word in ("a", " ", "user ", "mailbox is ", "(@)", "550 ", "the message ", "host not ", "'", "domain ")
    ),
    "account " + "is temporarily " * 2_000,
    "recipient " * 1_000 + "not " * 1_000,
]


def test_the_shipped_rules_are_versioned_and_only_the_dead_are_hard() -> None:
    assert rules.shipped().version
    assert rules.shipped() is rules.shipped()
    assert all(rule.fault is Fault.RECIPIENT_DEAD for rule in ALL if rule.hard)


@pytest.mark.parametrize("rule", [rule for rule in ALL if rule.text], ids=lambda rule: rule.id)
def test_no_pattern_runs_away(rule: Rule) -> None:
    """A runaway takes minutes here; the bound is far above what a slow machine needs."""
    assert rule.text
    started = time.process_time()
    for text in ADVERSE:
        rule.text.search(text)
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (("reason", "raeson"), "raeson"),
        (('fault = "relay"', 'fault = "nobody"'), "fault"),
        (('["y"]', '["(a+)+"]'), "text"),
        (('["y"]', '[".*"]'), "text"),
        (('["y"]', '["a{1,}"]'), "text"),
        (('["y"]', '["a{0,5000}"]'), "text"),
        (('["y"]', '["(?:a{0,9}){0,9}"]'), "text"),
        (('["y"]', '["("]'), "text"),
        (('["y"]', '["User"]'), "text"),
        (('["y"]', '"y"'), "text"),
        (('["y"]', '["y"]\nhard = "yes"'), "hard"),
        (('["y"]', '["y"]\nhard = true'), "hard"),
        (('["y"]', '["y"]\nreply = ["550"]'), "reply"),
        (('["y"]', '["y"]\nphase = ["nowhere"]'), "phase"),
        (('version = "1"', 'vresion = "1"'), "vresion"),
        (("[[rule]]", "[[rule"), "syntax"),
        (('id = "a"\n', ""), "id"),
    ],
)
def test_a_wrong_rule_is_refused_by_name(change: tuple[str, str], key: str) -> None:
    with pytest.raises(RuleError, match=key):
        rules.load(GOOD.replace(*change))


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(RuleError, match="twice"):
        rules.load(GOOD + GOOD.partition("\n")[2])


def test_the_first_rule_that_fits_decides_and_every_condition_must_hold() -> None:
    rule = rules.load(GOOD + 'status = ["1.1"]\nreply = [550]\nphase = ["rcpt"]\n').texts[0]
    said = Diagnosis(text="a y", code=550, enhanced="5.1.1")
    assert rules.first([rule], said, Phase.RCPT) is rule
    assert rules.first([rule], said, Phase.DATA) is None
    assert rules.first([rule], Diagnosis(text="a y", code=551, enhanced="5.1.1"), Phase.RCPT) is None
    assert rules.first([rule], Diagnosis(text="a no", code=550, enhanced="5.1.1"), Phase.RCPT) is None
