"""What add-ons cost and use, with the names of add-ons and apps. Every amount is billing's; nothing is computed here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from broker.addons.billed_names import billed_names
from broker.addons.models import Addon, AddonState
from broker.apps.payers import paid_app
from broker.apps.resolve import visible_app
from broker.billing.accrual import Accrual, accrual_of
from broker.billing.bill import Held, Named
from broker.billing.history import account_of
from broker.billing.months import month_of
from broker.billing.pricing import Line
from broker.billing.used import Used, used_in
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx


@dataclass(frozen=True, slots=True)
class CostLine:
    """A line as it will be at the end of the month, as it is now (None: not begun), and what it is about by name."""

    forecast: Line
    now: Line | None
    addon_name: str
    app_id: UUID
    app_name: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CostStatement:
    """A month in one currency."""

    accrual: Accrual
    lines: tuple[CostLine, ...]


@dataclass(frozen=True, slots=True)
class AddonUsage:
    """What an add-on used."""

    addon_id: UUID
    addon_name: str
    used: tuple[Used, ...]


async def account_costs(
    ctx: Context, actor: Actor, month: str | None = None, app: str | None = None
) -> list[CostStatement]:
    """What the actor's account owes for a month such as `2026-11`, by currency; of `app` alone only the lines of that app.

    Raises: InvalidParams; NotFound; Forbidden, also for a token that is limited to some apps.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        app_id = None if app is None else (await paid_app(tx, actor, app)).id
        accruals = await accrual_of(tx, actor.id, month, at)
        held = {(actor.id, line.resource) for each in accruals for line in each.forecast.lines}
        names = await billed_names(tx, held, max(each.forecast.month.end for each in accruals))
    return [CostStatement(each, tuple(_lines(each, names, app_id))) for each in accruals]


def _lines(accrual: Accrual, names: Mapping[Held, Named], app_id: UUID | None) -> Iterable[CostLine]:
    begun = {_key(line): line for line in accrual.now.lines}
    for line in accrual.forecast.lines:
        named = names[accrual.forecast.account, line.resource]
        if app_id in (None, named.app_id):
            yield CostLine(line, begun.get(_key(line)), named.addon, named.app_id, named.app, named.tags)


def _key(line: Line) -> tuple[UUID, UUID, str, str | None]:
    return line.resource, line.price.id, line.mode, line.meter.meter if line.meter else None


async def app_usage(ctx: Context, actor: Actor, app: str) -> list[AddonUsage]:
    """What the metered add-ons billed to an app used this month.

    Raises: NotFound; Forbidden.
    """
    actor.require(Scope.READ)
    async with ctx.database.transaction() as tx:
        found = await visible_app(tx, actor, app)
        addons = (
            select(Addon.id, Addon.name)
            .where(Addon.app_id == found.id, Addon.state != AddonState.DEPROVISIONED)
            .order_by(Addon.created_at, Addon.id)
        )
        rows = (await tx.execute(addons)).all()
        used = await _used(tx, found.payer_id, {row.id for row in rows}, ctx.clock.now())
    return [AddonUsage(row.id, row.name, tuple(used[row.id])) for row in rows if row.id in used]


async def _used(tx: Tx, payer_id: UUID, addon_ids: Collection[UUID], at: datetime) -> dict[UUID, list[Used]]:
    if not addon_ids:
        return {}
    _, zone = await account_of(tx, payer_id)
    return await used_in(tx, addon_ids, month_of(at, zone))
