"""Months as their zones have them: the denominators of everything."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from broker.billing.months import month_at, month_of, read_instant, whole_second


@pytest.mark.parametrize(
    ("year", "month", "zone", "seconds"),
    [
        (2026, 4, "UTC", 2_592_000),
        (2026, 1, "UTC", 2_678_400),
        (2024, 2, "UTC", 29 * 86_400),
        (2025, 2, "UTC", 28 * 86_400),
        (2100, 2, "UTC", 28 * 86_400),
        (2000, 2, "UTC", 29 * 86_400),
        (2026, 3, "America/New_York", 2_674_800),
        (2026, 11, "America/New_York", 2_595_600),
        (2026, 3, "Europe/Berlin", 2_674_800),
        (2026, 10, "Europe/Berlin", 2_682_000),
        (2026, 4, "Australia/Lord_Howe", 2_593_800),
        (2026, 10, "Australia/Lord_Howe", 2_676_600),
        (2011, 12, "Pacific/Apia", 2_592_000),
    ],
)
def test_a_month_is_as_long_as_its_zone_makes_it(year: int, month: int, zone: str, seconds: int) -> None:
    assert month_at(year, month, zone).seconds == seconds


def test_a_leap_year_has_so_many_seconds() -> None:
    assert sum(month_at(2024, month, "Europe/Berlin").seconds for month in range(1, 13)) == 31_622_400


def test_an_hour_that_comes_twice_is_two_hours() -> None:
    zone = ZoneInfo("America/New_York")
    first = datetime(2026, 11, 1, 1, 30, tzinfo=zone)
    assert whole_second(first.replace(fold=1)) - whole_second(first) == timedelta(hours=1)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Beirut"])
def test_every_instant_belongs_to_one_month(zone: str) -> None:
    months = [month_at(year, month, zone) for year in (2011, 2026) for month in range(1, 13)]
    for found in months:
        second = timedelta(seconds=1)
        assert [month_of(at, zone) for at in (found.start, found.end - second)] == [found, found]
        assert month_of(found.end, zone).start == found.end


def test_a_fraction_of_a_second_is_cut_off() -> None:
    at = datetime(2026, 4, 1, 2, 0, 0, 999_999, timezone(timedelta(hours=2)))
    assert whole_second(at) == datetime(2026, 4, 1, tzinfo=UTC)


def test_a_leap_second_is_the_next_second() -> None:
    assert read_instant("2016-12-31T23:59:60Z") == datetime(2017, 1, 1, tzinfo=UTC)
    assert read_instant("2026-04-01T02:00:00.5+02:00") == datetime(2026, 4, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["yesterday", "2026-04-01T00:00:00", "2026-04-31T00:00:00Z", ""])
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_instant(text)
