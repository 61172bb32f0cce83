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
    """Add-ons billed to an app of this user (a destroyed one too, until they are gone), or attached to a live one.

    The apps go by names of their own here, so that it fits into statements that read `apps`, too.
    """
    billed, attached = aliased(App), aliased(App)
    owned = exists().where(billed.id == Addon.app_id, billed.owner_id == user_id)
    shared = exists().where(
        Attachment.addon_id == Addon.id,
        attached.id == Attachment.app_id,
        attached.owner_id == user_id,
        attached.destroyed_at.is_(None),
    )
    return or_(owned.correlate(Addon), shared.correlate(Addon))


def visible_addon(actor: Actor) -> ColumnElement[bool]:
    """The condition under which the actor may see a row of `addons`."""
    return openable_by(actor.id)


def visible_attachment(actor: Actor) -> ColumnElement[bool]:
    """The same for `attachments`: on apps of the actor, or of the actor's add-ons to apps of others."""
    owned = select(Addon.id).where(Addon.app_id.in_(_live_apps(actor.id)))
    return or_(Attachment.app_id.in_(_live_apps(actor.id)), Attachment.addon_id.in_(owned))
