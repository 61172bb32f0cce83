from datetime import UTC, datetime, timedelta

from broker.catalog.reliability import ENOUGH_RUNS, Flown, nearest_rank, of_stored, reliability

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hourly(*passed: bool, ms: int | None = 1000, end: datetime = NOW) -> list[Flown]:
    """Runs an hour apart, the last at `end`."""
    first = end - (len(passed) - 1) * HOUR
    return [Flown(first + place * HOUR, well, ms if well else None) for place, well in enumerate(passed)]


def test_the_share_of_runs_that_passed_is_cut_and_never_rounded_up() -> None:
    found = reliability(hourly(*[True] * 719, False), NOW)
    assert found is not None
    assert found.measured
    assert (found.runs, found.passed, found.passed_percent) == (720, 719, 99.86)
    assert reliability(hourly(*[True] * 720), NOW).passed_percent == 100  # type: ignore[union-attr]  # it is there
    assert found.summary == (
        "99.86 % of 720 runs since 2026-10-22 passed; ready after 1.0 s, within 1.0 s in 95 of 100."
    )


def test_too_few_runs_are_said_to_be_too_few() -> None:
    for runs in (hourly(*[True] * (ENOUGH_RUNS - 1)), [Flown(NOW - n * HOUR / 60, True, 1) for n in range(100)]):
        found = reliability(runs, NOW)
        assert found is not None
        assert not found.measured
        assert found.summary.startswith("Not measured yet: ")
    assert reliability([], NOW) is None
    assert "1 run since" in reliability(hourly(True), NOW).summary  # type: ignore[union-attr]  # it is there


def test_what_is_older_than_thirty_days_does_not_count_any_more() -> None:
    old = hourly(*[False] * 100, end=NOW - timedelta(days=30, minutes=1))
    found = reliability([*hourly(*[True] * 30), *old], NOW)
    assert found is not None
    assert (found.runs, found.passed) == (30, 30)


def test_a_failure_holds_until_the_next_run_and_a_long_pause_says_nothing() -> None:
    before = hourly(True, True, True, end=NOW - 10 * HOUR)
    after = hourly(True, False, True, end=NOW)
    found = reliability([*after, *before], NOW)
    assert found is not None
    assert found.available_percent == 75  # of four hours one; the eight between are nobody's
    assert reliability(hourly(True), NOW).available_percent is None  # type: ignore[union-attr]  # it is there


def test_times_are_ones_that_did_occur_and_those_of_failures_are_left_out() -> None:
    runs = [Flown(NOW - n * HOUR, True, n) for n in range(1, 101)] + [Flown(NOW, False, 99_999)]
    found = reliability(runs, NOW)
    assert found is not None
    assert (found.median_ms, found.p95_ms) == (50, 95)
    assert nearest_rank([7], 95) == 7
    assert nearest_rank([], 50) is None


def test_a_figure_survives_being_stored() -> None:
    found = reliability(hourly(True, False, ms=None), NOW)
    assert found is not None
    assert of_stored(found.stored()) == found
    assert of_stored(None) is None
    assert "ready after" not in found.summary
