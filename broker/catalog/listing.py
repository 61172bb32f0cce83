"""A listing as its partner sees it: where it stands in its life, what it sells at which prices, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, select

from broker.catalog.checklist import Point
from broker.catalog.members import PartnerService, Role, member_service
from broker.catalog.models import AddonService, PlanPrice, ServiceMember, ServiceReview
from broker.catalog.queries import all_plans, get_service
from broker.catalog.review import NEXT, points_of
from broker.catalog.views import SERVICE_COLUMNS, PlanView, ServiceView, service_view
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx


@dataclass(frozen=True, slots=True)
class PriceView:
    """A price from an instant on. Add-ons keep the one that they began with."""

    price_cents: int
    currency: str
    valid_from: datetime


@dataclass(frozen=True, slots=True)
class ListingView:
    """A service with everything that only its partner sees."""

    service: ServiceView
    role: Role
    plans: tuple[tuple[PlanView, tuple[PriceView, ...]], ...]
    """All of them, each with its prices, oldest first."""
    next_state: str | None
    review_pending: bool
    checklist: tuple[Point, ...]


async def list_own(ctx: Context, actor: Actor) -> list[tuple[ServiceView, Role]]:
    """The services that the actor works on, by slug; operators work on all of them.

    Raises: Forbidden.
    """
    actor.require_own_token()
    as_member = and_(ServiceMember.service_id == AddonService.id, ServiceMember.user_id == actor.id)
    wanted = select(*SERVICE_COLUMNS, ServiceMember.role).outerjoin(ServiceMember, as_member)
    if not actor.is_operator:
        wanted = wanted.where(ServiceMember.role.is_not(None))
    async with ctx.database.transaction() as tx:
        rows = (await tx.execute(wanted.order_by(AddonService.slug))).mappings().all()
    return [(service_view(row), Role.OWNER if actor.is_operator else Role(row["role"])) for row in rows]


async def get_listing(ctx: Context, actor: Actor, slug: str) -> ListingView:
    """One of them.

    Raises: NotFound.
    """
    async with ctx.database.transaction() as tx:
        own = await member_service(tx, actor, slug, Role.DEVELOPER)
        service, plans = await get_service(tx, own.id), await all_plans(tx, own.id)
        prices = await _prices(tx, [plan.id for plan in plans])
        following = NEXT.get(own.state)
        return ListingView(
            service=service,
            role=own.role,
            plans=tuple((plan, tuple(prices[plan.id])) for plan in plans),
            next_state=following,
            review_pending=await _is_pending(tx, own),
            checklist=tuple(await points_of(tx, own, following)) if following else (),
        )


async def _prices(tx: Tx, plans: list[UUID]) -> dict[UUID, list[PriceView]]:
    wanted = select(PlanPrice.plan_id, PlanPrice.price_cents, PlanPrice.currency, PlanPrice.valid_from)
    found: dict[UUID, list[PriceView]] = {plan: [] for plan in plans}
    for row in await tx.execute(wanted.where(PlanPrice.plan_id.in_(plans)).order_by(PlanPrice.valid_from)):
        found[row.plan_id].append(PriceView(row.price_cents, row.currency, row.valid_from))
    return found


async def _is_pending(tx: Tx, own: PartnerService) -> bool:
    wanted = select(ServiceReview.id).where(ServiceReview.service_id == own.id, ServiceReview.state == "pending")
    return (await tx.execute(wanted)).first() is not None
