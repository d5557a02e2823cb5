"""What is hashed is spelled one way, however quickly it is written."""

import hashlib
import json
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from subscribers.instants import to_text
from subscribers.ledger.evidence import Actor, Event, Evidence, Kind, canonical, entry, header, payload

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SLOW = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@given(st.dictionaries(st.sampled_from(["at", "by", "row", "given_at", "salt", "source"]), WORDS | st.integers()))
def test_the_one_spelling_is_that_of_the_json_library(values: dict[str, str | int]) -> None:
    assert canonical(values) == SLOW.encode(values)


@given(st.sampled_from(Kind), st.sampled_from(Actor), st.tuples(WORDS, WORDS, WORDS), st.integers(1))
def test_a_header_is_spelled_so_too(kind: Kind, actor: Actor, words: tuple[str, str, str], seq: int) -> None:
    now = datetime.fromisoformat("2026-11-23T05:00:00Z")
    newsletter, reason, form = words
    event = Event(
        subject=b"\x0f" * 16,
        newsletter=newsletter,
        kind=kind,
        evidence=Evidence(method="m"),
        actor=actor,
        form=form,
        reason=reason,
        refers_to=seq - 1,
    )
    assert header(event, seq, now) == SLOW.encode(
        {
            "v": 2,
            "notice": "",
            "terms": "",
            "seq": seq,
            "subject": "0f" * 16,
            "newsletter": newsletter,
            "purpose": "newsletter",
            "kind": kind.value,
            "actor": actor.value,
            "day": to_text(now)[:10],
            "wording": "",
            "form": form,
            "reason": reason,
            "refers_to": seq - 1,
        }
    )


def test_the_formats_of_ledgers_that_exist_do_not_change() -> None:
    now = datetime.fromisoformat("2026-11-23T05:00:00.5Z")
    supporting = Evidence(method="checkbox", source="shöp", given_at=now, by="ed", file="a.csv", row=7)
    plain = payload(supporting, bytes(32), now)
    assert plain == (
        '{"at":"2026-11-23T05:00:00.500Z","by":"ed","file":"a.csv","given_at":"2026-11-23T05:00:00.500Z",'
        f'"method":"checkbox","row":7,"salt":"{"00" * 32}","source":"shöp"}}'
    )
    length = (32).to_bytes(8, "big")
    hashed = b"wb/entry/v1" + length + b"p" * 32 + (2).to_bytes(8, "big") + b"{}" + length + b"c" * 32
    assert entry(b"p" * 32, b"{}", b"c" * 32) == hashlib.sha256(hashed).digest()
