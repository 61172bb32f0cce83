"""Which add-ons and attachments somebody may see: every select on them for somebody starts here. Who may see which app is
told by `apps/visibility.py`, and nothing of that is repeated here."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, CompoundSelect, exists, or_, select, union_all
from sqlalchemy.orm import aliased

from broker.addons.models import Addon, Attachment
from broker.apps.models import App
from broker.apps.visibility import Viewer, may_see, seen_app_ids, viewer, worker
from broker.kernel.context import Actor


def may_open(who: Viewer) -> ColumnElement[bool]:
    """Add-ons billed to an app that may be seen, or attached to one. For statements that join `App` as the billing app and
    name the add-on."""
    app = aliased(App)
    attached = exists().where(Attachment.addon_id == Addon.id, app.id == Attachment.app_id, may_see(app, who))
    return or_(may_see(App, who), attached.correlate(Addon))


def seen_addon_ids(who: Viewer) -> CompoundSelect[UUID]:
    """The ids of the same add-ons."""
    return union_all(
        select(Addon.id).where(Addon.app_id.in_(seen_app_ids(who))),
        select(Attachment.addon_id).where(Attachment.app_id.in_(seen_app_ids(who))),
    )


def visible_addon(actor: Actor) -> ColumnElement[bool]:
    """The condition under which the actor may see a row of `addons`."""
    return Addon.id.in_(seen_addon_ids(viewer(actor)))


def changeable_addon(actor: Actor) -> ColumnElement[bool]:
    """Those of them that the actor may change: billed to an app that the actor works on, and not only attached to one."""
    return Addon.app_id.in_(seen_app_ids(worker(actor)))


def visible_attachment(actor: Actor) -> ColumnElement[bool]:
    """The same for `attachments`: on apps that the actor may see, or of add-ons billed to such, wherever they are attached."""
    apps = seen_app_ids(viewer(actor))
    billed = select(Attachment.id).join(Addon, Addon.id == Attachment.addon_id).where(Addon.app_id.in_(apps))
    return Attachment.id.in_(union_all(select(Attachment.id).where(Attachment.app_id.in_(apps)), billed))
