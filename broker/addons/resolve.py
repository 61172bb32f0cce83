"""From what a user types to the add-on or attachment that is meant, inside what the user may see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, bindparam, or_, select

from broker.addons import visibility
from broker.addons.locks import LockedAddon, lock_addon
from broker.addons.models import Addon, AddonState, Attachment
from broker.addons.permits import require_part
from broker.addons.queries import (
    KEPT_VISIBLE,
    AddonView,
    AttachmentView,
    addons,
    find_addons,
    find_attachments,
    read_addons,
)
from broker.addons.visibility import may_open
from broker.apps.resolve import visible_app
from broker.apps.visibility import ANY_VIEWER, viewing
from broker.catalog.models import AddonService
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.direct import Direct
from broker.kernel.errors import MultipleMatches, NotFound
from broker.kernel.ids import as_uuid

T = TypeVar("T")
_LONGEST_KEY: Final = 300


@dataclass(frozen=True, slots=True)
class AddonKey:
    """An add-on's name or id, and the app in whose path it was named, if any."""

    key: str
    app: str | None = None


@dataclass(frozen=True, slots=True)
class FoundAddon:
    """A visible add-on, as far as naming it goes."""

    id: UUID
    name: str
    app_id: UUID
    state: AddonState


@dataclass(frozen=True, slots=True)
class FoundAttachment:
    """A visible attachment, as far as naming it goes."""

    id: UUID
    app_id: UUID
    addon_id: UUID


def _named(key: str) -> ColumnElement[bool]:
    addon_id = as_uuid(key)
    return Addon.id == addon_id if addon_id else Addon.name == key


def _findable(since: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """What is there, and what was until recently: clients poll a failed or removed add-on by id and name."""
    return or_(Addon.state != AddonState.DEPROVISIONED, Addon.updated_at > since)


def _readable(named: ColumnElement[bool]) -> Direct:
    """The add-ons of that name to show to a user, oldest first."""
    shown = addons().where(named, may_open(ANY_VIEWER), _findable(bindparam("since", type_=Addon.updated_at.type)))
    return Direct(shown.order_by(Addon.created_at, Addon.id))


_BY_ID: Final = _readable(Addon.id == bindparam("key"))
_BY_NAME: Final = _readable(Addon.name == bindparam("key"))


async def visible_addon(tx: Tx, actor: Actor, key: AddonKey) -> FoundAddon:
    """The add-on that exists under this name or id, billed or attached to the given app.

    Raises: NotFound, whether it does not exist or is somebody else's.
    """
    statement = (
        select(Addon.id, Addon.name, Addon.app_id, Addon.state)
        .where(visibility.visible_addon(actor), _named(_checked(key.key)))
        .where(Addon.state != AddonState.DEPROVISIONED)
    )
    if key.app is not None:
        app = await visible_app(tx, actor, key.app)
        attached = select(Attachment.addon_id).where(Attachment.app_id == app.id)
        statement = statement.where(or_(Addon.app_id == app.id, Addon.id.in_(attached)))
    row = (await tx.execute(statement)).one_or_none()
    if row is None:
        raise NotFound("add_on")
    return FoundAddon(row.id, row.name, row.app_id, AddonState(row.state))


async def changeable_addon(tx: Tx, actor: Actor, key: AddonKey) -> FoundAddon:
    """The same, for those who work on its billing app: to be changed.

    Raises: NotFound; Forbidden for those who only see it because it is attached to an app of theirs.
    """
    found = await visible_addon(tx, actor, key)
    await require_part(tx, actor, found.app_id, found.name)
    return found


async def lock_visible_addon(
    tx: Tx, ctx: Context, actor: Actor, key: AddonKey, *apps: UUID, seeing_suffices: bool = False
) -> LockedAddon:
    """The same, locked together with its apps and with `apps`; with `seeing_suffices`, for everybody who sees it.

    Raises: NotFound, Forbidden; AttachmentsMoved, see `with_locks`.
    """
    found = await (visible_addon if seeing_suffices else changeable_addon)(tx, actor, key)
    addon = await lock_addon(tx, ctx, found.id, *apps)
    if addon is None or addon.state is AddonState.DEPROVISIONED:
        raise NotFound("add_on")
    billing = addon.apps.get(addon.app_id)
    if billing is None or billing.owner_id != actor.id:  # it may have been given to somebody else at the same moment
        await (visible_addon if seeing_suffices else changeable_addon)(tx, actor, key)
    return addon


async def visible_attachment(tx: Tx, actor: Actor, key: str) -> FoundAttachment:
    """The attachment with this id.

    Raises: NotFound.
    """
    attachment_id = as_uuid(key)
    statement = select(Attachment.id, Attachment.app_id, Attachment.addon_id).where(
        Attachment.id == attachment_id, visibility.visible_attachment(actor)
    )
    row = (await tx.execute(statement)).one_or_none() if attachment_id else None
    if row is None:
        raise NotFound("add_on attachment")
    return FoundAttachment(row.id, row.app_id, row.addon_id)


async def read_addon(ctx: Context, actor: Actor, key: AddonKey) -> AddonView:
    """The add-on to show under this name or id: one that failed or was removed in the last 24 hours too.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    now, addon_id = ctx.clock.now(), as_uuid(_checked(key.key))
    if key.app is not None:
        found = await _find_on_app(ctx, actor, key.key, key.app, now)
    elif addon_id is not None:
        found = await read_addons(ctx.database, _BY_ID, key=addon_id, since=now - KEPT_VISIBLE, **viewing(actor))
    else:
        found = await read_addons(ctx.database, _BY_NAME, key=key.key, since=now - KEPT_VISIBLE, **viewing(actor))
    if not found:
        raise NotFound("add_on")
    return next((view for view in found if view.state is not AddonState.DEPROVISIONED), found[-1])


async def _find_on_app(ctx: Context, actor: Actor, key: str, app_key: str, now: datetime) -> list[AddonView]:
    async with ctx.database.transaction() as tx:
        app = await visible_app(tx, actor, app_key)
        attached = select(Attachment.addon_id).where(Attachment.app_id == app.id)
        on_app = or_(Addon.app_id == app.id, Addon.id.in_(attached))
        return await find_addons(tx, actor, _named(key) & _findable(now - KEPT_VISIBLE) & on_app)


async def resolve_addons(
    ctx: Context, actor: Actor, key: str, app: str | None = None, service: str | None = None
) -> list[AddonView]:
    """The one add-on that a user means. With an app, names of its services, plans, attachments and config vars count too.

    Raises: NotFound; MultipleMatches with the names that fit.
    """
    actor.require(Scope.READ)
    app, key = _split(key, app)
    async with ctx.database.transaction() as tx:
        condition = Addon.state != AddonState.DEPROVISIONED
        if service is not None:
            condition = condition & (AddonService.slug == service)
        found = await find_addons(tx, actor, condition & _named(key))
        if not found and app is not None:
            found = await _within_app(tx, actor, key, app, condition)
        if not found and app is None:
            found = await find_addons(tx, actor, condition & (AddonService.slug == key))
    return _one("add_on", found, [view.name for view in found])


async def _within_app(tx: Tx, actor: Actor, key: str, app_key: str, condition: ColumnElement[bool]) -> list[AddonView]:
    app = await visible_app(tx, actor, app_key)
    attachments = await find_attachments(tx, actor, Attachment.app_id == app.id)
    there = {view.addon_id for view in attachments}
    views = await find_addons(tx, actor, condition & or_(Addon.app_id == app.id, Addon.id.in_(there)))
    exact = {view.addon_id for view in attachments if key in (str(view.id), view.name, *view.config_vars)}
    loose = {view.addon_id for view in attachments if key.upper() in (view.name, *view.config_vars)}
    by_service = {view.id for view in views if key in (view.service.slug, view.plan.name)}
    meant = exact or by_service or loose
    return [view for view in views if view.id in meant]


async def resolve_attachments(
    ctx: Context, actor: Actor, key: str, app: str | None = None, service: str | None = None
) -> list[AttachmentView]:
    """The attachment that a user means: by its id, or, with an app, by its name, a config var, or its add-on, whose
    attachments to that app are all given.

    Raises: NotFound; MultipleMatches with the names that fit, if they are of several add-ons.
    """
    actor.require(Scope.READ)
    app, key = _split(key, app)
    async with ctx.database.transaction() as tx:
        condition: ColumnElement[bool] = Attachment.id.is_not(None)
        if app is not None:
            condition = Attachment.app_id == (await visible_app(tx, actor, app)).id
        if service is not None:
            condition = condition & (AddonService.slug == service)
        views = await find_attachments(tx, actor, condition)
    if app is None:
        views = [view for view in views if key == str(view.id)]
    exact = [view for view in views if key in (str(view.id), view.name, *view.config_vars)]
    by_addon = [view for view in views if _is_of(view, key)]
    loose = [view for view in views if key.upper() in (view.name, *view.config_vars)]
    found = exact or by_addon or loose
    if len({view.addon_id for view in found}) == 1:
        return found
    return _one("add_on attachment", found, [view.name for view in found])


def _is_of(view: AttachmentView, key: str) -> bool:
    return key in (view.addon_name, str(view.addon_id), view.plan.service.slug, view.plan.name)


def _split(key: str, app: str | None) -> tuple[str | None, str]:
    """`APP::KEY` names the app inside the key."""
    before, colons, after = _checked(key).partition("::")
    return (before, after) if colons else (app, key)


def _checked(key: str) -> str:
    if len(key) > _LONGEST_KEY or "\0" in key or not key.isprintable():
        raise NotFound("add_on")
    return key


def _one(resource: str, found: list[T], names: list[str]) -> list[T]:
    if not found:
        raise NotFound(resource)
    if len(found) > 1:
        raise MultipleMatches(
            f"More than one fits; several were found: {', '.join(sorted(names))}. Name one of them.", resource=resource
        )
    return found
