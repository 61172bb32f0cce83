"""When what is done about an invoice that is not paid: days after its issue, in the zone of whoever pays. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from broker.billing.months import local_days_after

WARNED_BEFORE: Final = 3
"""How many days before a suspension it is told once more."""

NOTICED_BEFORE: Final = (14, 7, 3)
"""How many days before the end it is told; the last of them is how long data can still be fetched after the last notice."""

TOLERANCE: Final = timedelta(hours=1)
"""By so much a step may be late and change no date that was told. What is later puts off everything that follows."""


class StepKind(StrEnum):
    """What a step does."""

    TRY = "try"
    WARN = "warn"
    SUSPEND = "suspend"
    NOTICE = "notice"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Days:
    """After how many days from the issue on. Raises ValueError for what would leave no time to react."""

    tries: tuple[int, ...] = (0, 3, 5, 7)
    suspend: int = 14
    delete: int = 30

    @classmethod
    def of(cls, days: Sequence[int]) -> Days:
        """From one list: the tries, then the suspension, then the end."""
        *tries, suspend, delete = days
        return cls(tuple(tries), suspend, delete)

    def __post_init__(self) -> None:
        if not self.tries or list(self.tries) != sorted(set(self.tries)) or self.tries[0] < 0:
            raise ValueError("payments are tried on days that follow one another, such as 0,3,5,7")
        if self.suspend <= self.tries[-1]:
            raise ValueError("add-ons are suspended after the last day on which a payment is tried")
        if self.delete < self.suspend + NOTICED_BEFORE[0]:
            raise ValueError(f"between suspending and deleting there are {NOTICED_BEFORE[0]} days at least")


@dataclass(frozen=True, slots=True)
class Step:
    """One step with its date. The name is its own within an invoice: `try-3`, `suspend`, `notice-7`, ..."""

    name: str
    due_at: datetime
    done_at: datetime | None = None

    @property
    def kind(self) -> StepKind:
        """What it does."""
        return StepKind(self.name.partition("-")[0])


def schedule(issued_at: datetime, zone: str, days: Days) -> tuple[Step, ...]:
    """All steps, in the order in which they are taken."""
    wanted = [(day, f"{StepKind.TRY}-{day}") for day in days.tries]
    wanted += [(max(days.suspend - WARNED_BEFORE, days.tries[-1]), StepKind.WARN.value)]
    wanted += [(days.suspend, StepKind.SUSPEND.value)]
    wanted += [(days.delete - before, f"{StepKind.NOTICE}-{before}") for before in NOTICED_BEFORE]
    wanted += [(days.delete, StepKind.DELETE.value)]
    return tuple(Step(name, local_days_after(issued_at, day, zone)) for day, name in wanted)


def put_off(steps: Sequence[Step], first: int, at: datetime, zone: str) -> tuple[Step, ...]:
    """The steps when the one at place `first`, and all that follow it, are moved by whole days: so that it is not over at `at`.

    Whoever was told a date keeps it, or gets a later one. Between the steps there is as much time as ever.
    """
    moved = _days_between(steps[first].due_at, at, zone)
    return (
        *steps[:first],
        *(replace(step, due_at=local_days_after(step.due_at, moved, zone)) for step in steps[first:]),
    )


def from_now(steps: Sequence[Step], at: datetime, zone: str) -> tuple[Step, ...]:
    """The steps of what is owed again: none is taken yet, the first date is now, and no payment is tried by itself."""
    untaken = [replace(step, done_at=None) for step in steps]
    later = put_off(untaken, 0, at, zone)
    return tuple(replace(step, done_at=at) if step.kind is StepKind.TRY else step for step in later)


def after_step(steps: Sequence[Step], place: int, at: datetime, zone: str) -> tuple[Step, ...]:
    """The steps when the one at this place is done at `at`: what follows keeps its distance to one that was late."""
    step = steps[place]
    done = (*steps[:place], replace(step, done_at=at), *steps[place + 1 :])
    if at - step.due_at <= TOLERANCE or place + 1 == len(steps):
        return done
    moved = _days_between(step.due_at, at, zone)
    later = (replace(each, due_at=local_days_after(each.due_at, moved, zone)) for each in steps[place + 1 :])
    return (*done[: place + 1], *later)


def may_delete(steps: Sequence[Step], at: datetime) -> datetime | None:
    """None if everything was told that has to be told, and the time after the last notice is over; else when it will be."""
    notices = [step for step in steps if step.kind is StepKind.NOTICE]
    told = [step.done_at for step in notices if step.done_at is not None]
    if len(told) < len(notices):
        return at + timedelta(days=1)
    over = (
        max(told) + timedelta(days=NOTICED_BEFORE[-1]) - TOLERANCE * 2
    )  # a night in which clocks are changed is shorter
    return None if at >= over else over


def _days_between(due: datetime, at: datetime, zone: str) -> int:
    """The fewest whole days by which `due` has to be moved so as not to be before `at`."""
    days = max((at - due) // timedelta(days=1), 0)
    while local_days_after(due, days, zone) < at:
        days += 1
    return days
