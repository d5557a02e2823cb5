"""Whatever anybody does in whatever order: nobody who left is written to again but by a fresh word of their own."""

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

import subscribers
from newsletter.database import Database
from subscribers import Address, Evidence, IllegalChange, ImportJob, NotSubscribed, Pending, SuppressionReason, Taking
from subscribers.states import BY_THE_DESK
from subscribers.tokens import Purpose
from tests.subscribers.people import CLICK, KEYS, WORDING, leave_token, state, wanted

NEWSLETTER = "world-brief"
NAMES = st.sampled_from(["anna@example.org", "ben@example.org", "eve@example.org"])
REASONS = st.sampled_from(SuppressionReason)
DAY = timedelta(days=1)
HEADER = "email,consent_at,consent_source,consent_wording,consent_method\n"
PROOF = ",2024-05-01T10:00:00Z,old shop,Yes please,checkbox\n"


@dataclass
class Reader:
    """What a bystander would say of one person: where they stand, and what the desk or they themselves forbade."""

    place: str = "none"
    paused_until: datetime | None = None
    barred: set[SuppressionReason] = field(default_factory=set)
    brought_by: int = 0

    def runs(self, now: datetime) -> bool:
        return self.place == "in" and not (self.paused_until and self.paused_until > now)

    def leaves(self) -> None:
        self.brought_by = 0
        if self.place != "none":
            self.place = "out"

    def is_in(self, brought_by: int = 0) -> None:
        self.place, self.paused_until, self.brought_by = "in", None, brought_by


class _CrashError(Exception):
    """The process dies before it commits."""


class Walk(RuleBasedStateMachine):
    """One database, three people, and everything that can happen to them."""

    def __init__(self, database: Database, now: datetime) -> None:
        super().__init__()
        self.database, self.now = database, now
        self.readers: dict[str, Reader] = {}
        self.letters: list[tuple[str, str]] = []

    def reader(self, name: str) -> Reader:
        return self.readers.setdefault(name, Reader())

    @rule(name=NAMES)
    def sign_up(self, name: str) -> None:
        with self.database.transaction() as session:
            answer = subscribers.sign_up(session, KEYS, wanted(name, letters_per_day=9), self.now)
            if not isinstance(answer, Pending):
                return
            letter = subscribers.requester(session, KEYS, answer.request_id, self.now)
        assert isinstance(letter, subscribers.Requester)
        assert not self.reader(name).barred & BY_THE_DESK
        self.reader(name).brought_by = 0
        self.letters.append((name, letter.token))

    @precondition(lambda self: self.letters)
    @rule(which=st.integers(0), crash=st.booleans())
    def confirm(self, which: int, *, crash: bool) -> None:
        """Click the link of any letter that ever came."""
        name, token = self.letters[which % len(self.letters)]
        with suppress(subscribers.InvalidToken, subscribers.ExpiredToken, _CrashError):
            with self.database.transaction() as session:
                done = subscribers.confirm(session, KEYS, token, self.now, CLICK)
                if crash:
                    raise _CrashError
            assert not self.reader(name).barred & BY_THE_DESK
            if not done.already:
                self.reader(name).barred.clear()
                self.reader(name).is_in()

    @rule(name=NAMES, days=st.integers(1, 60))
    def pause(self, name: str, days: int) -> None:
        if state(self.database, name) == "none":
            return
        token, until = leave_token(self.database, name), self.now + days * DAY
        if self.reader(name).place != "in":
            with pytest.raises(NotSubscribed), self.database.transaction() as session:
                subscribers.pause(session, KEYS, token, until, self.now)
            return
        with self.database.transaction() as session:
            subscribers.pause(session, KEYS, token, until, self.now)
        self.reader(name).paused_until, self.reader(name).brought_by = until, 0

    @rule(name=NAMES)
    def resume(self, name: str) -> None:
        if self.reader(name).place == "in":
            with self.database.transaction() as session:
                subscribers.resume(session, KEYS, leave_token(self.database, name), self.now)
            if self.reader(name).paused_until:
                self.reader(name).paused_until, self.reader(name).brought_by = None, 0

    @rule(name=NAMES, method=st.sampled_from(["RFC 8058 POST", "unsubscribe button"]), crash=st.booleans())
    def leave(self, name: str, method: str, *, crash: bool) -> None:
        if state(self.database, name) == "none":
            return
        with suppress(_CrashError):
            token = leave_token(self.database, name)
            with self.database.transaction() as session:
                subscribers.unsubscribe(session, KEYS, token, self.now, method)
                if crash:
                    raise _CrashError
            self.reader(name).leaves()

    @rule(name=NAMES)
    def leave_by_phone(self, name: str) -> None:
        with self.database.transaction() as session:
            asked = Evidence(method="desk", by="ed", reason="phoned")
            subscribers.unsubscribe_address(session, KEYS, Address.parse(name), None, asked, self.now)
        self.reader(name).leaves()

    @rule(name=NAMES, reason=REASONS, crash=st.booleans())
    def suppress(self, name: str, reason: SuppressionReason, *, crash: bool) -> None:
        """Complain, bounce, object, or be suppressed by the desk or a court."""
        with suppress(_CrashError):
            with self.database.transaction() as session:
                subscribers.suppress(session, KEYS, Address.parse(name), reason, "test", self.now)
                if crash:
                    raise _CrashError
            self.reader(name).leaves()
            self.reader(name).barred.add(reason)

    @rule(name=NAMES, second=st.sampled_from(["ana", "ben"]))
    def unsuppress(self, name: str, second: str) -> None:
        evidence = Evidence(method="desk", by="ana", second=second, reason="a mistake")
        with suppress(IllegalChange):
            with self.database.transaction() as session:
                lifted = subscribers.unsuppress(session, KEYS, Address.parse(name), evidence, self.now)
            assert second == "ben"
            self.reader(name).barred -= BY_THE_DESK
            if lifted:
                self.reader(name).brought_by = 0

    @rule(names=st.lists(NAMES, min_size=1, unique=True), proved=st.booleans(), undone=st.booleans())
    def bring(self, names: list[str], *, proved: bool, undone: bool) -> None:
        """Import some people, and perhaps take that back at once."""
        data = HEADER + "".join(f"{one}{PROOF if proved else ',,,,' + chr(10)}" for one in names)
        job = ImportJob(file="f.csv", newsletter=NEWSLETTER, by="ed", now=self.now, wordings=(WORDING,))
        done = subscribers.import_csv(self.database.transaction, KEYS, io.BytesIO(data.encode()), job)
        for name in names:
            mine = self.reader(name)
            if mine.barred:
                continue
            if proved and mine.place in {"none", "unknown", "undone"}:
                mine.is_in(done.batch)
            elif not proved and mine.place == "none":
                mine.place, mine.brought_by = "unknown", done.batch
        if undone and done.batch:
            subscribers.undo(self.database.transaction, KEYS, Taking(batch=done.batch, by="ed"), self.now)
            for mine in self.readers.values():
                if mine.brought_by == done.batch:
                    mine.place, mine.brought_by = "undone", 0

    @rule(days=st.sampled_from([1, 3, 31, 200]))
    def time_passes(self, days: int) -> None:
        self.now += days * DAY
        with self.database.transaction() as session:
            subscribers.prune(session, self.now)

    @invariant()
    def exactly_those_who_may_be_written_to_are(self) -> None:
        with self.database.snapshot() as session:
            found = subscribers.audience(session, NEWSLETTER, self.now)
            ids = list(session.connection().execute(found.eligible).scalars())
            letters = subscribers.recipients(session, KEYS, ids, NEWSLETTER, self.now).values()
        written_to = {one.address for one in letters if isinstance(one, subscribers.Recipient)}
        assert written_to == {name for name, mine in self.readers.items() if mine.runs(self.now)}
        assert len(written_to) == len(ids)
        # No consent is lacking but where a file brought none.
        unknown = sum(mine.place == "unknown" and not mine.barred for mine in self.readers.values())
        assert found.excluded.get("no consent", 0) == unknown

    @invariant()
    def the_books_agree(self) -> None:
        with self.database.snapshot() as session:
            verdict = subscribers.verify(session, KEYS)
        assert verdict.ok, verdict.broken

    @invariant()
    def a_token_leads_out_of_every_subscription(self) -> None:
        for name, mine in self.readers.items():
            if mine.place != "none":
                assert KEYS.read_token(Purpose.LEAVE, leave_token(self.database, name))

    def teardown(self) -> None:
        self.database.close()


def test_opt_out_is_final_on_every_walk(fresh: Callable[[], Database], now: datetime) -> None:
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]
    few = settings(max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=checks)
    run_state_machine_as_test(cast("type[Walk]", lambda: Walk(fresh(), now)), settings=few)
