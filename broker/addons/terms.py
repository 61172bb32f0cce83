"""Who pays for an add-on, and what is going to change about it. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select

from broker.accounts.models import User
from broker.addons.resolve import AddonKey, visible_addon
from broker.addons.schedules import Scheduled, scheduled_of
from broker.addons.trial_views import TrialView, trials_of
from broker.apps.models import App
from broker.kernel.context import Actor, Context, Scope


@dataclass(frozen=True, slots=True)
class Terms:
    """Of one add-on. The payer is the owner of its billing app, unless somebody else has agreed to pay."""

    payer_id: UUID
    payer_email: str
    trial: TrialView | None
    scheduled: Scheduled | None


async def terms_of(ctx: Context, actor: Actor, key: AddonKey) -> Terms:
    """The terms of a visible add-on.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    async with ctx.database.transaction() as tx:
        addon = await visible_addon(tx, actor, key)
        payer = select(User.id, User.email).join(App, User.id == func.coalesce(App.payer_id, App.owner_id))
        payer_id, email = (await tx.execute(payer.where(App.id == addon.app_id))).one()
        trials, scheduled = await trials_of(tx, [addon.id]), await scheduled_of(tx, [addon.id])
        return Terms(payer_id, email, trials.get(addon.id), scheduled.get(addon.id))
