"""How a listing comes to its next state: its owner asks for a review, an operator decides by the checklist."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, insert, select, update

from broker.catalog.checklist import Point, checklist
from broker.catalog.members import PartnerService, Role, locked_service, member_service
from broker.catalog.models import AddonService, ServiceReview
from broker.catalog.queries import all_plans, get_service
from broker.catalog.reading import json_complaint
from broker.catalog.search_index import state_changed
from broker.catalog.views import ALPHA, BETA, GA, SUNSET
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, InvalidParams
from broker.kernel.ids import new_id

NEXT: Final = {ALPHA: BETA, BETA: GA, SUNSET: GA}
"""The state that a review is about, by the state that the service is in. What was to end may be taken up again."""
_PENDING: Final = "pending"
_LARGEST_KIT_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class ReviewView:
    """One review with its checklist: as of now while it is pending, else as of the decision."""

    id: UUID
    service: str
    wanted: str
    state: str
    checklist: tuple[Point, ...]
    note: str | None
    requested_by: str
    decided_by: str | None
    created_at: datetime
    decided_at: datetime | None


async def request_review(ctx: Context, actor: Actor, slug: str, kit: Mapping[str, Any] | None = None) -> ReviewView:
    """Ask the operators to bring the listing to its next state, with a report of the provider test kit if there is one.

    Raises: NotFound, Forbidden, InvalidParams for a report that is none, Conflict when one is pending or nothing follows.
    """
    summary = None if kit is None else _summary(kit)
    async with ctx.database.transaction() as tx:
        service, now = await locked_service(tx, actor, slug, Role.OWNER), ctx.clock.now()
        if service.state not in NEXT:
            raise Conflict(f"{slug} is {service.state}: there is no state that a review could bring it to.")
        if await _pending(tx, service) is not None:
            raise Conflict(f"A review of {slug} is pending already; the operators decide about it.")
        if summary is not None and (await get_service(tx, service.id)).conformant is None:
            report = {"summary": summary, "at": now.isoformat(), "reported_by": actor.email}
            await tx.execute(
                update(AddonService).where(AddonService.id == service.id).values(conformance=report, updated_at=now)
            )
        await tx.execute(insert(ServiceReview).values(**await _new(tx, service, actor, now)))
        await emit(tx, "service_review.requested", actor, now, service=slug, wanted=NEXT[service.state])
        return await _shown(tx, service, await _pending(tx, service))


async def approve(
    tx: Tx,
    actor: Actor,
    service: PartnerService,
    now: datetime,
    checked: Collection[str],
    note: str | None,
    *,
    override: bool,
) -> ReviewView:
    """Bring the listing to the state that was asked for. `checked` names what the operator has checked by hand; with
    `override` points may be open.

    Transactions: the caller's, with the service locked; see `addons/sunset.py`, where users are told.
    Raises: Conflict when no review is pending, InvalidParams naming the open points.
    """
    row = await _pending_one(tx, service)
    points = _with_checked(await points_of(tx, service, row.wanted), checked)
    open_ = [point.name for point in points if not point.met]
    if open_ and not override:
        raise InvalidParams(f"Not everything is as it should be yet: {', '.join(open_)}. {_HOW}")
    moved = {"state": row.wanted, "sunset_at": None, "successor": None, "updated_at": now}
    await tx.execute(update(AddonService).where(AddonService.id == service.id).values(**moved))
    await state_changed(tx, service.id, row.wanted)
    decided = await _decide(tx, row, actor, now, "approved", points, note)
    told = {"service": service.slug, "state": row.wanted, "before": service.state}
    await emit(tx, "addon_service.state_changed", actor, now, **told)
    return _view(decided, service, points)


async def refuse(ctx: Context, actor: Actor, slug: str, note: str) -> ReviewView:
    """Leave the listing as it is; the note tells its owner why.

    Raises: NotFound for whoever is no operator, Conflict when no review is pending.
    """
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        service, now = await locked_service(tx, actor, slug, Role.OWNER), ctx.clock.now()
        row = await _pending_one(tx, service)
        points = await points_of(tx, service, row.wanted)
        decided = await _decide(tx, row, actor, now, "refused", points, note)
        await emit(tx, "service_review.refused", actor, now, service=slug, wanted=row.wanted, note=note)
        return _view(decided, service, points)


async def list_reviews(ctx: Context, actor: Actor, slug: str) -> list[ReviewView]:
    """The reviews of a service, newest first, for its members and the operators.

    Raises: NotFound.
    """
    async with ctx.database.transaction() as tx:
        service = await member_service(tx, actor, slug, Role.DEVELOPER)
        wanted = select(ServiceReview.__table__).where(ServiceReview.service_id == service.id)
        newest = (ServiceReview.created_at.desc(), ServiceReview.id.desc())
        rows = (await tx.execute(wanted.order_by(*newest))).all()
        return [await _shown(tx, service, row) for row in rows]


async def list_pending(ctx: Context, actor: Actor) -> list[ReviewView]:
    """Every review that waits for a decision, oldest first.

    Raises: NotFound for whoever is no operator.
    """
    actor.require_operator()
    wanted = (
        select(AddonService.slug)
        .join(ServiceReview, ServiceReview.service_id == AddonService.id)
        .where(ServiceReview.state == _PENDING)
        .order_by(ServiceReview.created_at)
    )
    async with ctx.database.transaction() as tx:
        slugs = list((await tx.execute(wanted)).scalars())
        services = [await member_service(tx, actor, slug, Role.OWNER) for slug in slugs]
        return [await _shown(tx, service, await _pending_one(tx, service)) for service in services]


async def points_of(tx: Tx, service: PartnerService, wanted: str) -> list[Point]:
    """The checklist as it stands now."""
    return checklist(await get_service(tx, service.id), await all_plans(tx, service.id), wanted)


_HOW: Final = "Name what you have checked by hand as `checked`, or decide all the same with `override` and a `note`."


async def _new(tx: Tx, service: PartnerService, actor: Actor, now: datetime) -> dict[str, Any]:
    wanted = NEXT[service.state]
    return {
        "id": new_id(),
        "service_id": service.id,
        "wanted": wanted,
        "state": _PENDING,
        "checklist": [point.stored() for point in await points_of(tx, service, wanted)],
        "requested_by": actor.id,
        "requested_by_email": actor.email,
        "created_at": now,
    }


def _with_checked(points: list[Point], checked: Collection[str]) -> list[Point]:
    unknown = set(checked) - {point.name for point in points if point.manual}
    if unknown:
        raise InvalidParams(f"These are no points to check by hand: {', '.join(sorted(unknown))}.")
    return [replace(point, met=point.name in checked) if point.manual else point for point in points]


async def _decide(
    tx: Tx, row: Row[Any], actor: Actor, now: datetime, state: str, points: list[Point], note: str | None
) -> Row[Any]:
    values = {
        "state": state,
        "checklist": [point.stored() for point in points],
        "note": note,
        "decided_by": actor.id,
        "decided_by_email": actor.email,
        "decided_at": now,
    }
    changed = update(ServiceReview).where(ServiceReview.id == row.id).values(**values)
    return (await tx.execute(changed.returning(*ServiceReview.__table__.columns))).one()


async def _pending(tx: Tx, service: PartnerService) -> Row[Any] | None:
    wanted = select(ServiceReview.__table__).where(
        ServiceReview.service_id == service.id, ServiceReview.state == _PENDING
    )
    return (await tx.execute(wanted)).one_or_none()


async def _pending_one(tx: Tx, service: PartnerService) -> Row[Any]:
    row = await _pending(tx, service)
    if row is None:
        raise Conflict(f"No review of {service.slug} is pending; its owner asks for one with `broker provider:review`.")
    return row


async def _shown(tx: Tx, service: PartnerService, row: Row[Any] | None) -> ReviewView:
    assert row is not None
    if row.state == _PENDING:
        return _view(row, service, await points_of(tx, service, row.wanted))
    return _view(row, service, [Point(**stored) for stored in row.checklist])


def _view(row: Row[Any], service: PartnerService, points: Collection[Point]) -> ReviewView:
    return ReviewView(
        id=row.id,
        service=service.slug,
        wanted=row.wanted,
        state=row.state,
        checklist=tuple(points),
        note=row.note,
        requested_by=row.requested_by_email,
        decided_by=row.decided_by_email,
        created_at=row.created_at,
        decided_at=row.decided_at,
    )


def _summary(kit: Mapping[str, Any]) -> dict[str, int]:
    """The counts of a report of the kit: all that is kept of it."""
    found = kit.get("summary")
    words = ("passed", "failed", "warned", "skipped")
    if json_complaint(kit, _LARGEST_KIT_BYTES) or not isinstance(found, Mapping):
        raise InvalidParams("kit: must be a report of `broker provider:test --json`.")
    counts = {word: found.get(word, 0) for word in words}
    if not all(isinstance(count, int) and 0 <= count < 10_000 for count in counts.values()):
        raise InvalidParams("kit: must be a report of `broker provider:test --json`.")
    return counts
