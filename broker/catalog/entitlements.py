"""Entitlements: users whom a partner lets in where not everybody is, to a service while it is alpha or to one plan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from broker.accounts.models import User
from broker.catalog.manifest_plans import SLUG
from broker.catalog.members import PartnerService, Role, find_user, locked_service, member_service
from broker.catalog.models import Entitlement, Plan
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import NotFound
from broker.kernel.ids import new_id


@dataclass(frozen=True, slots=True)
class EntitlementView:
    """Who is let in, and to what: `plan` is a slug, or None for the service as a whole."""

    email: str
    plan: str | None
    since: datetime


async def list_entitlements(ctx: Context, actor: Actor, slug: str) -> list[EntitlementView]:
    """Everybody who is let in, for any member.

    Raises: NotFound.
    """
    wanted = (
        select(User.email, Plan.slug, Entitlement.created_at)
        .join(User, User.id == Entitlement.user_id)
        .outerjoin(Plan, Plan.id == Entitlement.plan_id)
        .order_by(User.email, Plan.slug)
    )
    async with ctx.database.transaction() as tx:
        service = await member_service(tx, actor, slug, Role.DEVELOPER)
        return [EntitlementView(*row) for row in await tx.execute(wanted.where(Entitlement.service_id == service.id))]


async def entitle(ctx: Context, actor: Actor, slug: str, email: str, plan: str | None = None) -> EntitlementView:
    """Let a user in. Again changes nothing.

    Raises: NotFound, Forbidden.
    """
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        service = await locked_service(tx, actor, slug, Role.ADMIN)
        user_id, known_as = await find_user(tx, email)
        row = {
            "id": new_id(),
            "service_id": service.id,
            "plan_id": await _plan_id(tx, service, plan),
            "user_id": user_id,
            "granted_by": actor.id,
            "created_at": now,
        }
        made = insert(Entitlement).values(**row).on_conflict_do_nothing().returning(Entitlement.id)
        if (await tx.execute(made)).first() is not None:
            await emit(tx, "entitlement.granted", actor, now, service=slug, plan=plan, user=str(user_id))
    return EntitlementView(known_as, plan, now)


async def revoke_entitlement(ctx: Context, actor: Actor, slug: str, email: str, plan: str | None = None) -> None:
    """Let a user in no longer; add-ons that are there stay.

    Raises: NotFound, Forbidden.
    """
    async with ctx.database.transaction() as tx:
        service = await locked_service(tx, actor, slug, Role.ADMIN)
        user_id, _ = await find_user(tx, email)
        plan_id = await _plan_id(tx, service, plan)
        gone = delete(Entitlement).where(
            Entitlement.service_id == service.id,
            Entitlement.user_id == user_id,
            Entitlement.plan_id.is_not_distinct_from(plan_id),
        )
        if not (await tx.execute(gone)).rowcount:
            raise NotFound("entitlement", "This user has no such entitlement.")
        await emit(tx, "entitlement.revoked", actor, ctx.clock.now(), service=slug, plan=plan, user=str(user_id))


async def _plan_id(tx: Tx, service: PartnerService, plan: str | None) -> UUID | None:
    if plan is None:
        return None
    wanted = select(Plan.id).where(Plan.service_id == service.id, Plan.slug == plan)
    found = (await tx.execute(wanted)).scalar_one_or_none() if SLUG.complaint(plan) is None else None
    if found is None:
        raise NotFound("plan", f"{service.slug} has no such plan.")
    return found
