"""How providers have been answering, as everybody may see it. What it decides is in `gate.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, func, select, true

from broker.addons.gate import Circuit
from broker.addons.models import Addon, Operation, OperationState, ProviderHealth
from broker.catalog.members import Role, member_service
from broker.catalog.models import AddonService
from broker.catalog.views import INSTALLABLE_STATES, SUNSET
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class HealthView:
    """One service. `faults` are those in a row; `next_try_at` is set while it is left alone."""

    service_id: UUID
    service: str
    name: str
    circuit: Circuit
    faults: int
    last_fault: str | None
    last_fault_at: datetime | None
    last_ok_at: datetime | None
    next_try_at: datetime | None
    running: int
    queued: int
    waiting: int
    """Operations that the provider has accepted and will report on."""


async def list_health(ctx: Context, actor: Actor) -> list[HealthView]:
    """Every service that the actor may see, by its slug; operators see those too that nobody can install.

    Raises: Forbidden.
    """
    actor.require(Scope.IDENTITY)
    async with ctx.database.transaction() as tx:
        return [_view(row) for row in await tx.execute(_services(_visible(actor)))]


async def get_health(ctx: Context, actor: Actor, key: str) -> HealthView:
    """One of them, by slug or id.

    Raises: NotFound, Forbidden.
    """
    found = [view for view in await list_health(ctx, actor) if key in (view.service, str(view.service_id))]
    if not found:
        raise NotFound("add_on_service")
    return found[0]


async def own_health(ctx: Context, actor: Actor, slug: str) -> HealthView:
    """That of a service in any state, for any of its members.

    Raises: NotFound.
    """
    async with ctx.database.transaction() as tx:
        service = await member_service(tx, actor, slug, Role.DEVELOPER)
        return _view((await tx.execute(_services(AddonService.id == service.id))).one())


def _visible(actor: Actor) -> ColumnElement[bool]:
    return true() if actor.is_operator else AddonService.state.in_((*INSTALLABLE_STATES, SUNSET))


def _services(shown: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    states = (OperationState.RUNNING, OperationState.PENDING, OperationState.WAITING)
    counts = [func.count().filter(Operation.state == state).label(state) for state in states]
    pending = (
        select(Addon.service_id, *counts)
        .join(Operation, Operation.addon_id == Addon.id)
        .where(Operation.finished_at.is_(None))
        .group_by(Addon.service_id)
        .subquery()
    )
    health = (
        ProviderHealth.circuit,
        ProviderHealth.faults,
        ProviderHealth.last_fault,
        ProviderHealth.last_fault_at,
        ProviderHealth.last_ok_at,
        ProviderHealth.retry_at,
    )
    return (
        select(AddonService.id, AddonService.slug, AddonService.name, *health, *(pending.c[state] for state in states))
        .outerjoin(ProviderHealth, ProviderHealth.service_id == AddonService.id)
        .outerjoin(pending, pending.c.service_id == AddonService.id)
        .where(shown)
        .order_by(AddonService.slug)
    )


def _view(row: Row[Any]) -> HealthView:
    circuit = Circuit(row.circuit or Circuit.CLOSED)
    return HealthView(
        service_id=row.id,
        service=row.slug,
        name=row.name,
        circuit=circuit,
        faults=row.faults or 0,
        last_fault=row.last_fault,
        last_fault_at=row.last_fault_at,
        last_ok_at=row.last_ok_at,
        next_try_at=None if circuit is Circuit.CLOSED else row.retry_at,
        running=row.running or 0,
        queued=row.pending or 0,
        waiting=row.waiting or 0,
    )
