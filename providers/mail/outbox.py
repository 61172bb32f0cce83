"""The durable queue of the relay: which recipient of which message is due, and what became of each attempt."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from providers.mail.database import Database

BATCH = 20
GIVE_UP_AFTER = timedelta(hours=48)
_LONGEST_WAIT = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message with those of its recipients who are due."""

    row_id: int
    sender: str
    recipients: tuple[str, ...]
    raw: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What the upstream said about one recipient. ``code`` 0 means that it could not be asked."""

    code: int
    text: str

    @property
    def state(self) -> str:
        if 200 <= self.code < 300:
            return "sent"
        return "failed" if 500 <= self.code < 600 else "queued"


class Outbox:
    def __init__(self, database: Database, now: Callable[[], datetime], first_wait: timedelta) -> None:
        self._database = database
        self._now = now
        self._first_wait = first_wait

    def due(self) -> list[Parcel]:
        """The messages to try now, those waiting longest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT message FROM deliveries WHERE state = 'queued' AND next_at <= ?"
                " GROUP BY message ORDER BY min(next_at) LIMIT ?",
                (self._now().timestamp(), BATCH),
            ).fetchall()
        return [parcel for row in rows if (parcel := self._parcel(row["message"])) is not None]

    def next_at(self) -> float | None:
        """When the next delivery is due, as Unix seconds; None when nothing is queued."""
        with self._database.reading() as connection:
            value = connection.execute("SELECT min(next_at) FROM deliveries WHERE state = 'queued'").fetchone()[0]
        return None if value is None else float(value)

    def settle(self, parcel: Parcel, replies: Mapping[str, Reply]) -> None:
        """Record the attempt: delivered, refused for good, or to be tried again after a longer wait.

        A message removed meanwhile has no deliveries left, and nothing is recorded.
        """
        with self._database.transaction() as tx:
            for recipient, reply in replies.items():
                self._settle_one(tx, parcel.row_id, recipient, reply)

    def _settle_one(self, tx: sqlite3.Connection, row_id: int, recipient: str, reply: Reply) -> None:
        row = tx.execute(
            "SELECT d.attempts, m.received_at FROM deliveries d JOIN messages m ON m.id = d.message"
            " WHERE d.message = ? AND d.recipient = ?",
            (row_id, recipient),
        ).fetchone()
        if row is None:
            return
        now = self._now()
        wait = min(self._first_wait * 2 ** min(row["attempts"], 20), _LONGEST_WAIT)
        too_late = now.timestamp() - row["received_at"] > GIVE_UP_AFTER.total_seconds()
        state = "failed" if reply.state == "queued" and too_late else reply.state
        tx.execute(
            "UPDATE deliveries SET state = ?, attempts = attempts + 1, next_at = ?, reply = ?"
            " WHERE message = ? AND recipient = ?",
            (state, (now + wait).timestamp(), _line(reply), row_id, recipient),
        )

    def _parcel(self, row_id: int) -> Parcel | None:
        with self._database.reading() as connection:
            message = connection.execute(
                "SELECT m.sender, c.raw FROM messages m JOIN contents c ON c.message = m.id WHERE m.id = ?", (row_id,)
            ).fetchone()
            rows = connection.execute(
                "SELECT recipient FROM deliveries WHERE message = ? AND state = 'queued' AND next_at <= ?",
                (row_id, self._now().timestamp()),
            ).fetchall()
        if message is None or not rows:
            return None
        return Parcel(row_id, message["sender"], tuple(row["recipient"] for row in rows), bytes(message["raw"]))


def _line(reply: Reply) -> str:
    text = " ".join(reply.text.split())[:300]
    return f"{reply.code} {text}" if reply.code else text
