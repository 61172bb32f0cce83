"""Taking mail in: the day's quota and the message become true together or not at all. Reading it back: ``archive``."""

import json
import sqlite3
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from providers.mail import mime, usage
from providers.mail.credentials import Credential
from providers.mail.database import Database
from providers.mail.plans import PLANS, Plan, day_of, next_day


@dataclass(frozen=True, slots=True)
class Submission:
    """One message as a client handed it over: the envelope and the bytes."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    origin: str


class QuotaUsedUp(Exception):
    """The plan's mails of this day do not suffice for what was asked."""

    def __init__(self, plan: Plan, used: int, asked: int, fresh_at: datetime) -> None:
        left = max(plan.mails_per_day - used, 0)
        super().__init__(
            f"Daily quota of plan {plan.slug}: {plan.mails_per_day} mails, {left} left, {asked} asked for; "
            f"fresh at {fresh_at:%Y-%m-%d %H:%M} UTC"
        )
        self.fresh_at = fresh_at


class NoSuchCredential(Exception):
    """The resource was removed while its client was still speaking."""


class Intake:
    """Accepts messages: counts them, stores them, and queues their deliveries when there is an upstream."""

    def __init__(self, database: Database, now: Callable[[], datetime], *, relaying: bool) -> None:
        self._database = database
        self._now = now
        self._relaying = relaying

    def accept(self, credential: Credential, submissions: list[Submission]) -> list[str]:
        """Store all of ``submissions`` or none, and give their ids.

        Transactions: one of its own; what is answered is on disk.
        Raises: QuotaUsedUp, NoSuchCredential, mime.TooDeeplyNested.
        """
        moment = self._now()
        mails = [mime.read(each.raw) for each in submissions]
        with self._database.transaction() as tx:
            self._count(tx, credential.resource, sum(len(each.recipients) for each in submissions), moment)
            return [
                self._store(tx, credential.resource, each, mail, moment)
                for each, mail in zip(submissions, mails, strict=True)
            ]

    def _count(self, tx: sqlite3.Connection, resource: str, asked: int, moment: datetime) -> None:
        # The plan is read here, not taken from the session, so that a plan change holds for open connections too.
        plan = _plan_of(tx, resource)
        used = sent_on(tx, resource, day_of(moment))
        if used + asked > plan.mails_per_day:
            raise QuotaUsedUp(plan, used, asked, next_day(moment))
        tx.execute(
            "INSERT INTO sent (resource, day, mails) VALUES (?, ?, ?)"
            " ON CONFLICT (resource, day) DO UPDATE SET mails = mails + excluded.mails",
            (resource, day_of(moment), asked),
        )
        if plan.metered:
            usage.count(tx, resource, asked, moment)

    def _store(self, tx: sqlite3.Connection, resource: str, given: Submission, mail: mime.Mail, at: datetime) -> str:
        public_id, stamp = uuid.uuid4().hex, int(at.timestamp())
        subject, author = mail.header("Subject"), mail.header("From") or given.sender
        row_id = tx.execute(
            "INSERT INTO messages (public_id, resource, received_at, origin, sender, recipients, subject, author,"
            " size, attachments) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (public_id, resource, stamp, given.origin, given.sender, json.dumps(given.recipients), subject, author,
             len(given.raw), len(mail.attachments)),
        ).lastrowid  # fmt: skip
        tx.execute("INSERT INTO contents (message, raw) VALUES (?, ?)", (row_id, given.raw))
        people = " ".join((author, given.sender, mail.header("To"), mail.header("Cc"), *given.recipients))
        tx.execute(
            "INSERT INTO search (rowid, tenant, subject, people, body) VALUES (?, ?, ?, ?, ?)",
            (row_id, tenant_word(resource), subject, people, mail.words()),
        )
        if self._relaying:
            tx.executemany(
                "INSERT INTO deliveries (message, recipient, state, next_at) VALUES (?, ?, 'queued', ?)",
                _delivery_rows(row_id, given.recipients, stamp),
            )
        return public_id


def tenant_word(resource: str) -> str:
    """The resource as one word of the search index, so that a search never leaves its tenant."""
    return "t" + "".join(letter for letter in resource.lower() if letter.isalnum())


def sent_on(connection: sqlite3.Connection, resource: str, day: str) -> int:
    row = connection.execute("SELECT mails FROM sent WHERE resource = ? AND day = ?", (resource, day)).fetchone()
    return int(row["mails"]) if row else 0


def _plan_of(tx: sqlite3.Connection, resource: str) -> Plan:
    row = tx.execute("SELECT plan FROM credentials WHERE resource = ?", (resource,)).fetchone()
    if row is None:
        raise NoSuchCredential
    return PLANS[row["plan"]]


def _delivery_rows(row_id: int | None, recipients: Iterable[str], at: int) -> list[tuple[int | None, str, int]]:
    return [(row_id, recipient, at) for recipient in recipients]
