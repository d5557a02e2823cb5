"""The timetable: every change of clocks, every kind of skipped day, and the moments around a slot."""

import itertools
import zoneinfo
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.config import WEEKDAYS, Newsletter
from newsletter.errors import ConfigError
from newsletter.scheduling import timetable

BRIEF = Newsletter(
    key="world-brief",
    name="World Brief",
    sender_address="brief@worldbrief.test",
    timezone="America/New_York",
    holiday_country="US",
)
MONDAY = date(2026, 11, 23)
THANKSGIVING = date(2026, 11, 26)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_monday_has_its_moments_in_utc() -> None:
    slots = timetable.slot(BRIEF, MONDAY)
    assert slots == timetable.Slots(
        on=MONDAY,
        build_at=at("2026-11-23 09:45"),
        send_at=at("2026-11-23 10:30"),
        not_later_than=at("2026-11-23 14:00"),
        expires_at=at("2026-11-24 06:30"),
    )


@pytest.mark.parametrize(
    ("on", "reason"),
    [
        (date(2026, 11, 28), "Saturday is no publishing day"),
        (THANKSGIVING, "Thanksgiving Day (US)"),
        (date(2026, 11, 24), "skip date"),
        (date(2027, 1, 1), "New Year’s Day (US)"),
        (date(9999, 12, 31), "the timetable knows the years 1971 to 2099"),
        (date(1, 1, 1), "the timetable knows the years 1971 to 2099"),
        (MONDAY, ""),
    ],
)
def test_a_skipped_date_says_why(on: date, reason: str) -> None:
    newsletter = replace(BRIEF, skip_dates=(date(2026, 11, 24),))
    assert timetable.skipped(newsletter, on) == reason
    assert (timetable.slot(newsletter, on) is None) == bool(reason)


def test_an_extra_date_wins_over_weekend_holiday_and_skip_date() -> None:
    sunday = date(2026, 11, 29)
    newsletter = replace(BRIEF, extra_dates=(sunday, THANKSGIVING), skip_dates=(THANKSGIVING,))
    assert timetable.slot(newsletter, sunday)
    assert timetable.slot(newsletter, THANKSGIVING)


def test_a_market_holiday_is_a_holiday_and_names_its_market() -> None:
    good_friday = date(2026, 4, 3)
    assert timetable.skipped(BRIEF, good_friday) == ""
    assert timetable.skipped(replace(BRIEF, holiday_markets=("XNYS",)), good_friday) == "Good Friday (XNYS)"


def test_a_subdivision_has_its_own_holidays() -> None:
    boxing_day = date(2025, 12, 26)
    britain = replace(BRIEF, holiday_country="GB", holiday_subdivision="ENG")
    assert timetable.skipped(britain, boxing_day) == "Boxing Day (GB)"


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"holiday_country": "ZZ"}, "holiday_country"),
        ({"holiday_subdivision": "XX"}, "holiday_subdivision"),
        ({"holiday_markets": ("NOWHERE",)}, "holiday_markets"),
    ],
)
def test_an_unknown_calendar_is_a_plain_error_that_names_the_setting(wrong: dict[str, str], key: str) -> None:
    with pytest.raises(ConfigError, match=rf"newsletters\.world-brief\.{key}: .* not") as caught:
        timetable.slot(replace(BRIEF, **wrong), MONDAY)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_an_observed_holiday_needs_no_second_pair_of_brackets() -> None:
    assert timetable.skipped(replace(BRIEF, holiday_country="GB"), date(2026, 12, 28)) == "Boxing Day, observed (GB)"


def test_holidays_are_named_in_the_newsletters_language_or_in_english() -> None:
    christmas = date(2026, 12, 25)
    germany = replace(BRIEF, holiday_country="DE")
    assert timetable.skipped(replace(germany, language="de-AT"), christmas) == "Erster Weihnachtstag (DE)"
    assert timetable.skipped(replace(germany, language="xx"), christmas) == "Christmas Day (DE)"


def test_the_next_slot_skips_the_holiday_and_the_weekend() -> None:
    assert timetable.next_slot(BRIEF, at("2026-11-25 10:29:59")).on == date(2026, 11, 25)
    assert timetable.next_slot(BRIEF, at("2026-11-25 10:30")).on == date(2026, 11, 27)
    assert timetable.next_slot(BRIEF, at("2026-11-27 10:30")).on == date(2026, 11, 30)


def test_without_any_publishing_day_the_next_slot_is_a_plain_error() -> None:
    with pytest.raises(ConfigError, match=r"newsletters\.world-brief\.days"):
        timetable.next_slot(replace(BRIEF, days=()), at("2026-11-25 10:30"))


def test_a_slot_is_building_from_its_cut_off_and_due_from_its_send_time() -> None:
    seen = {}
    for clock in ("09:44:59", "09:45", "10:29:59", "10:30", "14:00", "14:00:01"):
        now = at(f"2026-11-23 {clock}")
        seen[clock] = [len(timetable.building(BRIEF, now)), len(timetable.due(BRIEF, now))]
    assert seen == {
        "09:44:59": [0, 0],
        "09:45": [1, 0],
        "10:29:59": [1, 0],
        "10:30": [0, 1],
        "14:00": [0, 1],
        "14:00:01": [0, 0],
    }


def test_nothing_is_due_on_a_skipped_day() -> None:
    assert timetable.due(BRIEF, at("2026-11-26 11:00")) == ()
    assert timetable.building(BRIEF, at("2026-11-26 10:00")) == ()


def test_what_has_expired_is_not_due_even_before_its_latest_start() -> None:
    assert timetable.due(replace(BRIEF, expires_after_hours=1), at("2026-11-23 12:00")) == ()


def test_an_edition_expires_when_the_next_one_leaves() -> None:
    slots = timetable.slot(replace(BRIEF, expires_after_hours=100), MONDAY)
    friday = timetable.slot(replace(BRIEF, expires_after_hours=100), date(2026, 11, 27))
    assert slots
    assert friday
    assert slots.expires_at == at("2026-11-24 10:30")
    assert friday.expires_at == at("2026-11-30 10:30")


def test_the_day_before_a_holiday_carries_a_notice() -> None:
    assert timetable.notices(BRIEF, date(2026, 11, 25)) == (
        "World Brief will not appear on Thursday, November 26 (Thanksgiving Day). We are back on Friday, November 27.",
    )
    assert timetable.notices(BRIEF, date(2026, 11, 24)) == ()
    assert timetable.notices(BRIEF, date(2026, 11, 27)) == ()


def test_two_days_are_listed_and_a_long_absence_is_told_by_its_ends() -> None:
    friday = replace(BRIEF, skip_dates=(date(2026, 11, 27),))
    assert timetable.notices(friday, date(2026, 11, 25)) == (
        (
            "World Brief will not appear on Thursday, November 26 (Thanksgiving Day) and Friday, November 27. "
            "We are back on Monday, November 30."
        ),
    )
    weeks = replace(BRIEF, skip_dates=tuple(date(2026, 12, 21) + timedelta(days=n) for n in range(12)))
    assert timetable.notices(weeks, date(2026, 12, 18)) == (
        "World Brief will not appear from Monday, December 21 to Friday, January 1. We are back on Monday, January 4.",
    )


def test_a_notice_needs_no_return_to_be_written() -> None:
    last = replace(BRIEF, days=("mon",), skip_dates=tuple(MONDAY + timedelta(days=7 * n) for n in range(1, 80)))
    assert timetable.notices(last, MONDAY)[0].startswith("World Brief will not appear from Monday, November 30 to")
    assert "back" not in timetable.notices(last, MONDAY)[0]


def test_a_wall_time_in_the_gap_moves_forward_by_the_gap() -> None:
    spring = date(2026, 3, 8)
    early = replace(BRIEF, days=WEEKDAYS, build_at=time(2, 15), send_at=time(2, 30), not_later_than=time(2, 45))
    slots = timetable.slot(early, spring)
    assert slots
    assert slots.send_at == at("2026-03-08 07:30")
    assert slots.send_at.astimezone(ZoneInfo("America/New_York")).time() == time(3, 30)


def test_a_wall_time_that_comes_twice_is_its_first() -> None:
    autumn = date(2026, 11, 1)
    early = replace(BRIEF, days=WEEKDAYS, build_at=time(1, 0), send_at=time(1, 30), not_later_than=time(1, 45))
    slots = timetable.slot(early, autumn)
    assert slots
    assert slots.send_at == at("2026-11-01 05:30")
    assert timetable.due(early, at("2026-11-01 06:30")) == ()


def test_a_cut_off_in_the_gap_does_not_come_after_the_slot() -> None:
    newsletter = replace(BRIEF, days=WEEKDAYS, build_at=time(2, 30), send_at=time(3, 10), not_later_than=time(3, 20))
    slots = timetable.slot(newsletter, date(2026, 3, 8))
    assert slots
    assert slots.build_at <= slots.send_at <= slots.not_later_than


def transitions(zone: ZoneInfo) -> tuple[date, ...]:
    """The local dates, 2024 to 2035, on which the zone's offset changes."""
    found = []
    here, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
    # No zone keeps an offset for less than three weeks (Morocco's Ramadan is the shortest).
    step = timedelta(days=20)
    while here < end:
        low, high = here, here + step
        if low.astimezone(zone).utcoffset() != high.astimezone(zone).utcoffset():
            while high - low > timedelta(minutes=1):
                middle = low + (high - low) / 2
                changed = middle.astimezone(zone).utcoffset() != low.astimezone(zone).utcoffset()
                low, high = (low, middle) if changed else (middle, high)
            found.append(high.astimezone(zone).date())
        here += step
    return tuple(found)


def distinct_zones() -> dict[tuple[tuple[date, ...], timedelta | None], str]:
    """One zone for each behaviour: most of the six hundred names are another's alias."""
    zones: dict[tuple[tuple[date, ...], timedelta | None], str] = {}
    for name in sorted(zoneinfo.available_timezones()):
        zone = ZoneInfo(name)
        zones.setdefault((transitions(zone), datetime(2026, 1, 1, tzinfo=zone).utcoffset()), name)
    return zones


def test_at_every_change_of_clocks_2024_to_2035_each_date_has_one_slot_and_time_goes_forward() -> None:
    clocks = (time(0, 0), time(0, 30), time(1, 30), time(2, 0), time(2, 30), time(3, 0), time(23, 45))
    checked = 0
    for (days, _), name in distinct_zones().items():
        for changed in days:
            skip = changed + timedelta(days=2)
            for clock in clocks:
                newsletter = replace(
                    BRIEF,
                    timezone=name,
                    days=WEEKDAYS,
                    build_at=clock,
                    send_at=clock,
                    not_later_than=clock,
                    holiday_country="",
                    skip_dates=(skip,),
                )
                dates = [changed + timedelta(days=n) for n in range(-1, 4)]
                slots = [timetable.slot(newsletter, one) for one in dates]
                assert [one.on for one in slots if one] == [one for one in dates if one != skip]
                sent = [one.send_at for one in slots if one]
                assert all(a < b for a, b in itertools.pairwise(sent)), (name, changed, clock)
                assert all(one.build_at <= one.send_at <= one.not_later_than for one in slots if one)
                assert all(one.send_at < one.expires_at for one in slots if one)
                checked += 1
    assert checked > 4_000


@settings(max_examples=60, deadline=None)
@given(
    zone=st.sampled_from(
        ["America/New_York", "Europe/London", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Tokyo"]
    ),
    start=st.dates(date(2024, 1, 1), date(2035, 12, 1)),
    days=st.sets(st.sampled_from(WEEKDAYS), min_size=1),
    minute=st.integers(0, 1439),
)
def test_walking_from_slot_to_slot_meets_every_due_date_once(
    zone: str, start: date, days: set[str], minute: int
) -> None:
    clock = time(minute // 60, minute % 60)
    ordered = tuple(one for one in WEEKDAYS if one in days)
    newsletter = replace(
        BRIEF, timezone=zone, days=ordered, build_at=clock, send_at=clock, not_later_than=clock, holiday_country=""
    )
    now = datetime.combine(start, time(0), tzinfo=ZoneInfo(zone)).astimezone(UTC) - timedelta(hours=2)
    met = []
    for _ in range(10):
        slots = timetable.next_slot(newsletter, now)
        assert slots.send_at > now
        assert slots in timetable.due(newsletter, slots.send_at)
        met.append(slots.on)
        now = slots.send_at
    span = [met[0] + timedelta(days=n) for n in range((met[-1] - met[0]).days + 1)]
    assert met == [one for one in span if WEEKDAYS[one.weekday()] in days]
