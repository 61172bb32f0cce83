"""Which add-ons and attachments an actor may see: every select on them for somebody starts here."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, Select, exists, or_, select
from sqlalchemy.orm import aliased

from broker.addons.models import Addon, Attachment
from broker.apps.models import App
from broker.kernel.context import Actor


def _live_apps(user_id: UUID) -> Select[UUID]:
    return select(App.id).where(App.owner_id == user_id, App.destroyed_at.is_(None))


def openable_by(user_id: UUID | BindParameter[UUID]) -> ColumnElement[bool]:
    """Add-ons billed to an app of this user (a destroyed one too, until they are gone), or attached to a live one."""
    billed = aliased(App)
    owned = exists().where(billed.id == Addon.app_id, billed.owner_id == user_id).correlate(Addon)
    return or_(owned, _attached_for(user_id))


def openable_with_app(user_id: UUID | BindParameter[UUID]) -> ColumnElement[bool]:
    """The same for statements that join `App` as the billing app."""
    return or_(App.owner_id == user_id, _attached_for(user_id))


def _attached_for(user_id: UUID | BindParameter[UUID]) -> ColumnElement[bool]:
    """The app goes by a name of its own, so that it fits into statements that read `apps`, too."""
    app = aliased(App)
    live = (app.id == Attachment.app_id, app.owner_id == user_id, app.destroyed_at.is_(None))
    return exists().where(Attachment.addon_id == Addon.id, *live).correlate(Addon)


def visible_addon(actor: Actor) -> ColumnElement[bool]:
    """The condition under which the actor may see a row of `addons`."""
    return openable_by(actor.id)


def visible_attachment(actor: Actor) -> ColumnElement[bool]:
    """The same for `attachments`: on apps of the actor, or of the actor's add-ons to apps of others."""
    owned = select(Addon.id).where(Addon.app_id.in_(_live_apps(actor.id)))
    return or_(Attachment.app_id.in_(_live_apps(actor.id)), Attachment.addon_id.in_(owned))
