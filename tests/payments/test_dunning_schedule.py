"""The dates of dunning: pure, in the zone of whoever pays."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.payments.dunning_schedule import (
    NOTICED_BEFORE,
    Days,
    StepKind,
    after_step,
    may_delete,
    put_off,
    schedule,
)

ISSUED = datetime(2026, 11, 4, 3, 0, 7, tzinfo=UTC)
ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia")


def test_the_usual_dates() -> None:
    found = {step.name: (step.due_at - ISSUED).days for step in schedule(ISSUED, "UTC", Days())}
    assert list(found.items()) == [
        ("try-0", 0), ("try-3", 3), ("try-5", 5), ("try-7", 7), ("warn", 11), ("suspend", 14),
        ("notice-14", 16), ("notice-7", 23), ("notice-3", 27), ("delete", 30),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("issued", "zone", "shorter"),
    [
        (datetime(2026, 3, 1, 8, 0, tzinfo=UTC), "America/New_York", timedelta(hours=1)),
        (datetime(2026, 10, 25, 8, 0, tzinfo=UTC), "America/New_York", timedelta(hours=-1)),
        (datetime(2026, 3, 20, 8, 0, tzinfo=UTC), "Australia/Lord_Howe", timedelta(minutes=-30)),
        (datetime(2026, 3, 1, 8, 0, tzinfo=UTC), "UTC", timedelta()),
    ],
)
def test_days_are_those_of_the_zone_across_changes_of_clocks(issued: datetime, zone: str, shorter: timedelta) -> None:
    delete = schedule(issued, zone, Days())[-1].due_at
    assert delete - issued == timedelta(days=30) - shorter
    assert delete.astimezone(ZoneInfo(zone)).time() == issued.astimezone(ZoneInfo(zone)).time()


@pytest.mark.parametrize(
    "days", [{"tries": ()}, {"tries": (3, 0)}, {"tries": (0, 14)}, {"suspend": 20}, {"delete": 27}, {"tries": (-1, 3)}]
)
def test_days_that_leave_no_time_to_react_are_refused(days: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="day"):
        Days(**days)  # type: ignore[arg-type]  # that is the point


@given(
    st.integers(0, 10 * 366 * 86400).map(lambda seconds: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)),
    st.sampled_from(ZONES),
    st.lists(st.integers(0, 90 * 24 * 60), min_size=10, max_size=10),
)
def test_however_late_the_steps_are_nothing_is_skipped_and_nothing_deleted_before_the_window_is_over(
    issued: datetime, zone: str, late: list[int]
) -> None:
    steps = schedule(issued, zone, Days())
    told: dict[str, datetime] = {}
    for place, minutes in enumerate(late):
        now = max(steps[place].due_at + timedelta(minutes=minutes), *(step.done_at or issued for step in steps))
        before = steps
        if steps[place].kind is StepKind.DELETE:
            while (over := may_delete(steps, now)) is not None:
                now = over
        else:
            told[steps[place].name] = steps[-1].due_at
        steps = after_step(steps, place, now, zone)
        assert all(new.due_at >= old.due_at for new, old in zip(steps, before, strict=True)), "a date that was told"
    done = [step.done_at for step in steps]
    assert done == sorted(done)  # type: ignore[type-var]  # all are done
    final = steps[-2]
    assert final.done_at is not None
    assert steps[-1].done_at >= final.done_at + timedelta(days=NOTICED_BEFORE[-1], hours=-2)  # type: ignore[operator]
    assert steps[-1].done_at >= told[final.name], "not before the date that the last notice named"


def test_a_step_that_was_missed_by_a_month_moves_all_that_follows_and_keeps_the_distances() -> None:
    steps = schedule(ISSUED, "Europe/Berlin", Days())
    now = ISSUED + timedelta(days=40, minutes=5)
    moved = after_step(steps, 1, now, "Europe/Berlin")
    assert moved[1].done_at == now
    assert [(step.due_at - now).days for step in moved[2:]] == [2, 4, 8, 11, 13, 20, 24, 27]
    slightly = after_step(steps, 1, steps[1].due_at + timedelta(minutes=59), "Europe/Berlin")
    assert [step.due_at for step in slightly] == [step.due_at for step in steps]


def test_putting_off_moves_the_step_itself_too() -> None:
    steps = schedule(ISSUED, "UTC", Days())
    moved = put_off(steps, 5, steps[5].due_at + timedelta(days=3, hours=1), "UTC")
    assert [new.due_at - old.due_at for new, old in zip(moved, steps, strict=True)] == [timedelta()] * 5 + [
        timedelta(days=4)
    ] * 5
