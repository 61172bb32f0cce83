"""`addons:detach`: take an attachment's config vars from its app. The add-on and its data stay."""

from __future__ import annotations

from broker.addons.config import take_from_apps
from broker.addons.models import AddonState
from broker.addons.permits import require_hand
from broker.addons.queries import AttachmentView, get_attachment
from broker.addons.resolve import AddonKey, lock_visible_addon, visible_attachment
from broker.addons.settle import with_locks
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import NotFound


async def detach(ctx: Context, actor: Actor, key: str) -> AttachmentView:
    """Remove a visible attachment, by its id, and release the app without what it gave. Local: no provider takes part.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.WRITE_PROTECTED)
    return await with_locks(ctx, lambda tx: record_detachment(tx, ctx, actor, key))


async def record_detachment(tx: Tx, ctx: Context, actor: Actor, key: str) -> AttachmentView:
    """Detach, in the caller's transaction; the attachment as it was."""
    found = await visible_attachment(tx, actor, key)
    view = await get_attachment(tx, found.id)
    addon = await lock_visible_addon(tx, ctx, actor, AddonKey(str(found.addon_id)), seeing_suffices=True)
    await require_hand(tx, actor, addon.name, found.app_id, addon.app_id)
    ended = [item for item in addon.attachments if item.id == found.id]
    if not ended:
        raise NotFound("add_on attachment")
    now = ctx.clock.now()
    await take_from_apps(tx, addon, ended, actor, now, release=addon.state is AddonState.PROVISIONED)
    return view
