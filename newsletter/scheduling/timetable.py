"""When each newsletter appears: zones, daylight saving, weekdays, holidays, cut-off, slot and expiry. Pure.

A slot belongs to a local date, so there is one a date by construction, whatever the clocks do: a wall time skipped in
spring moves forward by the gap, one that comes twice in autumn is its first. What leaves this file is in UTC.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from newsletter.config import WEEKDAYS, Newsletter
from newsletter.editions import wording
from newsletter.errors import ConfigError

# How far ahead a publishing day is looked for, and the years the holiday calendars know something of.
HORIZON_DAYS: Final = 400
# A longer absence is told by its first and last day.
LISTED_DAYS: Final = 3
FIRST_YEAR: Final = 1971
LAST_YEAR: Final = 2099


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """The moments of one date, in UTC: draft due, letters leave, no start after, nothing leaves after."""

    on: date
    build_at: datetime
    send_at: datetime
    not_later_than: datetime
    expires_at: datetime


def skipped(newsletter: Newsletter, on: date) -> str:
    """Why there is no edition on that date, or "" when there is one. An extra date wins over everything."""
    if not FIRST_YEAR <= on.year <= LAST_YEAR:
        return f"the timetable knows the years {FIRST_YEAR} to {LAST_YEAR}"
    if on in newsletter.extra_dates:
        return ""
    if WEEKDAYS[on.weekday()] not in newsletter.days:
        return f"{wording.ENGLISH.weekdays[on.weekday()]} is no publishing day"
    name, calendar = _holiday(newsletter, on)
    if name:
        return f"{name} ({calendar})"
    return "skip date" if on in newsletter.skip_dates else ""


def slot(newsletter: Newsletter, on: date) -> Slots | None:
    """The moments of a date, or None when it is skipped.

    An edition expires after its hours, or when the next one leaves if that is earlier.
    """
    if skipped(newsletter, on):
        return None
    send_at = _moment(newsletter, on, newsletter.send_at)
    # Only a gap can put a wall time behind a later one: 02:30 becomes 03:30, and 03:10 stays.
    build_at = min(send_at, _moment(newsletter, on, newsletter.build_at))
    not_later_than = max(send_at, _moment(newsletter, on, newsletter.not_later_than))
    expires_at = send_at + timedelta(hours=newsletter.expires_after_hours)
    following = _following_before(newsletter, on, expires_at)
    return Slots(
        on=on,
        build_at=build_at,
        send_at=send_at,
        not_later_than=not_later_than,
        expires_at=following or expires_at,
    )


def next_slot(newsletter: Newsletter, now: datetime) -> Slots:
    """The first slot whose send time is after `now`; raises ConfigError when the settings leave no publishing day."""
    for on in _days_from(_local(newsletter, now) - timedelta(days=1), HORIZON_DAYS):
        found = slot(newsletter, on)
        if found and found.send_at > now:
            return found
    raise ConfigError(
        "config.toml", f"newsletters.{newsletter.key}.days", f"leave no publishing day after {_local(newsletter, now)}"
    )


def building(newsletter: Newsletter, now: datetime) -> tuple[Slots, ...]:
    """The slots whose draft is due and whose send time has not come."""
    return tuple(one for one in _around(newsletter, now) if one.build_at <= now < one.send_at)


def due(newsletter: Newsletter, now: datetime) -> tuple[Slots, ...]:
    """The slots whose send time has come, and which may still go out by themselves."""
    return tuple(
        one for one in _around(newsletter, now) if one.send_at <= now <= one.not_later_than and now < one.expires_at
    )


def missed(newsletter: Newsletter, now: datetime) -> tuple[Slots, ...]:
    """The slots nothing may start by itself any more, but that a person may still send."""
    return tuple(one for one in _around(newsletter, now) if one.not_later_than < now < one.expires_at)


def notices(newsletter: Newsletter, on: date) -> tuple[str, ...]:
    """What the edition of a date announces: the regular days without an edition up to the next one, and the return."""
    missed: list[date] = []
    back: date | None = None
    for following in _days_from(on + timedelta(days=1), HORIZON_DAYS):
        if not skipped(newsletter, following):
            back = following
            break
        if WEEKDAYS[following.weekday()] in newsletter.days:
            missed.append(following)
    if not missed:
        return ()
    words = wording.locale(newsletter.language)
    if len(missed) > LISTED_DAYS:
        first, last = (wording.day(one, newsletter.language) for one in (missed[0], missed[-1]))
        text = wording.fill(words.away, name=newsletter.name, first=first, last=last)
    else:
        days = wording.joined([_named(newsletter, one) for one in missed], newsletter.language)
        text = wording.fill(words.absent, name=newsletter.name, days=days)
    return (text + (wording.fill(words.back, day=wording.day(back, newsletter.language)) if back else ""),)


def _named(newsletter: Newsletter, on: date) -> str:
    name, _ = _holiday(newsletter, on)
    day = wording.day(on, newsletter.language)
    return f"{day} ({name})" if name else day


def _moment(newsletter: Newsletter, on: date, at: time) -> datetime:
    return datetime.combine(on, at.replace(fold=0), tzinfo=ZoneInfo(newsletter.timezone)).astimezone(UTC)


def _local(newsletter: Newsletter, now: datetime) -> date:
    return now.astimezone(ZoneInfo(newsletter.timezone)).date()


def _days_from(first: date, count: int) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range(count))


def _around(newsletter: Newsletter, now: datetime) -> Iterator[Slots]:
    """The slots of yesterday, today and tomorrow: a wall time near midnight may be moved into another day."""
    found = (slot(newsletter, on) for on in _days_from(_local(newsletter, now) - timedelta(days=1), 3))
    return (one for one in found if one)


def _following_before(newsletter: Newsletter, on: date, limit: datetime) -> datetime | None:
    """The next send time if it comes before `limit`."""
    for following in _days_from(on + timedelta(days=1), HORIZON_DAYS):
        send_at = _moment(newsletter, following, newsletter.send_at)
        if send_at >= limit:
            return None
        if not skipped(newsletter, following):
            return send_at
    return None


def _holiday(newsletter: Newsletter, on: date) -> tuple[str, str]:
    """The holiday's name and the code of its calendar, or two empty texts."""
    for setting, code, subdivision in _calendars(newsletter):
        try:
            found = _holidays(setting, code, subdivision, on.year, wording.primary(newsletter.language))
        except NotImplementedError as error:
            key = f"newsletters.{newsletter.key}.{'holiday_subdivision' if 'subdivision' in str(error) else setting}"
            raise ConfigError("config.toml", key, str(error).replace("`", "")) from error
        if on in found:
            return found[on], code
    return "", ""


def _calendars(newsletter: Newsletter) -> Iterator[tuple[str, str, str]]:
    if newsletter.holiday_country:
        yield "holiday_country", newsletter.holiday_country, newsletter.holiday_subdivision
    for market in newsletter.holiday_markets:
        yield "holiday_markets", market, ""


@lru_cache(maxsize=256)
def _holidays(setting: str, code: str, subdivision: str, year: int, language: str) -> Mapping[date, str]:
    """One calendar's holidays in a year, named in the newsletter's language where the calendar knows it."""
    import holidays  # noqa: PLC0415 -- a tenth of a second nobody without holidays should pay

    if setting == "holiday_markets":
        plain = holidays.financial_holidays(code, years=year)
    else:
        plain = holidays.country_holidays(code, subdiv=subdivision or None)
        # Without a language the names would be in that of this process's environment.
        spoken = {wording.primary(one): one for one in reversed(plain.supported_languages)}
        chosen = spoken.get(language, spoken.get("en", plain.default_language))
        plain = holidays.country_holidays(code, subdiv=subdivision or None, years=year, language=chosen)
    # "Boxing Day (observed)" will stand in brackets itself.
    return {on: re.sub(r" \((.*?)\)", r", \1", name).replace("'", "’") for on, name in plain.items()}
