"""What the marketplace shows to everybody: its shelves, and one listing. Nothing of alpha services or of hidden plans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, bindparam, func, literal_column, select

from broker.catalog.access import listed_for_all
from broker.catalog.models import AddonService
from broker.catalog.queries import get_service, plans_for, visible_service
from broker.catalog.search_models import SearchEntry, ServiceLogo
from broker.catalog.search_page import Hit, hits_by_id
from broker.catalog.views import ALPHA, SHUTDOWN, PlanView, ServiceView
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.direct import Direct
from broker.kernel.errors import NotFound

_SHOWN: Final = 6


@dataclass(frozen=True, slots=True)
class Front:
    """The first page: what operators recommend, what many have, what is new, and how much there is of each kind."""

    featured: tuple[Hit, ...]
    popular: tuple[Hit, ...]
    new: tuple[Hit, ...]
    counts: Mapping[str, int]
    total: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A service as its page shows it."""

    service: ServiceView
    plans: tuple[PlanView, ...]
    installs: int
    logo: str | None
    is_open: bool
    """Whether everybody finds it: else it is for those who are let in, or on its way out."""


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture of ours to be shown."""

    media_type: str
    content: bytes


async def front(ctx: Context) -> Front:
    """The shelves as they are now. What is featured is not shown a second time as new."""
    async with ctx.database.transaction() as tx:
        counts, total = await _counts(tx)
        shelves = [[row[0] for row in await shelf.all(tx)] for shelf in (_FEATURED, _POPULAR, _NEW)]
        hits = await hits_by_id(tx, [service for shelf in shelves for service in shelf])
    featured, popular, new = (tuple(hits[service] for service in shelf if service in hits) for shelf in shelves)
    return Front(featured, popular, new, counts, total)


async def listing(ctx: Context, slug: str, actor: Actor | None = None) -> Listing:
    """One service, by its slug, as everybody finds it; signed in, also what one is let into.

    Raises: NotFound.
    """
    async with ctx.database.transaction() as tx:
        service = await _service(tx, slug, actor)
        plans = await plans_for(tx, actor, service)
        row = (await _SHOWN_AS.all(tx, service=service.id))[0]
        return Listing(service, tuple(plans), row["installs"] or 0, row["logo"], row["is_open"])


async def listed_since(ctx: Context) -> list[tuple[str, datetime]]:
    """Every listed service with its last change, by slug: for whoever indexes the pages."""
    wanted = select(AddonService.slug, AddonService.updated_at).where(listed_for_all()).order_by(AddonService.slug)
    async with ctx.database.transaction() as tx:
        return [(row.slug, row.updated_at) for row in await tx.execute(wanted)]


async def logo(ctx: Context, slug: str) -> Logo | None:
    """The picture of a service, if it has one of its own. It tells nothing that a listing would not: it goes with that."""
    wanted = select(ServiceLogo.media_type, ServiceLogo.content).join(
        AddonService, AddonService.id == ServiceLogo.service_id
    )
    listed = AddonService.state.not_in((ALPHA, SHUTDOWN))
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(wanted.where(AddonService.slug == slug, listed))).one_or_none()
    return None if row is None else Logo(row.media_type, row.content)


async def _service(tx: Tx, slug: str, actor: Actor | None) -> ServiceView:
    service = await (get_service(tx, slug) if actor is None else visible_service(tx, actor, slug))
    if service.state == SHUTDOWN or service.slug != slug or (actor is None and service.state == ALPHA):
        raise NotFound("add_on_service", "There is no such add-on.")
    return service


def _shelves() -> tuple[Direct, Direct, Direct]:
    """What operators recommend, what many have, and what is new: ids grow with time."""
    most: ColumnElement[int] = literal_column(str(_SHOWN))  # said, so that PostgreSQL plans for few
    featured = select(AddonService.id).where(AddonService.featured_at.is_not(None), listed_for_all())
    entries = select(SearchEntry.service_id).where(SearchEntry.is_listed.is_(True))
    popular = entries.where(SearchEntry.installs > 0).order_by(SearchEntry.installs.desc(), SearchEntry.slug)
    new = entries.where(SearchEntry.service_id.not_in(featured)).order_by(SearchEntry.service_id.desc())
    recommended = featured.order_by(AddonService.featured_at.desc(), AddonService.slug)
    return Direct(recommended.limit(most)), Direct(popular.limit(most)), Direct(new.limit(most))


async def _counts(tx: Tx) -> tuple[Mapping[str, int], int]:
    """How many listed services there are of each category, and in all. Read once, by what they have in common."""
    counts: Counter[str] = Counter()
    total = 0
    for row in await _ALIKE.all(tx):
        counts.update(dict.fromkeys(row["categories"], row["number"]))
        total += row["number"]
    return counts, total


_FEATURED, _POPULAR, _NEW = _shelves()
_ALIKE: Final = Direct(
    select(SearchEntry.categories, func.count().label("number"))
    .where(SearchEntry.is_listed.is_(True))
    .group_by(SearchEntry.categories)
)
_SHOWN_AS: Final = Direct(
    select(SearchEntry.installs, SearchEntry.logo, listed_for_all().label("is_open"))
    .select_from(AddonService)
    .outerjoin(SearchEntry, SearchEntry.service_id == AddonService.id)
    .where(AddonService.id == bindparam("service", required=False))
)
