"""Payouts as those see them whom they concern: the partner its own, operators all of them, and as a table for the bank."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select

from broker.accounts.models import User
from broker.catalog.members import Role, member_service
from broker.catalog.models import AddonService, ServiceMember
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import NotFound
from broker.kernel.money import decimal
from broker.kernel.parts import NEWEST, Part, bounded
from broker.payouts.models import Payout, PayoutState


@dataclass(frozen=True, slots=True)
class PayoutView:
    """A payout. Units: minor units."""

    id: UUID
    service: str
    currency: str
    day: str
    minor: int
    earned_until: datetime
    state: str
    reference: str
    reason: str
    created_at: datetime
    approved_at: datetime | None
    finished_at: datetime | None


PAYOUT_COLUMNS: Final = [getattr(Payout, name) for name in PayoutView.__slots__]
EXPORT_COLUMNS: Final = "payout day service partner currency amount state reference drafted_at".split()


async def list_payouts(ctx: Context, actor: Actor, slug: str) -> Sequence[PayoutView]:
    """The payouts of a service, the newest first: for its owners and admins.

    Raises: NotFound, Forbidden.
    """
    async with ctx.database.transaction() as tx:
        service = await member_service(tx, actor, slug, Role.ADMIN)
        own = select(*PAYOUT_COLUMNS).where(Payout.service == service.slug).order_by(Payout.id.desc())
        return [PayoutView(*row) for row in await tx.execute(own)]


async def every_payout(
    ctx: Context, actor: Actor, state: PayoutState | None = None, part: Part = NEWEST
) -> Sequence[PayoutView]:
    """A part of the payouts of all services, or of those in one state: operators only.

    Raises: NotFound for everybody else.
    """
    actor.require_operator()
    wanted = select(*PAYOUT_COLUMNS)
    if state is not None:
        wanted = wanted.where(Payout.state == state)
    async with ctx.database.transaction() as tx:
        return [PayoutView(*row) for row in await tx.execute(bounded(wanted, Payout.id, part))]


async def get_payout(tx: Tx, payout_id: UUID | None) -> PayoutView:
    """A payout, its row locked: one change at a time.

    Raises: NotFound.
    """
    row = (await tx.execute(select(*PAYOUT_COLUMNS).where(Payout.id == payout_id).with_for_update())).one_or_none()
    if row is None:
        raise NotFound("payout")
    return PayoutView(*row)


async def owners_of(tx: Tx, service: str) -> Sequence[UUID]:
    """Who is told of money for a service."""
    owners = (
        select(ServiceMember.user_id)
        .join(AddonService, AddonService.id == ServiceMember.service_id)
        .where(AddonService.slug == service, ServiceMember.role == Role.OWNER)
        .order_by(ServiceMember.user_id)
    )
    return (await tx.execute(owners)).scalars().all()


async def export_payouts(
    ctx: Context, actor: Actor, state: PayoutState = PayoutState.APPROVED
) -> AsyncIterator[Sequence[str]]:
    """Payouts in one state as rows, the names of the columns first: operators only. Amounts are decimals.

    Raises: NotFound for everybody else.
    """
    actor.require_operator()
    yield EXPORT_COLUMNS
    owners = (
        select(AddonService.slug, func.string_agg(User.email, " ").label("emails"))
        .join(ServiceMember, ServiceMember.service_id == AddonService.id)
        .join(User, User.id == ServiceMember.user_id)
        .where(ServiceMember.role == Role.OWNER)
        .group_by(AddonService.slug)
        .subquery()
    )
    wanted = select(*PAYOUT_COLUMNS, owners.c.emails).outerjoin(owners, owners.c.slug == Payout.service)
    async with ctx.database.transaction() as tx:
        rows = (await tx.execute(wanted.where(Payout.state == state).order_by(Payout.id))).all()
    for *columns, emails in rows:
        view = PayoutView(*columns)
        amount = decimal(view.minor, view.currency)
        yield [
            str(view.id), view.day, view.service, emails or "", view.currency.upper(), amount, view.state,
            view.reference, rfc3339(view.created_at),
        ]  # fmt: skip
