"""From the outbox to the events and deliveries of a webhook: numbered, rendered, in the order in which they were recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from broker.events.entities import CHANGES, ENDS, Change
from broker.events.models import DeliveryStatus, Event, Webhook, WebhookDelivery, WebhookEvent, WebhookOutbox
from broker.kernel.clock import rfc3339
from broker.kernel.db import Tx
from broker.kernel.ids import new_id

TRIED_FOR: Final = timedelta(hours=72)
"""How long a webhook of level sync is tried with one event."""

AT_ONCE: Final = 100
_VERSION: Final = "application/vnd.heroku+json; version=3"


@dataclass(frozen=True, slots=True)
class Fact:
    """A recorded event."""

    id: UUID
    at: datetime
    kind: str
    actor_id: UUID
    actor_email: str
    app_id: UUID | None
    addon_id: UUID | None
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a fact: the resource after it, and what of it was different before. Never the value of a config var."""

    data: Mapping[str, Any]
    previous: Mapping[str, Any] = field(default_factory=dict)


class Render(Protocol):
    """Finds what to tell of a fact, in the shapes of an API. Known to the faces, which are above us."""

    async def __call__(self, tx: Tx, fact: Fact, resource: str, /) -> Told: ...


async def take_in(tx: Tx, webhook_id: UUID, include: Sequence[str], render: Render, now: datetime) -> bool:
    """Turn what is in the outbox into events and pending deliveries; whether there may be more of it.

    Transactions: the caller's, which has the row of the webhook locked: nobody else numbers its events.
    """
    facts = await _waiting(tx, webhook_id)
    if not facts:
        return False
    changes = [(fact, change) for fact in facts for change in CHANGES[fact.kind] if change.include in include]
    first = await _numbers(tx, webhook_id, len(changes))
    for number, (fact, change) in enumerate(changes, first):
        await _store(tx, webhook_id, number, fact, change, render, now)
    for fact in facts:
        if fact.kind in ENDS:
            await _note_end(tx, webhook_id, fact)
    taken = [fact.id for fact in facts]
    outbox = delete(WebhookOutbox).where(WebhookOutbox.webhook_id == webhook_id, WebhookOutbox.event_id.in_(taken))
    await tx.execute(outbox)
    return len(facts) == AT_ONCE


async def _numbers(tx: Tx, webhook_id: UUID, count: int) -> int:
    """Take the next numbers; the first of them."""
    counted = update(Webhook).where(Webhook.id == webhook_id).values(sequence=Webhook.sequence + count)
    last: int = (await tx.execute(counted.returning(Webhook.sequence))).scalar_one()
    return last - count + 1


async def _waiting(tx: Tx, webhook_id: UUID) -> list[Fact]:
    columns = (getattr(Event, name) for name in Fact.__slots__)
    queued = (
        select(*columns)
        .join(WebhookOutbox, WebhookOutbox.event_id == Event.id)
        .where(WebhookOutbox.webhook_id == webhook_id)
        .order_by(Event.id)
        .limit(AT_ONCE)
    )
    return [Fact(*row) for row in await tx.execute(queued)]


async def _store(
    tx: Tx, webhook_id: UUID, number: int, fact: Fact, change: Change, render: Render, now: datetime
) -> None:
    event_id, told = new_id(), await render(tx, fact, change.resource)
    same = {"webhook_id": webhook_id, "sequence": number, "created_at": now, "updated_at": now}
    payload = _payload(event_id, number, change, fact, told, now)
    await tx.execute(insert(WebhookEvent).values(id=event_id, include=change.include, payload=payload, **same))
    delivery = {"status": DeliveryStatus.PENDING, "num_attempts": 0, "deadline_at": now + TRIED_FOR}
    await tx.execute(insert(WebhookDelivery).values(id=new_id(), event_id=event_id, **delivery, **same))


def _payload(event_id: UUID, number: int, change: Change, fact: Fact, told: Told, now: datetime) -> dict[str, Any]:
    return {
        "id": str(event_id),
        "action": change.action.value,
        "actor": {"id": str(fact.actor_id), "email": fact.actor_email},
        "resource": change.resource,
        "data": dict(told.data),
        "previous_data": dict(told.previous),
        "created_at": rfc3339(fact.at),
        "updated_at": rfc3339(fact.at),
        "published_at": rfc3339(now),
        "sequence": number,
        "version": _VERSION,
    }


async def _note_end(tx: Tx, webhook_id: UUID, fact: Fact) -> None:
    """If it is the end of what the webhook belongs to, nothing more is put into its outbox."""
    of_app = Webhook.app_id == fact.app_id if fact.addon_id is None else Webhook.addon_id == fact.addon_id
    await tx.execute(update(Webhook).where(Webhook.id == webhook_id, of_app).values(ended_at=fact.at))
