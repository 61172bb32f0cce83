"""The orphan ledger: what may be left at providers though nobody wants it. Its rows, who reads them, what operators decide.

The deleting is done by `reap.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, case, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from broker.addons.locks import LockedAddon
from broker.addons.models import Addon, Orphan, OrphanState, Ownership
from broker.addons.work import history_entry
from broker.apps.models import App
from broker.catalog.models import AddonService, Plan
from broker.events.emit import emit
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.kernel.jobs import defer
from broker.kernel.parts import Part, bounded

REAP: Final = "broker.reap"
"""Name of the job that tries once to delete one orphan."""

LONGEST_REASON: Final = 500
_LONGEST_HISTORY: Final = 100


@dataclass(frozen=True, slots=True)
class OrphanView:
    """One row of the ledger. Units: `price_cents` is the last price, per month."""

    id: UUID
    provider: str
    service: str
    addon_id: UUID
    addon_name: str
    app_name: str
    ownership: str
    resource_id: str | None
    plan: str
    price_cents: int
    currency: str
    reason: str
    since: datetime
    state: str
    attempts: int
    next_attempt_at: datetime | None
    last_answer: str | None
    history: tuple[Mapping[str, Any], ...]
    updated_at: datetime


async def record_orphan(
    tx: Tx, addon: LockedAddon, provider_id: str | None, reason: str, at: datetime, *, first_try: datetime | None = None
) -> None:
    """Write that a resource may be left at the provider; one row per add-on, opened again if it was thought gone.

    Transactions: the caller's, with the add-on locked. What was imported is never tried: it stays until it is resolved.
    """
    never = addon.ownership != Ownership.CREATED
    new = insert(Orphan).values(
        id=new_id(),
        addon_id=addon.id,
        service_id=addon.service_id,
        plan_id=addon.plan_id,
        provider_id=provider_id or addon.provider_id,
        price_cents=addon.price_cents,
        reason=reason,
        state=OrphanState.OPEN,
        attempts=0,
        next_at=None if never else first_try or at,
        history=history_entry(at, "recorded", OrphanState.OPEN, note=reason),
        since=at,
        updated_at=at,
    )
    again: dict[str, Any] = {name: new.excluded[name] for name in ("reason", "state", "next_at", "since", "updated_at")}
    again["provider_id"] = func.coalesce(new.excluded.provider_id, Orphan.provider_id)
    again["history"] = Orphan.history.op("||")(new.excluded.history)
    known_gone = Orphan.state == OrphanState.DELETED
    written = new.on_conflict_do_update(index_elements=["addon_id"], set_=again, where=known_gone).returning(Orphan.id)
    if (await tx.execute(written)).scalar() is not None:
        await emit(
            tx, "orphan.recorded", SYSTEM, at, app_id=addon.app_id, addon_id=addon.id, reason=reason,
            service=addon.service, price_cents=addon.price_cents,
        )  # fmt: skip


async def mark_deleted(tx: Tx, orphan_id: UUID, how: str, at: datetime) -> bool:
    """Close an open orphan, of which no attempt is under way, as gone; False if it is not open any more."""
    entry = history_entry(at, "reconciled", OrphanState.DELETED, note=how)
    idle = or_(Orphan.lease_until.is_(None), Orphan.lease_until <= at)
    closed = (
        update(Orphan)
        .where(Orphan.id == orphan_id, Orphan.state == OrphanState.OPEN, idle)
        .values(state=OrphanState.DELETED, next_at=None, updated_at=at, history=with_entry(entry))
        .returning(Orphan.addon_id, Orphan.attempts)
    )
    row = (await tx.execute(closed)).one_or_none()
    if row is not None:
        await emit(tx, "orphan.deleted", SYSTEM, at, addon_id=row.addon_id, attempts=row.attempts)
    return row is not None


def with_entry(entry: list[dict[str, Any]]) -> ColumnElement[Any]:
    """The history of an orphan with one entry more; of a long one, the oldest but the first is dropped."""
    full = func.jsonb_array_length(Orphan.history) >= _LONGEST_HISTORY
    kept = case((full, Orphan.history.op("-")(1)), else_=Orphan.history)
    return kept.op("||")(literal(entry, JSONB))


_VIEW: Final = (
    Orphan.id,
    AddonService.name,
    AddonService.slug,
    Orphan.addon_id,
    Addon.name,
    App.name,
    Addon.ownership,
    Orphan.provider_id,
    AddonService.slug + ":" + Plan.slug,
    Orphan.price_cents,
    Plan.currency,
    Orphan.reason,
    Orphan.since,
    Orphan.state,
    Orphan.attempts,
    Orphan.next_at,
    Orphan.last_answer,
    Orphan.history,
    Orphan.updated_at,
)


def _orphans() -> Select[*tuple[Any, ...]]:
    return (
        select(*_VIEW)
        .select_from(Orphan)
        .join(Addon, Addon.id == Orphan.addon_id)
        .join(App, App.id == Addon.app_id)
        .join(AddonService, AddonService.id == Orphan.service_id)
        .join(Plan, Plan.id == Orphan.plan_id)
    )


def _view(row: Row[Any]) -> OrphanView:
    fields = dict(zip(OrphanView.__slots__, row, strict=True))
    return OrphanView(**fields | {"history": tuple(fields["history"])})


async def list_orphans(
    ctx: Context, actor: Actor, state: str | None = None, *, skip: int = 0, most: int = 1000
) -> list[OrphanView]:
    """A part of the ledger, what is open first and then the newest first.

    Raises: NotFound for everybody but operators; InvalidParams for a state that there is not.
    """
    ordered = _orphans().order_by((Orphan.state != OrphanState.OPEN), Orphan.since.desc(), Orphan.id)
    return await _read(ctx, actor, state, ordered.offset(skip).limit(most))


async def read_orphans(ctx: Context, actor: Actor, state: str | None, part: Part) -> list[OrphanView]:
    """The same by id, for whoever reads all of it part by part.

    Raises: as above.
    """
    return await _read(ctx, actor, state, bounded(_orphans(), Orphan.id, part))


async def _read(ctx: Context, actor: Actor, state: str | None, rows: Select[Any]) -> list[OrphanView]:
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        return [_view(row) for row in await tx.execute(rows.where(*_in_state(state)))]


@dataclass(frozen=True, slots=True)
class OrphanSum:
    """How many orphans there are whose plans are priced in a currency, and what they came to a month. Units: minor units."""

    currency: str
    count: int
    minor: int


async def sum_orphans(ctx: Context, actor: Actor, state: str | None = None) -> list[OrphanSum]:
    """What the ledger, or what is in one state of it, comes to.

    Raises: as above.
    """
    actor.require_operator()
    sums = (
        select(Plan.currency, func.count(), func.sum(Orphan.price_cents))
        .join(Plan, Plan.id == Orphan.plan_id)
        .where(*_in_state(state))
        .group_by(Plan.currency)
        .order_by(Plan.currency)
    )
    async with ctx.database.transaction() as tx:
        return [OrphanSum(currency, count, int(minor)) for currency, count, minor in await tx.execute(sums)]


def _in_state(state: str | None) -> list[ColumnElement[bool]]:
    if state is not None and state not in set(OrphanState):
        raise InvalidParams(f"state: must be one of {', '.join(OrphanState)}.")
    return [] if state is None else [Orphan.state == state]


async def get_orphan(ctx: Context, actor: Actor, key: str) -> OrphanView:
    """One row of the ledger.

    Raises: NotFound.
    """
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        return await _get(tx, key)


async def _get(tx: Tx, key: str) -> OrphanView:
    orphan_id = as_uuid(key)
    row = (await tx.execute(_orphans().where(Orphan.id == orphan_id))).one_or_none() if orphan_id else None
    if row is None:
        raise NotFound("orphan")
    return _view(row)


async def _open(tx: Tx, key: str) -> OrphanView:
    """The orphan, locked.

    Raises: NotFound; Conflict if nothing is to be decided about it any more.
    """
    if orphan_id := as_uuid(key):
        await tx.execute(select(Orphan.id).where(Orphan.id == orphan_id).with_for_update())
    orphan = await _get(tx, key)
    if orphan.state != OrphanState.OPEN:
        raise Conflict(f"The orphan of {orphan.addon_name} is {orphan.state} already.")
    return orphan


async def retry_orphan(ctx: Context, actor: Actor, key: str) -> OrphanView:
    """Have it tried now instead of at its time.

    Raises: NotFound; Conflict if it is not open, or is none of those that the broker may delete.
    """
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        orphan, now = await _open(tx, key), ctx.clock.now()
        if orphan.ownership != Ownership.CREATED:
            raise Conflict(f"{orphan.addon_name} was imported, not made here: it is never deleted. Resolve it.")
        await bring_forward(tx, orphan.id, orphan.attempts, now)
        return await _get(tx, key)


async def bring_forward(tx: Tx, orphan_id: UUID, attempts: int, now: datetime) -> None:
    """Have the next attempt at an open orphan, which the caller has locked, made at once."""
    await tx.execute(update(Orphan).where(Orphan.id == orphan_id).values(next_at=now, updated_at=now))
    await defer(tx, REAP, {"orphan_id": str(orphan_id), "attempt": attempts})


async def resolve_orphan(ctx: Context, actor: Actor, key: str, reason: str) -> OrphanView:
    """Close it by decision: it is dealt with otherwise, and the broker tries no more.

    Raises: NotFound; InvalidParams without a reason; Conflict if it is not open.
    """
    actor.require_operator()
    said = checked_reason(reason)
    async with ctx.database.transaction() as tx:
        orphan, now = await _open(tx, key), ctx.clock.now()
        entry = history_entry(now, "resolved", OrphanState.RESOLVED, note=said, by=actor.email)
        await tx.execute(
            update(Orphan)
            .where(Orphan.id == orphan.id)
            .values(state=OrphanState.RESOLVED, next_at=None, updated_at=now, history=with_entry(entry))
        )
        await emit(tx, "orphan.resolved", actor, now, addon_id=orphan.addon_id, reason=said, service=orphan.service)
        return await _get(tx, key)


def checked_reason(reason: str) -> str:
    """What an operator gave as the reason, without blanks around it.

    Raises: InvalidParams if it is empty or long.
    """
    said = reason.strip()
    if not 0 < len(said) <= LONGEST_REASON:
        raise InvalidParams(f"reason: say why, in 1 to {LONGEST_REASON} characters.")
    return said
