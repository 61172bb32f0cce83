"""Reading what is kept: pages of messages, search, one message, the counts per day. Always within one resource."""

import json
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from providers.mail.database import Database
from providers.mail.messages import sent_on, tenant_word
from providers.mail.plans import PLANS, Plan, day_of

PAGE_SIZE = 25


@dataclass(frozen=True, slots=True)
class Delivery:
    """The way of a message to one recipient through the upstream."""

    recipient: str
    state: str
    attempts: int
    next_at: datetime
    reply: str


@dataclass(frozen=True, slots=True)
class Summary:
    """A kept message without its content. ``delivery`` is the worst state of its deliveries, or "kept" without any."""

    public_id: str
    received_at: datetime
    origin: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    author: str
    size: int
    attachments: int
    delivery: str


@dataclass(frozen=True, slots=True)
class Page:
    messages: list[Summary]
    number: int
    total: int

    @property
    def last(self) -> int:
        return max((self.total + PAGE_SIZE - 1) // PAGE_SIZE, 1)


_SUMMARY = """
SELECT m.*, (SELECT CASE WHEN sum(state = 'failed') THEN 'failed' WHEN sum(state = 'queued') THEN 'queued'
                    WHEN count(*) THEN 'sent' ELSE 'kept' END FROM deliveries WHERE message = m.id) AS delivery
"""
_ALL = "FROM messages m WHERE m.resource = ?"
_FOUND = "FROM messages m WHERE m.resource = ? AND m.id IN (SELECT rowid FROM search WHERE search MATCH ?)"


class Archive:
    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def page(self, resource: str, search: str = "", number: int = 1) -> Page:
        """Messages of ``resource``, newest first; with ``search``, those that have every word (or its beginning)."""
        words = _match(resource, search)
        where, values = (_FOUND, [resource, words]) if words else (_ALL, [resource])
        with self._database.reading() as connection:
            total = connection.execute(f"SELECT count(*) {where}", values).fetchone()[0]
            number = min(max(number, 1), max((total + PAGE_SIZE - 1) // PAGE_SIZE, 1))
            rows = connection.execute(
                f"{_SUMMARY} {where} ORDER BY m.id DESC LIMIT ? OFFSET ?",
                (*values, PAGE_SIZE, (number - 1) * PAGE_SIZE),
            ).fetchall()
        return Page([_summary(row) for row in rows], number, total)

    def find(self, resource: str, public_id: str) -> tuple[Summary, bytes] | None:
        """One message of ``resource`` with its bytes; another resource's message is not there."""
        with self._database.reading() as connection:
            row = connection.execute(f"{_SUMMARY} {_ALL} AND m.public_id = ?", (resource, public_id)).fetchone()
            if row is None:
                return None
            raw = connection.execute("SELECT raw FROM contents WHERE message = ?", (row["id"],)).fetchone()["raw"]
        return _summary(row), bytes(raw)

    def deliveries(self, resource: str, public_id: str) -> list[Delivery]:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT d.* FROM deliveries d JOIN messages m ON m.id = d.message"
                " WHERE m.resource = ? AND m.public_id = ? ORDER BY d.rowid",
                (resource, public_id),
            ).fetchall()
        return [
            Delivery(row["recipient"], row["state"], row["attempts"], _moment(row["next_at"]), row["reply"])
            for row in rows
        ]

    def plan(self, resource: str) -> Plan | None:
        with self._database.reading() as connection:
            row = connection.execute("SELECT plan FROM credentials WHERE resource = ?", (resource,)).fetchone()
        return PLANS[row["plan"]] if row else None

    def sent_today(self, resource: str) -> int:
        with self._database.reading() as connection:
            return sent_on(connection, resource, day_of(self._now()))

    def sent_per_day(self, resource: str, days: int = 30) -> list[tuple[date, int]]:
        """Mails accepted on each of the last ``days`` UTC days, today last, days without any included."""
        today = self._now().astimezone(UTC).date()
        wanted = [today - timedelta(days=back) for back in range(days - 1, -1, -1)]
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT day, mails FROM sent WHERE resource = ? AND day >= ?", (resource, wanted[0].isoformat())
            ).fetchall()
        counts = {row["day"]: int(row["mails"]) for row in rows}
        return [(day, counts.get(day.isoformat(), 0)) for day in wanted]


def _match(resource: str, search: str) -> str:
    """The search words in the index's own query language: each is quoted, so that none can be an operator."""
    words = re.findall(r"[^\s\"]+", search)[:20]
    words = [word for word in words if re.search(r"\w", word)]
    if not words:
        return ""
    rest = " AND ".join(f'"{word}"*' for word in words)
    return f'tenant : "{tenant_word(resource)}" AND {{subject people body}} : ({rest})'


def _summary(row: sqlite3.Row) -> Summary:
    return Summary(
        public_id=row["public_id"],
        received_at=_moment(row["received_at"]),
        origin=row["origin"],
        sender=row["sender"],
        recipients=tuple(json.loads(row["recipients"])),
        subject=row["subject"],
        author=row["author"],
        size=row["size"],
        attachments=row["attachments"],
        delivery=row["delivery"],
    )


def _moment(stamp: int) -> datetime:
    return datetime.fromtimestamp(stamp, UTC)
