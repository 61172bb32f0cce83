"""What a provider sees with the token of one add-on: the apps that it is attached to, and there its own service's add-ons.

Nothing else exists for it. What it may change is that one add-on; see `callbacks.py`.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, CompoundSelect, or_, select, union_all

from broker.accounts.team_roles import WORKING, TeamRole
from broker.addons.models import Addon, AddonState, Attachment
from broker.addons.partner import Partner
from broker.addons.queries import AddonView, AttachmentView, addons_where, attachments_where
from broker.apps.collaborators import CollaboratorView, everybody_on
from broker.apps.models import App
from broker.apps.names import is_app_name
from broker.apps.resolve import AppView, apps_where
from broker.kernel.context import Context
from broker.kernel.db import Tx
from broker.kernel.errors import Forbidden, NotFound
from broker.kernel.ids import as_uuid

_LONGEST_KEY: Final = 300


async def list_addons(ctx: Context, partner: Partner, app_key: str | None = None) -> list[AddonView]:
    """The add-ons that it sees: all, or those of one app.

    Raises: NotFound.
    """
    async with ctx.database.transaction() as tx:
        return await addons_where(tx, _seen_addon(partner) & await _on(tx, partner, app_key))


async def list_addons_of(ctx: Context, partner: Partner, user_key: str) -> list[AddonView]:
    """The same for the owner of apps, by id or e-mail address; `~` is whoever asks.

    Raises: NotFound for anybody of whom it sees no app.
    """
    if user_key == "~":
        return await list_addons(ctx, partner)
    owned = [app.id for app in await list_apps(ctx, partner) if user_key in (str(app.owner_id), app.owner_email)]
    if not owned:
        raise NotFound("user")
    async with ctx.database.transaction() as tx:
        return await addons_where(tx, _seen_addon(partner) & Addon.app_id.in_(owned))


async def read_addon(ctx: Context, partner: Partner, key: str) -> AddonView:
    """One that it sees, by id or name.

    Raises: NotFound.
    """
    async with ctx.database.transaction() as tx:
        found = await addons_where(tx, _seen_addon(partner) & _named(key))
    if not found:
        raise NotFound("add_on")
    return found[0]


async def own_addon(ctx: Context, partner: Partner, key: str) -> UUID:
    """The add-on of the token, if that is the one which is named.

    Raises: NotFound; Forbidden for another one that it sees.
    """
    view = await read_addon(ctx, partner, key)
    if view.id != partner.addon_id:
        raise Forbidden(f"This token is another add-on's: use the one that {view.name} was provisioned with.")
    return view.id


async def list_attachments(
    ctx: Context, partner: Partner, *, app_key: str | None = None, addon_id: UUID | None = None
) -> list[AttachmentView]:
    """The attachments of its service that it sees: those on one app, or those of one add-on.

    Raises: NotFound.
    """
    condition = _seen_attachment(partner)
    if addon_id is not None:
        condition = condition & (Attachment.addon_id == addon_id)
    async with ctx.database.transaction() as tx:
        if app_key is not None:
            condition = condition & (Attachment.app_id == (await _app(tx, partner, app_key)).id)
        return await attachments_where(tx, condition)


async def get_attachment(ctx: Context, partner: Partner, app_key: str, key: str) -> AttachmentView:
    """One of them by name or id.

    Raises: NotFound.
    """
    for view in await list_attachments(ctx, partner, app_key=app_key):
        if key.upper() == view.name or key == str(view.id):
            return view
    raise NotFound("add_on attachment")


async def list_apps(ctx: Context, partner: Partner) -> list[AppView]:
    """The apps that it sees."""
    async with ctx.database.transaction() as tx:
        return await apps_where(tx, App.id.in_(_app_ids(partner)))


async def get_app(ctx: Context, partner: Partner, key: str) -> AppView:
    """One of them by id or name.

    Raises: NotFound.
    """
    async with ctx.database.transaction() as tx:
        return await _app(tx, partner, key)


async def list_collaborators(ctx: Context, partner: Partner, app_key: str) -> list[CollaboratorView]:
    """Who works on an app that it sees; not who of its team only looks.

    Raises: NotFound.
    """
    async with ctx.database.transaction() as tx:
        everybody = await everybody_on(tx, await _app(tx, partner, app_key))
        return [view for view in everybody if not isinstance(view.role, TeamRole) or view.role in WORKING]


def _app_ids(partner: Partner) -> CompoundSelect[UUID]:
    """The apps that the add-on is billed or attached to."""
    return union_all(
        select(Addon.app_id).where(Addon.id == partner.addon_id),
        select(Attachment.app_id).where(Attachment.addon_id == partner.addon_id),
    )


def _seen_addon(partner: Partner) -> ColumnElement[bool]:
    """The add-on itself, whatever became of its app, and those of the service that meet it on an app."""
    apps = _app_ids(partner)
    attached = select(Attachment.addon_id).where(Attachment.app_id.in_(apps))
    meets = or_(Addon.app_id.in_(apps), Addon.id.in_(attached))
    own_service = (Addon.service_id == partner.service_id) & (Addon.state != AddonState.DEPROVISIONED)
    return own_service & or_(Addon.id == partner.addon_id, meets)


def _seen_attachment(partner: Partner) -> ColumnElement[bool]:
    own_service = select(Addon.id).where(Addon.service_id == partner.service_id)
    return Attachment.app_id.in_(_app_ids(partner)) & Attachment.addon_id.in_(own_service)


async def _on(tx: Tx, partner: Partner, app_key: str | None) -> ColumnElement[bool]:
    if app_key is None:
        return Addon.id.is_not(None)
    app = await _app(tx, partner, app_key)
    attached = select(Attachment.addon_id).where(Attachment.app_id == app.id)
    return or_(Addon.app_id == app.id, Addon.id.in_(attached))


async def _app(tx: Tx, partner: Partner, key: str) -> AppView:
    app_id = as_uuid(key)
    if app_id is None and not is_app_name(key):
        raise NotFound("app")
    named = App.name == key if app_id is None else App.id == app_id
    found = await apps_where(tx, App.id.in_(_app_ids(partner)) & named)
    if not found:
        raise NotFound("app")
    return found[0]


def _named(key: str) -> ColumnElement[bool]:
    """The add-on of this id or name.

    Raises: NotFound for what can be neither.
    """
    if len(key) > _LONGEST_KEY or not key.isprintable():
        raise NotFound("add_on")
    addon_id = as_uuid(key)
    return Addon.name == key if addon_id is None else Addon.id == addon_id
