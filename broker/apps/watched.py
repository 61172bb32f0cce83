"""Which app a webhook belongs to, for the use cases of `events`, which know no apps; and that nobody is told of apps who may
not work on them any more."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from broker.accounts.locked import locked_since
from broker.accounts.models import User
from broker.apps.resolve import changeable_app
from broker.apps.visibility import Viewer, seen_app_ids
from broker.events.models import StopReason, Webhook
from broker.events.webhook_stops import stop_webhooks
from broker.events.webhooks import Owner, OwnerOf
from broker.kernel.context import Actor, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import AccountLocked


def watched_app(actor: Actor, key: str, scope: Scope) -> OwnerOf:
    """The app of this name or id as the owner of webhooks, for an actor who works on it and whose token reaches `scope`."""

    async def find(tx: Tx) -> Owner:
        actor.require(scope)
        if scope is not Scope.READ:
            await _go_on_working(tx, actor)
        return Owner(app_id=(await changeable_app(tx, actor, key)).id)

    return find


async def stop_unseen_webhooks(tx: Tx, actor: Actor, user_id: UUID, at: datetime) -> None:
    """Somebody has just lost access: what they made on apps that they may not work on any more is told nothing from now on.

    Before the fact itself is recorded, of which they would be told, too.
    """
    await tx.execute(select(User.id).where(User.id == user_id).with_for_update(key_share=True))
    unseen = Webhook.app_id.not_in(seen_app_ids(Viewer(user_id, working=True)))
    await stop_webhooks(tx, actor, (Webhook.made_by == user_id) & unseen, StopReason.ACCESS_LOST, at)


async def _go_on_working(tx: Tx, actor: Actor) -> None:
    """Whoever ends the actor's access at the same moment waits, and then finds what the actor has made; or was quicker.

    Raises: AccountLocked.
    """
    if (await tx.execute(locked_since(actor.by.id))).scalar() is not None:
        raise AccountLocked
