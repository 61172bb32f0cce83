"""`addons:attach`: give an add-on's config vars to an app, under a name."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from broker.addons.attachment_facts import note_attached
from broker.addons.config import give_to_app, stored_config
from broker.addons.credentials import config_of_credential
from broker.addons.locks import LockedAddon, LockedAttachment
from broker.addons.models import AddonState, Attachment
from broker.addons.names import automatic_attachment_name, checked_attachment_name, config_var_names
from broker.addons.permits import require_part
from broker.addons.queries import AttachmentView, get_attachment
from broker.addons.resolve import AddonKey, lock_visible_addon
from broker.addons.settle import with_locks
from broker.addons.suspended import require_usable
from broker.addons.taken import needs_takeover, taken_in_app
from broker.apps.resolve import AppView, changeable_app
from broker.catalog.queries import get_service
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, InvalidParams
from broker.kernel.ids import new_id
from broker.kernel.secret import Secret

_NAME_TRIES: Final = 6
_chance = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class AttachAddon:
    """What the developer asks for; without a name, a free one is chosen."""

    addon: AddonKey
    app: str
    name: str | None = None
    confirm: str | None = None
    namespace: str | None = None


async def attach(
    ctx: Context, actor: Actor, request: AttachAddon, *, attachment_id: UUID | None = None
) -> AttachmentView:
    """Attach, and release the app with the new config vars (once the add-on is provisioned).

    Transactions: one; no provider takes part.
    Raises: NotFound, InvalidParams, ConfirmationRequired, Conflict; PaymentRequired while it is suspended.
    """
    actor.require(Scope.WRITE_PROTECTED)
    for _ in range(_NAME_TRIES if request.name is None else 1):
        try:
            return await with_locks(
                ctx, lambda tx: record_attachment(tx, ctx, actor, request, attachment_id or new_id())
            )
        except IntegrityError as error:
            if "uq_attachments_app_id_name" not in str(error.orig):
                raise
    raise Conflict("Another attachment took that name at the same moment; try again.")


async def record_attachment(
    tx: Tx, ctx: Context, actor: Actor, request: AttachAddon, attachment_id: UUID
) -> AttachmentView:
    """Attach, in the caller's transaction; the attachment that was made."""
    app = await changeable_app(tx, actor, request.app)
    addon = await lock_visible_addon(tx, ctx, actor, request.addon, app.id, seeing_suffices=True)
    if (app.id, request.namespace) not in {(found.app_id, found.namespace) for found in addon.attachments}:
        await require_part(tx, actor, addon.app_id, addon.name)
    if addon.state not in (AddonState.PROVISIONED, AddonState.PROVISIONING):
        raise Conflict(f"{addon.name} is {addon.state} and can't be attached.")
    require_usable(addon.name, addon.suspended_for, "it can be attached")
    await _refuse_unsharable(tx, addon, app)
    name, wanted = await _name(tx, addon, app, request)
    now = ctx.clock.now()
    if request.namespace is not None and addon.state is not AddonState.PROVISIONED:
        raise InvalidParams(f"{addon.name} is {addon.state} and has no credential {request.namespace} yet.")
    attachment = LockedAttachment(attachment_id, app.id, name, wanted, request.namespace)
    await _insert(tx, addon, attachment, now)
    if addon.state is AddonState.PROVISIONED:
        await _give(tx, addon, attachment, actor, now)
    told = wanted or name
    await note_attached(tx, actor, now, app_id=app.id, addon_id=addon.id, attachment_id=attachment.id, name=told)
    return await get_attachment(tx, attachment.id)


async def _refuse_unsharable(tx: Tx, addon: LockedAddon, app: AppView) -> None:
    if app.id == addon.app_id:
        return
    if not (await get_service(tx, addon.service)).supports_sharing:
        raise InvalidParams(f"{addon.service_name} can't be shared between apps.")


async def _name(tx: Tx, addon: LockedAddon, app: AppView, request: AttachAddon) -> tuple[str, str | None]:
    """The name it gets first, and the confirmed one that it takes over."""
    taken = await taken_in_app(tx, app.id)
    automatic = automatic_attachment_name(addon.prefix, addon.declared, taken.attachments, taken.vars, _chance)
    if request.name is None:
        return automatic, None
    name = checked_attachment_name(request.name)
    names = config_var_names(addon.declared, addon.prefix, name)
    return (automatic, name) if needs_takeover(app.name, name, names, taken, request.confirm) else (name, None)


async def _insert(tx: Tx, addon: LockedAddon, attachment: LockedAttachment, now: datetime) -> None:
    await tx.execute(
        insert(Attachment).values(
            id=attachment.id,
            app_id=attachment.app_id,
            addon_id=addon.id,
            name=attachment.name,
            wanted_name=attachment.wanted_name,
            namespace=attachment.namespace,
            created_at=now,
            updated_at=now,
        )
    )


async def _give(tx: Tx, addon: LockedAddon, attachment: LockedAttachment, actor: Actor, now: datetime) -> None:
    if addon.app_id not in addon.apps or attachment.app_id not in addon.apps:
        raise Conflict("The app was destroyed at the same moment.")
    if attachment.namespace is None:
        config: Mapping[str, Secret] = await stored_config(tx, addon.id, addon.apps[addon.app_id].data_key)
    else:
        config = await config_of_credential(tx, addon, attachment.namespace)
    await give_to_app(tx, addon, attachment, config, "Attach", actor, now)
