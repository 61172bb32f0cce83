"""Which app a webhook belongs to, for the use cases of `events`, which know no apps."""

from __future__ import annotations

from broker.apps.resolve import changeable_app
from broker.events.webhooks import Owner, OwnerOf
from broker.kernel.context import Actor, Scope
from broker.kernel.db import Tx


def watched_app(actor: Actor, key: str, scope: Scope) -> OwnerOf:
    """The app of this name or id as the owner of webhooks, for an actor who works on it and whose token reaches `scope`."""

    async def find(tx: Tx) -> Owner:
        actor.require(scope)
        return Owner(app_id=(await changeable_app(tx, actor, key)).id)

    return find
