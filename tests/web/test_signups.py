"""Sign-ups under attack, row by row (S1 to S15): nobody is buried in letters, and nobody learns who reads."""

import ast
import random
import re
import statistics
import threading
import time
from collections import Counter
from datetime import timedelta
from math import erfc, sqrt
from pathlib import Path

import pytest

import subscribers
from newsletter.delivery import erasure, signups
from newsletter.delivery.erasure import Wish
from newsletter.web import proof_of_work
from subscribers import Address, Evidence, Pending, SuppressionReason
from tests.web.house import ON_SQLITE, House, hidden
from tests.web.posts import asked, call, caller, count, letters, limited, proof

ROOT = Path(__file__).parents[2]
STATES = ("new", "pending", "active", "unsubscribed", "bounced", "complained", "suppressed", "erased", "refused")


def _masked(text: str) -> str:
    return re.sub(r'name="ticket" value="[^"]+"', "", text)


def _in_every_state(house: House) -> None:
    """Somebody at each address of `STATES`, but for the new one."""
    for state in STATES[2:5]:
        token = house.subscribe(f"{state}@reader.test")
        if state == "unsubscribed":
            house.client.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"})
    for state, reason in (
        ("bounced", SuppressionReason.BOUNCED),
        ("complained", SuppressionReason.COMPLAINED),
        ("suppressed", SuppressionReason.DESK),
    ):
        with house.database.transaction() as session:
            who = Address.parse(f"{state}@reader.test")
            subscribers.suppress(session, house.pages.keys, who, reason, "test", house.clock.now)
    house.subscribe("erased@reader.test")
    wish = Wish(address=Address.parse("erased@reader.test"), evidence=Evidence(method="test"))
    assert erasure.erase(house.database, house.pages.keys, house.pages.config, wish, house.clock.now).subjects
    house.client.post("/signup", data=house.form("refused@reader.test"))
    assert "Cancelled" in house.press(f"/refuse/{house.confirm_token()}").text
    house.client.post("/signup", data=house.form("pending@reader.test"))
    house.settle()


def test_s1_a_thousand_posts_for_one_address_by_every_way_are_one_letter(house: House) -> None:
    clients = [caller(house.pages, f"198.51.100.{n}") for n in range(20)]
    answers: set[str] = set()
    for n in range(100):
        client = clients[n % 20]
        answers.add(_masked(client.post("/signup", data=house.form("victim@reader.test")).text))
        assert call(house, "victim@reader.test", client).status_code == 202
        embedded = client.post("/signup", data={"address": "victim@reader.test"})
        assert embedded.status_code == 409  # a form of another site first shows ours
    desk = asked(house, "victim@reader.test", "desk")
    house.settle()
    for _ in range(700):
        with house.database.transaction() as session:
            signups.sign_up(session, house.pages.keys, house.pages.config, desk, house.clock.now)
    assert len(answers) == 1
    assert letters(house) == 1


@ON_SQLITE
def test_s1_ten_thousand_requests_are_one_letter_for_each_mailbox(house: House) -> None:
    mailboxes = [f"reader{n}@bombed{n % 7}.test" for n in range(40)]
    for n in range(100):
        house.client.post("/signup", data=house.form(mailboxes[n % 40]))
        call(house, mailboxes[(n * 7) % 40])
    house.settle()
    for n in range(0, 9_800, 200):
        with house.database.transaction() as session:
            for m in range(n, n + 200):
                one = asked(house, mailboxes[m % 40], "desk")
                signups.sign_up(session, house.pages.keys, house.pages.config, one, house.clock.now)
    with house.database.snapshot() as session:
        found = [subscribers.requester(session, house.pages.keys, one, house.clock.now) for one in house.requests()]
    to = Counter(one.address for one in found if isinstance(one, subscribers.Requester))
    assert set(to) == set(mailboxes)
    assert set(to.values()) == {1}


@ON_SQLITE
def test_s2_every_spelling_of_one_mailbox_counts_together(house: House) -> None:
    for n in range(100):
        spelled = f"v.i.c.t.i.m+{n}@gmail.com" if n % 2 else f"victim+{n}@googlemail.com"
        house.client.post("/signup", data=house.form(spelled))
    assert letters(house) == 1


def test_s2_a_mailbox_gets_three_letters_in_thirty_days(house: House) -> None:
    for _ in range(10):
        house.client.post("/signup", data=house.form("victim@reader.test"))
        house.settle()
        house.clock.now += timedelta(days=1)
    assert letters(house) == 3
    house.clock.now += timedelta(days=21)
    house.client.post("/signup", data=house.form("victim@reader.test"))
    assert letters(house) == 4


@pytest.mark.parametrize(
    ("hosts", "allowed"),
    [
        (["192.0.2.7"], 5),
        ([f"192.0.2.{n}" for n in range(20)], 30),
        ([f"2001:db8:1:1::{n}" for n in range(1, 20)], 5),
        ([f"2001:db8:1:{n}::1" for n in range(1, 20)], 30),
    ],
    ids=["one IPv4 address", "a /24", "a /64", "a /48"],
)
@ON_SQLITE
def test_s3_a_network_is_limited_and_told_so_alike_for_every_address(
    house: House, hosts: list[str], allowed: int
) -> None:
    pages = limited(house, posts_per_hour=5, posts_per_day=20, network_posts_per_hour=30, unproved_posts_per_hour=100)
    clients = [caller(pages, host) for host in hosts]
    answers = [
        clients[n % len(hosts)].post("/signup", data=house.form(f"reader{n}@domain{n}.test"))
        for n in range(allowed + 10)
    ]
    pages.joinings.drain()
    assert [one.status_code for one in answers] == [200] * allowed + [429] * 10
    assert len({one.content for one in answers[allowed:]}) == 1
    assert clients[0].post("/signup", data={"address": "nonsense"}).status_code == 429
    stranger = caller(pages, "203.0.113.9")
    assert stranger.post("/signup", data=house.form("other@reader.test")).status_code == 200
    house.clock.now += timedelta(hours=1)
    assert clients[0].post("/signup", data=house.form("later@reader.test")).status_code == 200
    pages.joinings.drain()


@ON_SQLITE
def test_s3_without_proof_of_work_once_an_hour_and_a_day_has_twenty(house: House) -> None:
    pages = limited(house, posts_per_hour=5, posts_per_day=20, unproved_posts_per_hour=1)
    client = caller(pages, "192.0.2.7")
    codes = [client.post("/signup", data=house.form("a@reader.test")).status_code for _ in range(2)]
    assert codes == [200, 429]
    proved = 0
    for _ in range(8):
        house.clock.now += timedelta(hours=1)
        for _ in range(5):
            proved += client.post("/signup", data=house.form("a@reader.test", altcha=proof(house))).status_code == 200
    assert proved == 19
    pages.joinings.drain()


@ON_SQLITE
def test_s3_limits_outlive_a_restart_and_name_no_network(house: House) -> None:
    for _ in range(2):
        pages = limited(house, unproved_posts_per_hour=1)
        codes = caller(pages, "192.0.2.7").post("/signup", data=house.form("a@reader.test")).status_code
        pages.joinings.drain()
    assert codes == 429
    assert "192.0.2" not in str(house.rows())


@ON_SQLITE
def test_s3_one_domain_is_limited_in_silence_and_a_provider_less_so(house: House) -> None:
    pages = limited(house, letters_per_domain=10, letters_per_provider=100, letters_per_hour=1_000)
    client = caller(pages, "192.0.2.7")
    for n in range(30):
        assert client.post("/signup", data=house.form(f"reader{n}@small.test")).status_code == 200
        assert client.post("/signup", data=house.form(f"reader{n}@gmail.com")).status_code == 200
    pages.joinings.drain()
    assert letters(house) == 40


@ON_SQLITE
def test_s4_what_a_caller_says_of_where_it_is_counts_nothing(house: House) -> None:
    client = caller(limited(house, posts_per_hour=2), "192.0.2.7")
    codes = [
        client.post(
            "/signup", data={"address": "x"}, headers={"X-Forwarded-For": f"203.0.{n}.1", "Forwarded": f"for=1.1.1.{n}"}
        ).status_code
        for n in range(4)
    ]
    assert codes == [409, 409, 429, 429]


@ON_SQLITE
def test_s5_what_a_stranger_typed_is_in_no_letter(house: House) -> None:
    house.client.post("/signup", data=house.form(name="Win €500 http://evil.example", newsletter="world-brief"))
    assert letters(house) == 1
    assert "evil" not in str(house.rows())


@ON_SQLITE
def test_s6_who_gives_itself_away_is_answered_as_everybody_and_counted(house: House) -> None:
    good = house.form("good@reader.test")
    answers = [
        house.client.post("/signup", data=good),
        house.client.post("/signup", data=good | {"address": "again@reader.test"}),
        house.client.post("/signup", data=house.form("filled@reader.test", weekday_tea="https://spam.test")),
        house.client.post(
            "/signup",
            data=house.form("quick@reader.test", stamp=hidden(house.client.get("/").text, "stamp")),
        ),
    ]
    assert {one.status_code for one in answers} == {200}
    assert len({_masked(one.text) for one in answers}) == 1
    assert len({str(one.headers) for one in answers}) == 1
    assert letters(house) == 1
    assert house.trapped() == 3


@ON_SQLITE
def test_s6_a_form_left_open_overnight_or_of_another_site_is_shown_again(house: House) -> None:
    form = house.form()
    house.clock.now += timedelta(hours=24)
    for data in (form, house.form(stamp=""), house.form(stamp="forged"), house.form(stamp="ü" * 44)):
        answer = house.client.post("/signup", data=data)
        assert answer.status_code == 409
        assert 'value="ana@reader.test"' in answer.text
    assert letters(house) == 0


@ON_SQLITE
def test_s7_a_proof_is_needed_genuine_fresh_and_good_for_once(house: House) -> None:
    used, expired = proof(house), proof(house)
    assert call(house, "a@reader.test", altcha=used).status_code == 202
    house.settle()
    second_worker = caller(limited(house), "192.0.2.9")
    for client in (house.client, second_worker):
        call(house, "replayed@reader.test", client, altcha=used)
    assert call(house, "missing@reader.test", altcha="").status_code == 422
    for forged in ("x", "e30=", "bnVsbA==", "W10=", "A" * 5_000, used[:-8] + "AAAAAAA="):
        call(house, "forged@reader.test", altcha=forged)
    house.clock.now += timedelta(hours=1, seconds=1)
    call(house, "expired@reader.test", altcha=expired)
    assert letters(house) == 1
    form = house.form("form@reader.test", altcha=used)
    assert house.client.post("/signup", data=form).status_code == 200
    assert letters(house) == 1


@ON_SQLITE
def test_s8_a_check_that_breaks_lets_nobody_in(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = proof(house)

    def broken(*_: object) -> str:
        raise RuntimeError("no entropy, no memory, no luck")

    monkeypatch.setattr(proof_of_work, "verify", broken)
    assert call(house, "a@reader.test", altcha=sent).status_code == 202
    assert letters(house) == 0
    assert house.trapped() == 1


def test_s9_every_address_gets_the_same_answer(house: House) -> None:
    _in_every_state(house)
    form = house.form()
    stamps = [hidden(house.client.get("/").text, "stamp") for _ in STATES]
    house.clock.now += timedelta(seconds=5)
    answers = [
        house.client.post("/signup", data=form | {"address": f"{state}@reader.test", "stamp": stamp})
        for state, stamp in zip(STATES, stamps, strict=True)
    ]
    assert {one.status_code for one in answers} == {200}
    assert len({_masked(one.text) for one in answers}) == 1
    assert len({len(one.content) for one in answers}) == 1
    assert len({str(one.headers) for one in answers}) == 1
    assert "set-cookie" not in answers[0].headers
    called = [call(house, f"{state}@reader.test") for state in STATES]
    assert len({(one.status_code, one.content, str(one.headers)) for one in called}) == 1


def _unlike(a: list[float], b: list[float]) -> float:
    """The two-sided p-value of Mann and Whitney's test, by its normal approximation."""
    ranked = sorted((value, side) for side, values in enumerate((a, b)) for value in values)
    ranks = sum(rank for rank, (_, side) in enumerate(ranked, 1) if side == 0)
    n, m = len(a), len(b)
    u = ranks - n * (n + 1) / 2
    return erfc(abs(u - n * m / 2) / sqrt(n * m * (n + m + 1) / 12) / sqrt(2))


def _timed(house: House, runs: int) -> dict[str, list[float]]:
    form = house.form()
    order = [(state, n) for state in STATES for n in range(runs)]
    random.Random(8).shuffle(order)
    house.clock.now -= timedelta(seconds=5)
    stamps = [hidden(house.client.get("/").text, "stamp") for _ in order]
    house.clock.now += timedelta(seconds=5)
    found: dict[str, list[float]] = {state: [] for state in STATES}
    unique = time.monotonic_ns()
    for (state, n), stamp in zip(order, stamps, strict=True):
        address = f"{state}{unique + n if state == 'new' else ''}@reader.test"
        data = form | {"address": address, "stamp": stamp}
        started = time.perf_counter()
        assert house.client.post("/signup", data=data).status_code == 200
        found[state].append(time.perf_counter() - started)
    house.settle()
    return found


@ON_SQLITE
def test_s9_the_time_of_an_answer_tells_nothing_either(house: House) -> None:
    _in_every_state(house)
    least = 0.0
    for _ in range(2):  # One in a hundred honest runs looks unlike; two in a row are a finding.
        found = _timed(house, 200)
        least = min(_unlike(found["new"], found[state]) for state in STATES[1:])
        if least > 0.01 / len(STATES):
            return
    told = {state: round(statistics.median(times) * 1e3, 2) for state, times in found.items()}
    raise AssertionError(f"p = {least:.2g}; medians in ms: {told}")


def test_s9_the_test_itself_finds_a_difference() -> None:
    chance = random.Random(1)
    a, b = ([chance.gauss(1 + shift, 0.2) for _ in range(200)] for shift in (0, 0.1))
    assert _unlike(a, b) < 0.001
    assert _unlike(a[::2], a[1::2]) > 0.01


@ON_SQLITE
@pytest.mark.parametrize(
    "address",
    [
        "a@x.org\r\nBcc: v@y",
        "a%0a@x.org",
        "a\0@x.org",
        "a\u202e@x.org",
        "a\u200b@x.org",
        "a" * 65 + "@x.org",
        "a@" + "b" * 255 + ".org",
        "a@b",
        '"a b"@x.org',
        "a@[127.0.0.1]",
    ],
)
def test_s10_what_is_no_address_is_refused_by_every_way_in(house: House, address: str) -> None:
    assert house.client.post("/signup", data=house.form(address)).status_code == 422
    assert call(house, address).status_code == 422
    assert count(house, "signup_request") == 0


@ON_SQLITE
def test_s11_one_mailbox_in_four_spellings_is_one_subject(house: House) -> None:
    for spelled in ("uwe@exämple.de", "uwe@xn--exmple-cua.de", "UWE@EXÄMPLE.DE", "uwe@Exämple.de"):
        assert house.client.post("/signup", data=house.form(spelled)).status_code == 200
    assert letters(house) == 1


def test_s12_posts_at_the_same_moment_make_one_request_and_one_letter(house: House) -> None:
    requests = [asked(house, "a@reader.test")]
    gate = threading.Barrier(4)

    def post() -> None:
        gate.wait()
        with house.database.transaction() as session:
            signups.sign_up(session, house.pages.keys, house.pages.config, requests[0], house.clock.now)

    threads = [threading.Thread(target=post) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (count(house, "signup_request"), letters(house)) == (1, 1)


@ON_SQLITE
def test_s13_words_that_are_not_shown_now_are_no_consent(house: House) -> None:
    assert house.client.post("/signup", data=house.form(wording="0" * 64)).status_code == 409
    assert call(house, "a@reader.test", wording="0" * 64).status_code == 409
    assert count(house, "signup_request") == 0


@ON_SQLITE
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"address": ["a@x.org"]}',
        b'{"address": 1}',
        b'{"address": {}}',
        b"\xff",
        b"[" * 50_000,
        b'{"address": "a@x.org", "address": "b@x.org"}',
        b'{"address": "' + b"a" * 10_000_000 + b'"}',
    ],
    ids=["nothing", "array", "null", "list", "number", "object", "no UTF-8", "deep", "twice", "10 MB"],
)
def test_s14_json_of_another_shape_is_refused(house: House, body: bytes) -> None:
    answer = house.client.post("/api/signup", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {413, 422}
    assert count(house, "signup_request") == 0


def test_s15_nobody_else_brings_back_who_left(house: House) -> None:
    token = house.subscribe()
    house.client.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"})
    house.clock.now += timedelta(days=2)
    house.client.post("/signup", data=house.form())
    assert call(house, "ana@reader.test").status_code == 202
    house.settle()
    assert house.readers() == 0


# One way in


def test_nothing_but_one_function_makes_requests() -> None:
    callers = set()
    for package in ("newsletter", "subscribers"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                called = node.func if isinstance(node, ast.Call) else None
                if isinstance(called, ast.Attribute) and called.attr in {"sign_up", "keep"}:
                    callers.add((file.relative_to(ROOT).as_posix(), ast.unparse(called)))
    assert {one for one in callers if one[1].endswith(".sign_up")} == {
        ("newsletter/delivery/signups.py", "subscribers.sign_up"),
        ("newsletter/web/pages.py", "signups.sign_up"),
        ("newsletter/cli/people.py", "signups.sign_up"),
    }
    assert {one for one in callers if one[1] == "requests.keep"} == {("subscribers/opt_in.py", "requests.keep")}


# The breaker


def _surge(house: House, first: int, last: int) -> list[Pending]:
    made = []
    for n in range(first, last):
        with house.database.transaction() as session:
            one = asked(house, f"r{n}@d{n}.test")
            answer = signups.sign_up(session, house.pages.keys, house.pages.config, one, house.clock.now)
        assert isinstance(answer, Pending)
        made.append(answer)
    return made


def test_a_surge_is_held_told_once_and_let_go_by_a_person(house: House) -> None:
    assert not any(one.held for one in _surge(house, 0, 60))
    cost = house.client.get("/signup/challenge").json()["maxnumber"]
    assert all(one.held for one in _surge(house, 60, 64))
    assert letters(house) == 60
    assert cost == 400  # Twice the 200 of the configuration: the surge began with the sixtieth letter.
    keys, config, database = house.pages.keys, house.pages.config, house.database
    [line] = signups.warning(database, keys, config, house.clock.now)
    assert "60 confirmation letters" in line or "64 confirmation letters" in line
    assert "4 letters are held" in line
    assert signups.warning(database, keys, config, house.clock.now) == []
    with database.transaction() as session:
        assert signups.release(session, config, house.clock.now) == 4
    assert letters(house) == 64
    house.clock.now += timedelta(hours=1)
    assert not _surge(house, 70, 71)[0].held
    assert house.client.get("/signup/challenge").json()["maxnumber"] == 200


def test_held_letters_that_are_dropped_are_never_sent(house: House) -> None:
    _surge(house, 0, 63)
    with house.database.transaction() as session:
        assert subscribers.drop_held(session) == 3
        assert signups.release(session, house.pages.config, house.clock.now) == 0
    assert letters(house) == 60


def test_what_is_usual_for_a_large_house_is_no_surge(house: House) -> None:
    start = house.clock.now
    with house.database.transaction() as session:
        for hour in range(1, 14 * 24 + 1):
            for n in range(20):
                at = start - timedelta(hours=hour, minutes=n)
                subscribers.limits.keep_letter(session, house.pages.keys, Address.parse(f"r{n}@d.test"), at)
    assert not any(one.held for one in _surge(house, 0, 100))
    assert _surge(house, 100, 101)[0].held


def test_when_hardly_anybody_confirms_letters_are_held_until_a_person_decides(house: House) -> None:
    for hour in range(5):
        _surge(house, hour * 40, hour * 40 + 40)
        house.clock.now += timedelta(hours=1, seconds=1)
    assert _surge(house, 300, 301)[0].held
    with house.database.transaction() as session:
        signups.release(session, house.pages.config, house.clock.now)
    assert not _surge(house, 301, 302)[0].held
