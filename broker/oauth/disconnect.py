"""A user shows a client the door."""

from __future__ import annotations

from sqlalchemy import delete, update

from broker.accounts.models import Authorization
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.errors import NotFound
from broker.kernel.ids import as_uuid
from broker.oauth.models import OAuthConsent


async def disconnect(ctx: Context, actor: Actor, key: str) -> None:
    """End at once all that the actor has allowed this client, on whatever device; next time it has to ask again.

    Raises: NotFound if that is nothing, Forbidden.
    """
    actor.require_own_token()
    client_id, at = as_uuid(key), ctx.wall.now()
    held = (Authorization.user_id == actor.id, Authorization.client_id == client_id, Authorization.revoked_at.is_(None))
    known = (OAuthConsent.user_id == actor.id, OAuthConsent.client_id == client_id)
    async with ctx.database.transaction() as tx:
        ended = await tx.execute(update(Authorization).where(*held).values(revoked_at=at, updated_at=at))
        if client_id is None or not ended.rowcount:
            raise NotFound("client")
        await tx.execute(delete(OAuthConsent).where(*known))
        await emit(tx, "oauth_client.disconnected", actor, at, client=str(client_id))
