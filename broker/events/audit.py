"""The audit chain: every fact gets a place in a row of digests, so that none can be changed, removed or slipped in unseen.

Whoever records a fact does not wait for it: a trigger notes that the fact is unsealed, the worker seals. What was recorded in
between is as exposed as any row of the database; `audit:verify` says how much that is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, insert, select

from broker.events.models import AuditLink, Event, Unsealed
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx

AT_ONCE: Final = 1000
OVERDUE: Final = timedelta(minutes=5)
"""What is unsealed for longer means that no worker seals."""
_MARK: Final = b"addon-broker audit chain 1\n"
_TURN: Final = "broker.events.audit"
_FACT: Final = (
    "id at kind actor_id actor_email app_id addon_id data authorization_id client_id address request_id".split()
)
START: Final = bytes(32)
"""What the first link follows."""


class Verdict(StrEnum):
    """What a look at the chain comes to. `waits`: nothing differs, and nobody has sealed for longer than usual."""

    AGREES = "agrees"
    WAITS = "waits"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Verified:
    """A part of the chain that was looked at.

    `head` and `digest` are of the last link of it; `after` is where to go on (None: that was all). `unsealed` counts what
    has no place yet, and is only told with the last part, as is `waiting_since`: the instant of the oldest of them, if it
    has waited for longer than it should.
    """

    links: int
    head: int
    digest: bytes
    differences: Sequence[str]
    after: int | None
    unsealed: int = 0
    waiting_since: datetime | None = None

    @property
    def verdict(self) -> Verdict:
        """Of this part; facts that wait were not changed by anybody, so they are no difference."""
        if self.differences:
            return Verdict.DIFFERS
        return Verdict.AGREES if self.waiting_since is None else Verdict.WAITS


@dataclass(frozen=True, slots=True)
class ChainState:
    """Where the chain is, without computing it again."""

    head: int
    digest: bytes
    unsealed: int
    oldest_unsealed_at: datetime | None

    def is_overdue(self, now: datetime) -> bool:
        """Whether facts wait for longer than they should: no worker seals."""
        return self.oldest_unsealed_at is not None and self.oldest_unsealed_at < now - OVERDUE


async def chain_state(tx: Tx) -> ChainState:
    """Where the chain is, for a use case that has checked who asks."""
    head, digest = await _head(tx)
    return ChainState(head, digest, *await _waiting(tx))


def link_digest(before: bytes, position: int, fact: Any) -> bytes:
    """The digest of a link, from the one before and the row of the fact."""
    content = {name: _plain(getattr(fact, name)) for name in _FACT}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(_MARK + before + str(position).encode() + b"\n" + text.encode()).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return str(value) if isinstance(value, UUID) else value


async def seal(ctx: Context, most: int = AT_ONCE) -> int:
    """Give facts without one their place in the chain, oldest first; how many. Part of the sweep.

    Transactions: one. Only one process seals at a time; others leave at once.
    """
    async with ctx.database.transaction() as tx:
        turn = select(func.pg_try_advisory_xact_lock(func.hashtextextended(_TURN, 0)))
        if not (await tx.execute(turn)).scalar():
            return 0
        waiting = select(*_columns()).join(Unsealed, Unsealed.event_id == Event.id).order_by(Event.id).limit(most)
        facts = (await tx.execute(waiting)).all()
        if not facts:
            return 0
        position, digest = await _head(tx)
        links = []
        for fact in facts:
            position += 1
            digest = link_digest(digest, position, fact)
            links.append({"position": position, "event_id": fact.id, "digest": digest})
        await tx.execute(insert(AuditLink), links)
        await tx.execute(delete(Unsealed).where(Unsealed.event_id.in_([fact.id for fact in facts])))
    return len(facts)


async def _head(tx: Tx) -> tuple[int, bytes]:
    last = select(AuditLink.position, AuditLink.digest).order_by(AuditLink.position.desc()).limit(1)
    row = (await tx.execute(last)).one_or_none()
    return (0, START) if row is None else (row.position, row.digest)


async def verify_some(ctx: Context, actor: Actor, after: int = 0, most: int = AT_ONCE) -> Verified:
    """Compute the next links after a position again; with the last of them, look for facts that are in no link.

    Operators only. Raises: NotFound for everybody else.
    """
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        before = await _digest_at(tx, after)
        links = (
            select(AuditLink.position, AuditLink.event_id, AuditLink.digest, *_columns())
            .outerjoin(Event, Event.id == AuditLink.event_id)
            .where(AuditLink.position > after)
            .order_by(AuditLink.position)
            .limit(most)
        )
        rows = (await tx.execute(links)).all()
        differences, digest = _compared(after, before, rows)
        head = rows[-1].position if rows else after
        if len(rows) == most:
            return Verified(len(rows), head, digest, differences, head)
        unsealed, oldest = await _waiting(tx)
        late = oldest if oldest is not None and oldest < ctx.clock.now() - OVERDUE else None
        return Verified(len(rows), head, digest, [*differences, *await _outside(tx)], None, unsealed, late)


def _columns() -> list[Any]:
    return [getattr(Event, name) for name in _FACT]


async def _digest_at(tx: Tx, position: int) -> bytes:
    found = select(AuditLink.digest).where(AuditLink.position == position)
    digest: bytes = (await tx.execute(found)).scalar_one_or_none() or START
    return digest


def _compared(after: int, before: bytes, rows: Sequence[Any]) -> tuple[list[str], bytes]:
    """Each link is compared with what follows from the stored one before it, so that one change is told once."""
    differences, expected, digest = [], after + 1, before
    for row in rows:
        if row.position != expected:
            differences.append(f"Links {expected} to {row.position - 1} are missing.")
        if row.id is None:
            differences.append(f"The fact of link {row.position} is missing: {row.event_id}.")
        elif link_digest(digest, row.position, row) != row.digest:
            differences.append(f"Link {row.position}, or the fact {row.event_id}, was changed.")
        expected, digest = row.position + 1, row.digest
    return differences, digest


async def _outside(tx: Tx) -> list[str]:
    """Facts that neither wait to be sealed nor are in the chain."""
    nowhere = (
        select(func.count())
        .select_from(Event)
        .outerjoin(AuditLink, AuditLink.event_id == Event.id)
        .outerjoin(Unsealed, Unsealed.event_id == Event.id)
        .where(AuditLink.event_id.is_(None), Unsealed.event_id.is_(None))
    )
    slipped = (await tx.execute(nowhere)).scalar_one()
    return [f"{slipped} facts are in no link of the chain."] if slipped else []


async def _waiting(tx: Tx) -> tuple[int, datetime | None]:
    waiting = select(func.count(), func.min(Event.at)).join(Unsealed, Unsealed.event_id == Event.id)
    unsealed, oldest = (await tx.execute(waiting)).one()
    return unsealed, oldest
