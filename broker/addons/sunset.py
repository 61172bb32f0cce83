"""The end of a service, told to everybody who has it: beforehand, when it comes, and when it does not come after all.

What its states mean for the marketplace is the catalog's matter.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, select, update

from broker.addons.models import Addon, AddonState
from broker.apps.models import App
from broker.catalog.members import PartnerService, Role, locked_service
from broker.catalog.models import AddonService
from broker.catalog.queries import get_service, resolve_offer
from broker.catalog.review import ReviewView, approve
from broker.catalog.search_index import state_changed
from broker.catalog.views import SHUTDOWN, SUNSET, ServiceView
from broker.events.emit import emit
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, InvalidParams
from broker.notices.outbox import notify

NOTICE: Final = timedelta(days=30)
"""How long before the end a partner has to tell of it. Operators may have reasons to be quicker."""


async def announce_sunset(
    ctx: Context, actor: Actor, slug: str, at: datetime, successor: str | None = None
) -> ServiceView:
    """From now on nobody adds the service; `at` it ends for those who have it. Again: another day or another successor.

    Every add-on's app gets an event, so that whoever follows it is told. The same again tells nobody anything new.
    Raises: NotFound, Forbidden, InvalidParams for a day too near or a successor that nobody can install, Conflict.
    """
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        service = await locked_service(tx, actor, slug, Role.OWNER)
        if service.state == SHUTDOWN:
            raise Conflict(f"{slug} is shut down already.")
        earliest = now if actor.is_operator else now + NOTICE
        if at <= earliest:
            raise InvalidParams(f"at: must be later than {rfc3339(earliest)}, so that users have time to move.")
        move_to = await _successor(tx, actor, service, successor)
        before = await get_service(tx, service.id)
        if (before.state, before.sunset_at, before.successor) == (SUNSET, at, move_to):
            return before
        ending = {"state": SUNSET, "sunset_at": at, "successor": move_to, "updated_at": now}
        await tx.execute(update(AddonService).where(AddonService.id == service.id).values(**ending))
        await state_changed(tx, service.id, SUNSET)
        data: dict[str, Any] = {"service": slug, "sunset_at": rfc3339(at), "successor": move_to}
        await emit(tx, "addon_service.sunset_announced", actor, now, **data)
        for addon in await _affected(tx, service.id):
            about = {"app_id": addon.app_id, "addon_id": addon.id}
            await emit(tx, "addon.sunset_announced", actor, now, **about, **data)
        await _tell_users(tx, service.id, "service.sunset", data, now)
        return await get_service(tx, service.id)


async def approve_review(
    ctx: Context, actor: Actor, slug: str, checked: Collection[str], note: str | None = None, *, override: bool = False
) -> ReviewView:
    """Bring the listing to the state that was asked for, which may be that it goes on although its end was announced.

    `checked` names what the operator has checked by hand. With `override` points may be open, and `note` says why.
    Raises: NotFound for whoever is no operator, Conflict when no review is pending, InvalidParams naming the open points.
    """
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        service, now = await locked_service(tx, actor, slug, Role.OWNER), ctx.clock.now()
        decided = await approve(tx, actor, service, now, checked, note, override=override and bool(note))
        if service.state == SUNSET:
            await _tell_users(tx, service.id, "service.continues", {"service": slug}, now)
        return decided


async def shut_down(ctx: Context, actor: Actor, slug: str) -> ServiceView:
    """End a service whose announced day has come. Add-ons that are left stay visible, and can be destroyed.

    Raises: NotFound for whoever is no operator, Conflict before the day.
    """
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        service, now = await locked_service(tx, actor, slug, Role.OWNER), ctx.clock.now()
        view = await get_service(tx, service.id)
        if view.state != SUNSET or view.sunset_at is None:
            raise Conflict(f"{slug} is {view.state}: announce its end first, with `broker services:sunset`.")
        if view.sunset_at > now:
            raise Conflict(f"{slug} ends on {rfc3339(view.sunset_at)}, as its users have been told, and not before.")
        ended = {"state": SHUTDOWN, "updated_at": now}
        await tx.execute(update(AddonService).where(AddonService.id == service.id).values(**ended))
        data: dict[str, Any] = {"service": slug, "state": SHUTDOWN, "before": SUNSET}
        await emit(tx, "addon_service.state_changed", actor, now, **data)
        await _tell_users(tx, service.id, "service.ended", {"service": slug, "successor": view.successor}, now)
        return await get_service(tx, service.id)


async def _successor(tx: Tx, actor: Actor, service: PartnerService, text: str | None) -> str | None:
    if not text:
        return None
    offer = await resolve_offer(tx, actor, text)
    if offer.service.id == service.id:
        raise InvalidParams("successor: must be of another service; this one ends as a whole.")
    if not offer.plan.installable:
        raise InvalidParams(f"successor: {text} is not for everybody.")
    return text


async def _affected(tx: Tx, service_id: UUID) -> Sequence[Row[UUID, UUID, str, UUID]]:
    """The add-ons of the service that are there, with the owners of their apps, in the owners' order."""
    affected = (
        select(Addon.id, Addon.app_id, Addon.name, App.owner_id)
        .join(App, App.id == Addon.app_id)
        .where(Addon.service_id == service_id, Addon.state != AddonState.DEPROVISIONED)
        .order_by(App.owner_id, Addon.name)
    )
    return (await tx.execute(affected)).all()


async def _tell_users(tx: Tx, service_id: UUID, kind: str, facts: dict[str, Any], now: datetime) -> None:
    """One mail to each owner, about all that are theirs."""
    for owner, theirs in groupby(await _affected(tx, service_id), lambda addon: addon.owner_id):
        concerned = ", ".join(addon.name for addon in theirs)
        await notify(tx, owner, kind, {**facts, "addons": concerned}, now)
