"""How far the broker's clock is before the machine's, and where it is to go: one row, told to every process by a notice.

Only an installation that is there for trying out has such a clock. What moves it, step by step, is `clock_steps.py` above.
"""

from __future__ import annotations

import asyncio
import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.clock import AheadClock
from broker.kernel.context import Actor, Context
from broker.kernel.db import Base, Database
from broker.kernel.errors import DatabaseUnavailable, InvalidParams, NotFound
from broker.kernel.signals import notify

SUBJECT: Final = UUID("0c10c000-0000-4000-8000-000000000001")
"""What processes listen for, to read the row again."""
FARTHEST: Final = timedelta(days=366)
"""In one go."""
_THE_ROW: Final = 1
_SPAN: Final = re.compile(r"(\d{1,4}) ?(h|hours?|d|days?|w|weeks?|months?)")
_HOURS: Final = {"h": 1, "d": 24, "w": 7 * 24}
_AGAIN_S: Final = 1.0
_NEARLY: Final = timedelta(seconds=1)
"""The clock is set by whole seconds."""
_log = structlog.get_logger()


class ClockAhead(Base):
    """The one row: seconds ahead, and the instant of the broker's clock that is aimed at while it is being set forward."""

    __tablename__ = "clock_ahead"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ahead_s: Mapped[int] = mapped_column(server_default="0")
    aim_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    """Until when (by the machine's clock) the worker that moves it has it to itself."""
    updated_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class ClockView:
    """What the broker's clock says, how far that is ahead, and where it is going if it is."""

    now: datetime
    ahead: timedelta
    aim_at: datetime | None


async def read_ahead(database: Database) -> timedelta:
    """How far the clock is ahead."""
    async with database.transaction() as tx:
        found = (await tx.execute(select(ClockAhead.ahead_s))).scalar_one_or_none()
    return timedelta(seconds=found or 0)


async def get_clock(ctx: Context, actor: Actor) -> ClockView:
    """The clock: operators only, and only where there is one that can be set forward.

    Raises: NotFound.
    """
    _require_clock(ctx, actor)
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(select(ClockAhead.ahead_s, ClockAhead.aim_at))).one_or_none()
    ahead = timedelta(seconds=row.ahead_s if row else 0)
    return ClockView(ctx.wall.now() + ahead, ahead, row.aim_at if row else None)


async def aim_clock(ctx: Context, actor: Actor, to: datetime) -> ClockView:
    """Let the clock be set forward to an instant. A worker moves it there, step by step, and lets happen what falls due.

    Raises: NotFound, as `get_clock`; InvalidParams for an instant that has passed, or is more than a year away.
    """
    now = (await get_clock(ctx, actor)).now
    if not now < to <= now + FARTHEST:
        raise InvalidParams("to: must be after the broker's present time, and at most 366 days after it.")
    at = ctx.wall.now()
    made = insert(ClockAhead).values(id=_THE_ROW, aim_at=to, updated_at=at)
    async with ctx.database.transaction() as tx:
        changed = made.on_conflict_do_update(index_elements=[ClockAhead.id], set_={"aim_at": to, "updated_at": at})
        await tx.execute(changed)
        await notify(tx, SUBJECT)
    return await get_clock(ctx, actor)


def later(now: datetime, span: str) -> datetime:
    """The instant after a span such as `12h`, `10 days` or `1month`: a calendar month, or the last day of a shorter one.

    Raises: InvalidParams.
    """
    match = _SPAN.fullmatch(span.strip().lower())
    if match is None:
        raise InvalidParams("by: must be a number of hours, days, weeks or months, such as 12h, 10d or 1month.")
    number, unit = int(match[1]), match[2][0]
    if unit != "m":
        return now + timedelta(hours=number * _HOURS[unit])
    if number > FARTHEST.days:
        raise InvalidParams("by: must be at most a year.")
    year, month = divmod(now.year * 12 + now.month - 1 + number, 12)
    return now.replace(year=year, month=month + 1, day=min(now.day, monthrange(year, month + 1)[1]))


async def follow(ctx: Context, clock: AheadClock) -> None:
    """Keep this process's clock as far ahead as the row says, until cancelled."""
    async with ctx.signals.subscribe(SUBJECT) as changed:
        while True:
            changed.clear()
            try:
                clock.ahead = await read_ahead(ctx.database)
            except DatabaseUnavailable as error:
                _log.warning("clock.not_read", error=type(error).__name__)
                await asyncio.sleep(_AGAIN_S)
                changed.set()
            await changed.wait()


async def claim_clock(ctx: Context, lease: timedelta) -> bool:
    """Take the clock in hand, if it is to be set forward and no other worker does it; whether it was.

    This process knows then what the clock says, whoever moved it last.
    """
    wall = ctx.wall.now()
    mine = or_(ClockAhead.lease_until.is_(None), ClockAhead.lease_until < wall)
    claimed = update(ClockAhead).where(ClockAhead.aim_at.is_not(None), mine).values(lease_until=wall + lease)
    async with ctx.database.transaction() as tx:
        ahead_s = (await tx.execute(claimed.returning(ClockAhead.ahead_s))).scalar_one_or_none()
    _set(ctx, ahead_s)
    return ahead_s is not None


async def take_step(ctx: Context, step: timedelta) -> bool:
    """Set the claimed clock forward by a step, or to where it is aimed at if that is nearer, and let go of it.

    False: it is there already.
    """
    wall = ctx.wall.now()
    async with ctx.database.transaction() as tx:
        aimed = select(ClockAhead.ahead_s, ClockAhead.aim_at).where(ClockAhead.aim_at.is_not(None)).with_for_update()
        row = (await tx.execute(aimed)).one_or_none()
        if row is None:  # this worker took so long that another one has brought it there
            return False
        now = wall + timedelta(seconds=row.ahead_s)
        further: bool = now + _NEARLY < row.aim_at
        by = int((min(now + step, row.aim_at) - now).total_seconds()) if further else 0
        values = {"ahead_s": row.ahead_s + by, "aim_at": row.aim_at if further else None, "lease_until": None}
        await tx.execute(update(ClockAhead).values(values | {"updated_at": wall}))
        await notify(tx, SUBJECT)
    _set(ctx, row.ahead_s + by)
    return further


def _set(ctx: Context, ahead_s: int | None) -> None:
    """Others are told of it; the process that moves the clock does not wait for that."""
    if ahead_s is not None and isinstance(ctx.clock, AheadClock):
        ctx.clock.ahead = timedelta(seconds=ahead_s)


def _require_clock(ctx: Context, actor: Actor) -> None:
    actor.require_operator()
    if not isinstance(ctx.clock, AheadClock):
        raise NotFound(
            "clock", "This broker goes by the machine's clock: set BROKER_TEST_CLOCK where things are tried out."
        )
