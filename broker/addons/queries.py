"""Reading add-ons, attachments and operations, as the faces show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import LABEL_STYLE_NONE, ColumnElement, Row, Select, bindparam, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import aliased

from broker.accounts.models import User
from broker.addons.models import Addon, AddonState, Attachment, Operation
from broker.addons.names import config_var_names
from broker.addons.visibility import visible_addon, visible_attachment
from broker.apps.models import App
from broker.catalog.models import AddonService, Plan
from broker.catalog.offers import VERSION_COLUMNS, Offer, Version, kept, look_up
from broker.catalog.views import PlanView, ServiceRef, ServiceView
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Database, Tx
from broker.kernel.direct import Direct
from broker.kernel.errors import NotFound

KEPT_VISIBLE: Final = timedelta(hours=24)
"""How long a failed or removed add-on still answers to its id and name."""


@dataclass(frozen=True, slots=True)
class AddonView:
    """An add-on with its service, plan and billing app. Units: `price_cents` is per month."""

    id: UUID
    name: str
    state: AddonState
    reason: str | None
    app_id: UUID
    app_name: str
    owner_email: str
    service: ServiceView
    plan: PlanView
    price_cents: int
    currency: str
    config_vars: tuple[str, ...]
    """Names, on the billing app."""
    provider_id: str | None
    provision_message: str | None
    region: str
    created_at: datetime
    updated_at: datetime
    suspended_at: datetime | None = None
    suspended_for: str | None = None
    """Why it can't be used for the time being: see `Suspension`."""


@dataclass(frozen=True, slots=True)
class AttachmentView:
    """An attachment, with the add-on and both apps by name."""

    id: UUID
    name: str
    namespace: str | None
    app_id: UUID
    app_name: str
    addon_id: UUID
    addon_name: str
    addon_state: AddonState
    owner_app_id: UUID
    owner_app_name: str
    plan: PlanView
    config_vars: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class OperationView:
    """What was, is or will be done for an add-on, in words and times."""

    id: UUID
    addon_id: UUID
    kind: str
    state: str
    attempts: int
    next_attempt_at: datetime | None
    deadline_at: datetime
    reason: str | None
    history: tuple[Mapping[str, Any], ...]
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


_OWN: Final = (
    Addon.id,
    Addon.name,
    Addon.state,
    Addon.reason,
    Addon.app_id,
    App.name,
    User.email,
    Addon.price_cents,
    Addon.currency,
    Addon.provider_id,
    Addon.provision_message,
    Addon.region,
    Addon.created_at,
    Addon.updated_at,
    Addon.suspended_at,
    Addon.suspended_for,
)
_ATTACHMENT_NAMES: Final = (
    select(func.array_agg(aggregate_order_by(Attachment.name, Attachment.created_at, Attachment.id)))
    .where(Attachment.addon_id == Addon.id, Attachment.app_id == Addon.app_id)
    .correlate(Addon)
    .scalar_subquery()
)
_VERSION_FROM: Final = len(_OWN) + 1


def addons() -> Select[*tuple[Any, ...]]:
    """What `read_addons` reads, of every add-on."""
    return (
        select(*_OWN, _ATTACHMENT_NAMES, *VERSION_COLUMNS)
        .select_from(Addon)
        .join(App, App.id == Addon.app_id)
        .join(User, User.id == App.owner_id)
        .join(Plan, Plan.id == Addon.plan_id)
        .join(AddonService, AddonService.id == Addon.service_id)
        .set_label_style(LABEL_STYLE_NONE)
    )


def _versions(rows: Sequence[Any], start: int) -> list[Version]:
    return [tuple(row[start : start + len(VERSION_COLUMNS)]) for row in rows]


def _addon_view(row: Sequence[Any], offer: Offer) -> AddonView:
    addon_id, name, state, reason, app_id, app_name, owner, price, currency, *rest = row[: len(_OWN)]
    provider_id, message, region, created_at, updated_at, suspended_at, suspended_for = rest
    given = row[len(_OWN)] or ()
    return AddonView(
        id=addon_id,
        name=name,
        state=AddonState(state),
        reason=reason,
        app_id=app_id,
        app_name=app_name,
        owner_email=owner,
        service=offer.service,
        plan=offer.plan,
        price_cents=price,
        currency=currency,
        config_vars=tuple(var for name in given for var in given_vars(offer.service, name)),
        provider_id=provider_id,
        provision_message=message,
        region=region,
        created_at=created_at,
        updated_at=updated_at,
        suspended_at=suspended_at,
        suspended_for=suspended_for,
    )


def given_vars(service: ServiceRef, attachment: str) -> list[str]:
    """The config vars that an attachment of this name gives."""
    return config_var_names(service.config_vars, service.prefix, attachment)


async def _addon_views(tx: Tx, rows: Sequence[Any]) -> list[AddonView]:
    versions = _versions(rows, _VERSION_FROM)
    offers = await look_up(tx, versions)
    return [_addon_view(row, offers[version]) for row, version in zip(rows, versions, strict=True)]


_GET: Final = Direct(addons().where(Addon.id == bindparam("addon_id")))


async def get_addon(tx: Tx, addon_id: UUID) -> AddonView:
    """The add-on with this id, for a use case that has checked who asks."""
    return (await _addon_views(tx, await _GET.all(tx, addon_id=addon_id)))[0]


async def current_addon(database: Database, addon_id: UUID) -> AddonView:
    """The same without a transaction."""
    return (await read_addons(database, _GET, addon_id=addon_id))[0]


async def find_addons(tx: Tx, actor: Actor, condition: ColumnElement[bool]) -> list[AddonView]:
    """The visible add-ons that fit, oldest first."""
    return await addons_where(tx, visible_addon(actor) & condition)


async def addons_where(tx: Tx, condition: ColumnElement[bool]) -> list[AddonView]:
    """The add-ons that fit, for a use case whose condition says what may be seen."""
    statement = addons().where(condition).order_by(Addon.created_at, Addon.id)
    return await _addon_views(tx, (await tx.execute(statement)).all())


async def read_addons(database: Database, statement: Direct, **values: Any) -> list[AddonView]:
    """What a statement that began with `addons()` gives, in one round trip as a rule."""
    rows = await statement.read(database, **values)
    versions = _versions(rows, _VERSION_FROM)
    offers = kept(versions)
    if offers is None:
        async with database.transaction() as tx:
            offers = await look_up(tx, versions)
    return [_addon_view(row, offers[version]) for row, version in zip(rows, versions, strict=True)]


async def list_addons(ctx: Context, actor: Actor, app_id: UUID | None = None) -> list[AddonView]:
    """Visible add-ons that exist or are about to: all, or those of one app (its own, and those attached to it)."""
    actor.require(Scope.READ)
    condition = Addon.state != AddonState.DEPROVISIONED
    if app_id is not None:
        attached = select(Attachment.addon_id).where(Attachment.app_id == app_id)
        condition = condition & ((Addon.app_id == app_id) | Addon.id.in_(attached))
    async with ctx.database.transaction() as tx:
        return await find_addons(tx, actor, condition)


_OwnerApp = aliased(App)
_ATTACHMENT: Final = (
    Attachment.id,
    Attachment.name,
    Attachment.namespace,
    Attachment.app_id,
    App.name,
    Addon.id,
    Addon.name,
    Addon.state,
    Addon.app_id,
    _OwnerApp.name,
    Attachment.created_at,
    Attachment.updated_at,
)


def _attachments() -> Select[*tuple[Any, ...]]:
    return (
        select(*_ATTACHMENT, *VERSION_COLUMNS)
        .select_from(Attachment)
        .join(Addon, Addon.id == Attachment.addon_id)
        .join(App, App.id == Attachment.app_id)
        .join(_OwnerApp, _OwnerApp.id == Addon.app_id)
        .join(Plan, Plan.id == Addon.plan_id)
        .join(AddonService, AddonService.id == Addon.service_id)
        .set_label_style(LABEL_STYLE_NONE)
    )


def _attachment_view(row: Sequence[Any], plan: PlanView) -> AttachmentView:
    *head, created_at, updated_at = row[: len(_ATTACHMENT)]
    attachment_id, name, namespace, app_id, app_name, addon_id, addon_name, state, owner_id, owner_name = head
    return AttachmentView(
        id=attachment_id,
        name=name,
        namespace=namespace,
        app_id=app_id,
        app_name=app_name,
        addon_id=addon_id,
        addon_name=addon_name,
        addon_state=AddonState(state),
        owner_app_id=owner_id,
        owner_app_name=owner_name,
        plan=plan,
        config_vars=tuple(given_vars(plan.service, name)),
        created_at=created_at,
        updated_at=updated_at,
    )


async def get_attachment(tx: Tx, attachment_id: UUID) -> AttachmentView:
    """The attachment with this id, for a use case that has checked who asks."""
    rows = (await tx.execute(_attachments().where(Attachment.id == attachment_id))).all()
    return (await _attachment_views(tx, rows))[0]


async def find_attachments(tx: Tx, actor: Actor, condition: ColumnElement[bool]) -> list[AttachmentView]:
    """The visible attachments that fit, oldest first."""
    return await attachments_where(tx, visible_attachment(actor) & condition)


async def attachments_where(tx: Tx, condition: ColumnElement[bool]) -> list[AttachmentView]:
    """The attachments that fit, for a use case whose condition says what may be seen."""
    statement = _attachments().where(condition)
    rows = (await tx.execute(statement.order_by(Attachment.created_at, Attachment.id))).all()
    return await _attachment_views(tx, rows)


async def _attachment_views(tx: Tx, rows: Sequence[Any]) -> list[AttachmentView]:
    versions = _versions(rows, len(_ATTACHMENT))
    offers = await look_up(tx, versions)
    return [_attachment_view(row, offers[version].plan) for row, version in zip(rows, versions, strict=True)]


async def list_attachments(
    ctx: Context, actor: Actor, *, app_id: UUID | None = None, addon_id: UUID | None = None
) -> list[AttachmentView]:
    """Visible attachments: all, those on one app, or those of one add-on."""
    actor.require(Scope.READ)
    condition: ColumnElement[bool] = Attachment.id.is_not(None)
    if app_id is not None:
        condition = condition & (Attachment.app_id == app_id)
    if addon_id is not None:
        condition = condition & (Attachment.addon_id == addon_id)
    async with ctx.database.transaction() as tx:
        return await find_attachments(tx, actor, condition)


async def attachment_on_app(ctx: Context, actor: Actor, app_id: UUID, key: str) -> AttachmentView:
    """The attachment of this name or id on an app.

    Raises: NotFound.
    """
    for view in await list_attachments(ctx, actor, app_id=app_id):
        if key.upper() == view.name or key == str(view.id):
            return view
    raise NotFound("add_on attachment")


async def list_operations(ctx: Context, actor: Actor, addon_id: UUID) -> list[OperationView]:
    """The operations of a visible add-on, newest first."""
    actor.require(Scope.READ)
    statement = (
        select(
            Operation.id,
            Operation.addon_id,
            Operation.kind,
            Operation.state,
            Operation.attempts,
            Operation.next_at,
            Operation.deadline_at,
            Operation.reason,
            Operation.history,
            Operation.created_at,
            Operation.updated_at,
            Operation.finished_at,
        )
        .join(Addon, Addon.id == Operation.addon_id)
        .where(Operation.addon_id == addon_id, visible_addon(actor))
        .order_by(Operation.created_at.desc(), Operation.id.desc())
    )
    async with ctx.database.transaction() as tx:
        rows = (await tx.execute(statement)).all()
    return [_operation_view(row) for row in rows]


def _operation_view(row: Row[Any]) -> OperationView:
    fields = dict(zip(OperationView.__slots__, row, strict=True))
    return OperationView(**fields | {"history": tuple(fields["history"])})
