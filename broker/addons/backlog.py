"""Back-pressure: while too many operations are unfinished, no new add-on is taken."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select

from broker.addons.models import Operation
from broker.kernel.context import Context
from broker.kernel.errors import Overloaded

_FRESH_FOR: Final = timedelta(seconds=1)


class Backlog:
    """What one process knows of the queue. Counted once a second at most, so a burst may go over it a little."""

    def __init__(self, ctx: Context, most: int) -> None:
        self._ctx = ctx
        self._most = most
        self._full = False
        self._looked_at: datetime | None = None

    async def check(self) -> None:
        """Go on if there is room for one more operation.

        Transactions: one of its own, now and then.
        Raises: Overloaded.
        """
        now = self._ctx.clock.now()
        if self._looked_at is None or now - self._looked_at >= _FRESH_FOR:
            self._looked_at = now  # before the count, so that only one request of many makes it
            self._full = await self._count() >= self._most
        if self._full:
            raise Overloaded(
                f"{self._most} operations or more are waiting to be done, so no new add-on is taken at the moment;"
                " nothing was created. Try again in a few minutes."
            )

    async def _count(self) -> int:
        unfinished = select(Operation.id).where(Operation.finished_at.is_(None)).limit(self._most).subquery()
        async with self._ctx.database.transaction() as tx:
            return int((await tx.execute(select(func.count()).select_from(unfinished))).scalar_one())
