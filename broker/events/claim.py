"""Claiming the next attempt of a webhook: its outbox is taken in, and its first unfinished delivery is taken if it is due.

The row of the webhook is the lock: whoever finds it leased leaves, because the holder looks again, under the same lock, before
it lets go. Nothing is sent here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, delete, func, select, update

from broker.events.attempts import Attempt
from broker.events.models import DeliveryStatus, Level, Webhook, WebhookDelivery, WebhookEvent, WebhookOutbox
from broker.events.take_in import Render, take_in
from broker.events.webhooks import key_owner, sealed_place
from broker.kernel.clock import rfc3339
from broker.kernel.context import Context
from broker.kernel.db import Tx
from broker.kernel.ids import new_id
from broker.kernel.secret import Secret


@dataclass(frozen=True, slots=True)
class Places:
    """What deliveries may take. A lease is longer than any attempt can last: after it, another worker makes the attempt again."""

    per_host: int = 8
    lease: timedelta = timedelta(minutes=1)


USUAL: Final = Places()


@dataclass(frozen=True, slots=True)
class Claim:
    """The attempt to make, if there is one now; and whether the outbox held more than is taken in at once."""

    attempt: Attempt | None = None
    is_more_in_outbox: bool = False


async def claim(tx: Tx, ctx: Context, webhook_id: UUID, render: Render, places: Places) -> Claim:
    """Take the next attempt, if there is one whose time has come and the webhook's host has a place.

    Transactions: one of the caller's, committed before anything is sent.
    """
    now = ctx.clock.now()
    hook = await locked_webhook(tx, webhook_id)
    if hook is None:
        await tx.execute(delete(WebhookOutbox).where(WebhookOutbox.webhook_id == webhook_id))
        return Claim()
    if hook.stopped_at is not None:
        return Claim()  # what is in line waits until somebody starts it again
    more = await take_in(tx, webhook_id, hook.include, render, now)
    if hook.lease_until is not None and hook.lease_until > now:
        return Claim(is_more_in_outbox=more)
    head = await first_unfinished(tx, webhook_id)
    if head is None or (head.next_attempt_at is not None and head.next_attempt_at > now):
        await _set(tx, webhook_id, due_at=None if head is None else head.next_attempt_at, lease_until=None)
        return Claim(is_more_in_outbox=more)
    if await _is_crowded(tx, hook.host, now, places):
        await _set(tx, webhook_id, due_at=now, waiting_since=hook.waiting_since or now, lease_until=None)
        return Claim(is_more_in_outbox=more)
    return Claim(await _take(tx, ctx, hook, head, now, places), more)


async def locked_webhook(tx: Tx, webhook_id: UUID) -> Row[Any] | None:
    """The row, which nobody else can change until the transaction ends."""
    statement = select(Webhook.__table__).where(Webhook.id == webhook_id).with_for_update(key_share=True)
    return (await tx.execute(statement)).one_or_none()


async def first_unfinished(tx: Tx, webhook_id: UUID) -> Row[Any] | None:
    """The delivery whose turn it is: they go strictly by their numbers."""
    statement = (
        select(WebhookDelivery.__table__, WebhookEvent.payload)
        .join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
        .where(WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.finished_at.is_(None))
        .order_by(WebhookDelivery.sequence)
        .limit(1)
    )
    return (await tx.execute(statement)).one_or_none()


async def lock_host(tx: Tx, host: str) -> None:
    """Let only one transaction at a time count and give away the places of a host. Taken after the webhook's own lock."""
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"webhooks:{host}", 0))))


async def _is_crowded(tx: Tx, host: str, now: datetime, places: Places) -> bool:
    await lock_host(tx, host)
    leased = select(func.count()).where(Webhook.host == host, Webhook.lease_until > now)
    return ((await tx.execute(leased)).scalar() or 0) >= places.per_host


async def _take(tx: Tx, ctx: Context, hook: Row[Any], head: Row[Any], now: datetime, places: Places) -> Attempt:
    attempt_id, until = new_id(), now + places.lease
    fencing, number = hook.fencing + 1, head.num_attempts + 1
    await _set(tx, hook.id, fencing=fencing, lease_until=until, due_at=until, waiting_since=None)
    begun = {
        "status": DeliveryStatus.SCHEDULED,
        "num_attempts": number,
        "next_attempt_at": None,
        "last_attempt": attempt_row(attempt_id, now, now, DeliveryStatus.SCHEDULED),
        "updated_at": now,
    }
    await tx.execute(update(WebhookDelivery).where(WebhookDelivery.id == head.id).values(begun))
    key = ctx.vault.unwrap(hook.data_key, key_owner(hook.id))

    def opened(name: str, sealed: bytes) -> Secret:
        return Secret(key.open(sealed, sealed_place(hook.id, name)).decode())

    authorization = hook.authorization_sealed
    return Attempt(
        id=attempt_id,
        webhook_id=hook.id,
        delivery_id=head.id,
        event_id=head.event_id,
        fencing=fencing,
        number=number,
        level=Level(hook.level),
        url=hook.url,
        at=now,
        deadline_at=head.deadline_at,
        payload=head.payload,
        secret=opened("secret", hook.secret_sealed),
        authorization=None if authorization is None else opened("authorization", authorization),
    )


async def _set(tx: Tx, webhook_id: UUID, **values: Any) -> None:
    await tx.execute(update(Webhook).where(Webhook.id == webhook_id).values(values))


def attempt_row(
    attempt_id: UUID,
    began: datetime,
    ended: datetime,
    status: DeliveryStatus,
    code: int | None = None,
    error: str | None = None,
) -> dict[str, Any]:
    """The newest attempt, as the row of a delivery keeps it."""
    return {
        "id": str(attempt_id),
        "code": code,
        "error_class": error,
        "status": status.value,
        "created_at": rfc3339(began),
        "updated_at": rfc3339(ended),
    }
