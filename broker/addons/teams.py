"""What of teams needs their add-ons and bills: giving them apps, what they use, and ending one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, exists, or_, select, update

from broker.accounts.emails import TEAM_DOMAIN
from broker.accounts.models import User
from broker.accounts.team_models import TeamInvitation, TeamMember
from broker.accounts.team_roles import RULING, TeamRole
from broker.accounts.teams import TeamView, locked_team, require_role, team_of
from broker.addons.costs import AddonUsage, app_usage
from broker.addons.handover import has_costs, move_bill
from broker.addons.models import Addon, AddonState
from broker.addons.queries import AddonView, find_addons
from broker.apps.collaborators import live_app_ids
from broker.apps.models import App
from broker.apps.payers import PayerState
from broker.apps.releases import LockedApp
from broker.apps.resolve import AppView
from broker.apps.team_apps import give_app, list_team_apps
from broker.apps.term_models import PayerOffer
from broker.billing.accrual import accrual_of
from broker.billing.history import account_of
from broker.billing.ledger import is_withheld_from
from broker.billing.models import Invoice, UsagePeriod
from broker.billing.months import month_of
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx, again_on_deadlock
from broker.kernel.errors import Conflict, Forbidden
from broker.payments.methods import drop_methods
from broker.payments.models import Payment
from broker.payments.start import TO_BE_PAID


@dataclass(frozen=True, slots=True)
class AppUsage:
    """What the metered add-ons billed to an app used this month."""

    app: AppView
    addons: Sequence[AddonUsage]


async def give_app_away(ctx: Context, actor: Actor, app_key: str, recipient: str) -> AppView:
    """Have an app belong to a team, or to the actor, from now on, with its add-ons and what they cost. Who is only a member of
    the team brings nothing that costs it money.

    Transactions: one. Raises: NotFound, Forbidden, InvalidParams; PaymentRequired if the new owner can't bear what it costs.
    """

    async def move(tx: Tx, app: LockedApp, to: UUID) -> None:
        if (
            to != actor.id
            and (await team_of(tx, actor, str(to))).role not in RULING
            and await has_costs(tx, app.id, to)
        ):
            raise Forbidden(
                f"{app.name} has add-ons that cost money, which the team would pay: an owner or admin of it can take it,"
                " if you offer it to the team's address."
            )
        await move_bill(tx, ctx, actor, app, to)

    return await again_on_deadlock(lambda: give_app(ctx, actor, app_key, recipient, move))


async def team_addons(ctx: Context, actor: Actor, team_key: str) -> list[AddonView]:
    """The add-ons that are billed to the apps of a team, oldest first, for anybody in it.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    async with ctx.database.transaction() as tx:
        team = await team_of(tx, actor, team_key)
        billed = Addon.app_id.in_(select(App.id).where(App.owner_id == team.id))
        return await find_addons(tx, actor, billed & (Addon.state != AddonState.DEPROVISIONED))


async def team_usage(ctx: Context, actor: Actor, team_key: str) -> list[AppUsage]:
    """What the metered add-ons of each of its apps used this month, for anybody in the team; apps without any are left out.

    Raises: NotFound, Forbidden.
    """
    found = [
        AppUsage(app, await app_usage(ctx, actor, str(app.id))) for app in await list_team_apps(ctx, actor, team_key)
    ]
    return [usage for usage in found if usage.addons]


async def end_team(ctx: Context, actor: Actor, team_key: str) -> TeamView:
    """End a team that owns nothing and owes nothing; how it was. Its name is free again; its bills stay. For owners.

    Transactions: one, with the team locked. Takes a token of one's own, without limits.
    Raises: NotFound, Forbidden; Conflict, saying what is in the way.
    """
    actor.require_own_token()
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        team = await locked_team(tx, actor, team_key, "end it", (TeamRole.OWNER,))
        await _require_empty(tx, team, at)
        await drop_methods(tx, actor, team.id, at)
        await tx.execute(delete(TeamMember).where(TeamMember.team_id == team.id))
        pending = (TeamInvitation.team_id == team.id, TeamInvitation.state == "pending")
        await tx.execute(update(TeamInvitation).where(*pending).values(state="revoked", updated_at=at))
        gone = {"team_ended_at": at, "updated_at": at, "email": f"{team.name}.{team.id}@{TEAM_DOMAIN}"}
        await tx.execute(update(User).where(User.id == team.id).values(gone))
        await emit(tx, "team.ended", actor, at, team=str(team.id), name=team.name)
        return team


async def what_keeps_team(ctx: Context, actor: Actor, team_key: str) -> str | None:
    """What is in the way of ending a team, for its owners, who may: what it owes is not for everybody in it. None if nothing is.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        team = await team_of(tx, actor, team_key)
        require_role(team, "end it", (TeamRole.OWNER,))
        try:
            await _require_empty(tx, team, ctx.clock.now())
        except Conflict as error:
            return error.message
        return None


async def _require_empty(tx: Tx, team: TeamView, at: datetime) -> None:
    if await live_app_ids(tx, team.id):
        raise Conflict(f"The team {team.name} owns apps: destroy them, or give them to somebody else, first.")
    paying = (PayerOffer.account_id == team.id, PayerOffer.state == PayerState.ACCEPTED)
    if (await tx.execute(select(PayerOffer.id).where(*paying).limit(1))).scalar() is not None:
        raise Conflict(f"The team {team.name} pays for apps of others: end that first, with `broker payers`.")
    open_ = (UsagePeriod.payer_id == team.id, UsagePeriod.ended_at.is_(None))
    owed = (Invoice.account_id == team.id, Invoice.state.in_(TO_BE_PAID))
    moving = (Payment.account_id == team.id, Payment.finished_at.is_(None))
    if (await tx.execute(select(or_(*(exists().where(*each) for each in (open_, owed, moving)))))).scalar():
        raise Conflict(f"The team {team.name} owes money, or is about to pay: it can be ended when that is settled.")
    if await is_withheld_from(tx, team.id):
        raise Conflict(f"A bank has not decided about a payment of the team {team.name}: it may be owed again.")
    for month in await _months_to_bill(tx, team.id, at):
        if any(each.now.due_minor for each in await accrual_of(tx, team.id, month, at)):
            raise Conflict(f"The team {team.name} owes for {month}: it can be ended when that is billed and paid.")


async def _months_to_bill(tx: Tx, team_id: UUID, at: datetime) -> list[str]:
    """The present month, and the one before while it is not closed."""
    _, zone = await account_of(tx, team_id)
    present = month_of(at, zone)
    before = str(month_of(present.start - timedelta(days=1), zone))
    closed = select(Invoice.id).where(Invoice.account_id == team_id, Invoice.month == before).limit(1)
    return [str(present)] if (await tx.execute(closed)).scalar() else [before, str(present)]
