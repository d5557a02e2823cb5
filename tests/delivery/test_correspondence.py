"""Alerts: every address of the configuration gets one, signed as letters are, and unsigned rather than not at all."""

import logging
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from newsletter.config import Alerts, Config
from newsletter.delivery import correspondence, keyfiles
from newsletter.postbox import Postbox
from newsletter.signing import Dkim
from tests.delivery import oracle
from tests.delivery.newsroom import VAULT, make_config

NIGHT_DESK = "night.editor@worldbrief.test"


def alerting(postbox: Postbox, home: Path) -> Config:
    config = replace(make_config(postbox.port), home=home, dkim=Dkim(selector="wb1"))
    return replace(config, alerts=Alerts(mail_to=("no address", NIGHT_DESK)))


def test_an_alert_is_signed_and_reaches_whoever_can_be_written_to(
    postbox: Postbox, now: datetime, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = keyfiles.create(tmp_path, "wb1")
    correspondence.alert(["World Brief is not approved"], alerting(postbox, tmp_path), VAULT, now)
    [arrived] = postbox.messages
    assert arrived.rcpt_to == (NIGHT_DESK,)
    assert b"is not approved" in arrived.data
    assert oracle.verdicts(arrived.data, oracle.published([key], "worldbrief.test"), now) == [True]
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == [
        "alerts.mail_to[0] cannot be written to: address: the part before the @ cannot be sent to"
    ]


def test_an_alert_takes_the_first_relay_that_takes_us(postbox: Postbox, now: datetime, tmp_path: Path) -> None:
    keyfiles.create(tmp_path, "wb1")
    config = alerting(postbox, tmp_path)
    relays = {
        "spare": replace(config.relay, priority=1, headers={"X-Way": "spare"}),
        "dead": replace(config.relay, port=1),
        "google": replace(config.relay, providers=("google",), headers={"X-Way": "google"}),
    }
    correspondence.alert(["World Brief is not approved"], replace(config, relays=relays), VAULT, now)
    [arrived] = postbox.messages
    assert b"X-Way: spare" in arrived.data


def test_an_alert_leaves_unsigned_when_the_key_is_what_is_wrong(
    postbox: Postbox, now: datetime, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    correspondence.alert(["Nothing can be sent"], alerting(postbox, tmp_path), VAULT, now)
    [arrived] = postbox.messages
    assert b"DKIM-Signature" not in arrived.data
    assert "leaves unsigned" in caplog.text
