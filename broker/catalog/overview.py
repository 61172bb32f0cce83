"""Every service at a glance, for operators: in which state, what is asked for, what is recommended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import case, exists, func, or_, select

from broker.catalog.models import AddonService, ServiceReview
from broker.catalog.search_models import SearchEntry
from broker.kernel.context import Actor, Context

PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Overview:
    """A service in the operators' list."""

    slug: str
    name: str
    state: str
    featured_at: datetime | None
    sunset_at: datetime | None
    installs: int
    asks: bool
    """Whether a review waits for a decision."""


async def overview(ctx: Context, actor: Actor, text: str = "", page: int = 1) -> tuple[list[Overview], bool]:
    """A page of all services, those first that wait for a decision; and whether there is a further page.

    Raises: NotFound for whoever is no operator.
    """
    actor.require_operator()
    asks = exists().where(ServiceReview.service_id == AddonService.id, ServiceReview.state == "pending")
    wanted = (
        select(
            AddonService.slug,
            AddonService.name,
            AddonService.state,
            AddonService.featured_at,
            AddonService.sunset_at,
            func.coalesce(SearchEntry.installs, 0).label("installs"),
            asks.label("asks"),
        )
        .outerjoin(SearchEntry, SearchEntry.service_id == AddonService.id)
        .order_by(case((asks, 0), else_=1), AddonService.slug)
        .limit(PAGE + 1)
        .offset((max(page, 1) - 1) * PAGE)
    )
    if text:
        wanted = wanted.where(
            or_(AddonService.slug.icontains(text, autoescape=True), AddonService.name.icontains(text, autoescape=True))
        )
    async with ctx.database.transaction() as tx:
        rows = [Overview(**row) for row in (await tx.execute(wanted)).mappings()]
    return rows[:PAGE], len(rows) > PAGE
