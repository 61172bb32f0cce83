"""Forgetting: messages older than their plan keeps them, or beyond the room it has. Runs in the background."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from providers.mail.database import Database
from providers.mail.plans import PLANS, Plan, day_of

SWEEP_EVERY_S = 600
_COUNTS_KEPT = timedelta(days=60)

_EXPIRED = """
DELETE FROM messages WHERE resource = :resource AND received_at < :oldest
    AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message = messages.id AND state = 'queued')
"""
_BEYOND_ROOM = """
DELETE FROM messages WHERE id IN (
    SELECT id FROM (SELECT id, sum(size) OVER (ORDER BY id DESC) AS upto FROM messages WHERE resource = :resource)
    WHERE upto > :room
) AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message = messages.id AND state = 'queued')
"""


class Retention:
    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def run(self) -> None:
        """Sweep now and then every ten minutes, until cancelled."""
        while True:
            await asyncio.to_thread(self.sweep)
            await asyncio.sleep(SWEEP_EVERY_S)

    def sweep(self) -> int:
        """Delete what is due, one resource per transaction, and say how many messages that was.

        A message that still waits for its delivery stays until that has ended.
        """
        with self._database.reading() as connection:
            rows = connection.execute("SELECT resource, plan FROM credentials").fetchall()
        deleted = sum(self._sweep_resource(row["resource"], PLANS[row["plan"]]) for row in rows)
        with self._database.transaction() as tx:
            tx.execute("DELETE FROM sent WHERE day < ?", (day_of(self._now() - _COUNTS_KEPT),))
        if deleted:
            self._database.give_back_space()
        return deleted

    def _sweep_resource(self, resource: str, plan: Plan) -> int:
        oldest = int((self._now() - plan.retention).timestamp())
        with self._database.transaction() as tx:
            expired = tx.execute(_EXPIRED, {"resource": resource, "oldest": oldest}).rowcount
            beyond = tx.execute(_BEYOND_ROOM, {"resource": resource, "room": plan.stored_bytes}).rowcount
        return expired + beyond
