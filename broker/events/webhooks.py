"""Webhooks of apps and add-ons: add, list, show, change, remove. What they are told is `take_in.py`'s and `deliver.py`'s."""

from __future__ import annotations

import base64
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, insert, select, update

from broker.events.emit import emit
from broker.events.entities import FOR_ADDONS, FOR_APPS
from broker.events.models import Level, Webhook, WebhookDelivery, WebhookEvent, WebhookOutbox
from broker.events.webhook_urls import Networks, checked_url
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import InvalidParams, NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.kernel.secret import Secret
from broker.kernel.vault import DataKey

MOST: Final = 50
"""Webhooks that one app or add-on may have."""

_SECRET_BYTES: Final = 32
_LONGEST: Final = 1000


@dataclass(frozen=True, slots=True)
class Owner:
    """What a webhook belongs to: an app or an add-on."""

    app_id: UUID | None = None
    addon_id: UUID | None = None

    @property
    def includable(self) -> frozenset[str]:
        return FOR_APPS if self.addon_id is None else FOR_ADDONS


OwnerOf: TypeAlias = Callable[[Tx], Awaitable[Owner]]
"""Finds the app or add-on that is meant and checks who asks. Known to whoever is above us; raises NotFound, Forbidden."""


@dataclass(frozen=True, slots=True)
class WebhookView:
    """A webhook without its secrets."""

    id: UUID
    app_id: UUID | None
    addon_id: UUID | None
    include: Sequence[str]
    level: str
    url: str
    failing_since: datetime | None
    stopped_at: datetime | None
    stopped_for: str | None
    """Why it is told nothing (`StopReason`), if it was stopped."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class WebhookChange:
    """What to set; None leaves it. A new webhook needs the first three, and is given a secret if there is none."""

    include: Sequence[str] | None = None
    level: str | None = None
    url: str | None = None
    secret: Secret | None = None
    authorization: Secret | None = None


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A webhook just made, with the signing secret, which is never told again."""

    webhook: WebhookView
    secret: Secret


async def add_webhook(
    ctx: Context, actor: Actor, owner_of: OwnerOf, wanted: WebhookChange, allowed: Networks
) -> NewWebhook:
    """Subscribe a URL to changes of an app or an add-on.

    Transactions: one of its own.
    Raises: InvalidParams, and what `owner_of` raises.
    """
    secret = wanted.secret or _new_secret()
    async with ctx.database.transaction() as tx:
        owner = await owner_of(tx)
        for name in ("include", "level", "url"):
            if getattr(wanted, name) is None:
                raise InvalidParams(f"{name}: is required.")
        await _refuse_too_many(tx, owner)
        webhook_id, now = new_id(), ctx.clock.now()
        key, wrapped = ctx.vault.new_data_key(key_owner(webhook_id))
        values = _values(webhook_id, key, owner, replace(wanted, secret=secret), allowed)
        row = {"id": webhook_id, "app_id": owner.app_id, "addon_id": owner.addon_id, "data_key": wrapped}
        row["made_by"] = None if owner.app_id is None else actor.by.id
        added = insert(Webhook).values(**row, **values, created_at=now, updated_at=now).returning(*_VIEW)
        view = WebhookView(*(await tx.execute(added)).one())
        await emit(
            tx, "webhook.added", actor, now, app_id=owner.app_id, addon_id=owner.addon_id,
            webhook=str(webhook_id), include=list(view.include), level=view.level, host=values["host"],
        )  # fmt: skip
        return NewWebhook(view, secret)


async def list_webhooks(ctx: Context, owner_of: OwnerOf) -> list[WebhookView]:
    """Every webhook of an app or add-on, oldest first."""
    async with ctx.database.transaction() as tx:
        statement = select(*_VIEW).where(of_owner(await owner_of(tx))).order_by(Webhook.created_at, Webhook.id)
        return [WebhookView(*row) for row in await tx.execute(statement)]


async def get_webhook(ctx: Context, owner_of: OwnerOf, key: str) -> WebhookView:
    """One webhook by id.

    Raises: NotFound.
    """
    async with ctx.database.transaction() as tx:
        return await find_webhook(tx, await owner_of(tx), key)


async def change_webhook(
    ctx: Context, actor: Actor, owner_of: OwnerOf, key: str, wanted: WebhookChange, allowed: Networks
) -> WebhookView:
    """Change what is given. A new secret signs from the next attempt on.

    Transactions: one of its own.
    Raises: NotFound, InvalidParams.
    """
    async with ctx.database.transaction() as tx:
        owner = await owner_of(tx)
        found = await find_webhook(tx, owner, key)
        wrapped = (await tx.execute(select(Webhook.data_key).where(Webhook.id == found.id))).scalar_one()
        data_key = ctx.vault.unwrap(wrapped, key_owner(found.id))
        values = _values(found.id, data_key, owner, wanted, allowed)
        if not values:
            return found
        now = ctx.clock.now()
        changed = update(Webhook).where(Webhook.id == found.id).values(**values, updated_at=now).returning(*_VIEW)
        view = WebhookView(*(await tx.execute(changed)).one())
        given = [name for name in WebhookChange.__slots__ if getattr(wanted, name) is not None]
        await emit(
            tx, "webhook.changed", actor, now, app_id=owner.app_id, addon_id=owner.addon_id,
            webhook=str(found.id), changed=given,
        )  # fmt: skip
        return view


async def remove_webhook(ctx: Context, actor: Actor, owner_of: OwnerOf, key: str) -> WebhookView:
    """Remove a webhook with its events and deliveries; what was not delivered is not told any more.

    Transactions: one of its own.
    Raises: NotFound.
    """
    async with ctx.database.transaction() as tx:
        owner = await owner_of(tx)
        found = await find_webhook(tx, owner, key)
        await tx.execute(select(Webhook.id).where(Webhook.id == found.id).with_for_update())
        await delete_webhooks(tx, [found.id])
        await emit(
            tx, "webhook.removed", actor, ctx.clock.now(), app_id=owner.app_id, addon_id=owner.addon_id,
            webhook=str(found.id),
        )  # fmt: skip
        return found


async def end_webhooks(tx: Tx, app_id: UUID, at: datetime) -> None:
    """The webhooks of an app are told nothing more: it belongs to somebody else, and they told whoever had it."""
    await tx.execute(update(Webhook).where(Webhook.app_id == app_id, Webhook.ended_at.is_(None)).values(ended_at=at))


async def delete_webhooks(tx: Tx, webhook_ids: Sequence[UUID]) -> None:
    """Delete these webhooks, whose rows the caller has locked, with all that hangs on them."""
    for table in (WebhookOutbox, WebhookDelivery, WebhookEvent):
        await tx.execute(delete(table).where(table.webhook_id.in_(webhook_ids)))
    await tx.execute(delete(Webhook).where(Webhook.id.in_(webhook_ids)))


def key_owner(webhook_id: UUID) -> str:
    """The name under which a webhook's data key is wrapped."""
    return f"webhooks:{webhook_id}"


def sealed_place(webhook_id: UUID, name: str) -> str:
    """Where its `secret` or `authorization` is sealed for."""
    return f"webhooks:{webhook_id}:{name}:1"


_VIEW: Final = tuple(getattr(Webhook, name) for name in WebhookView.__slots__)


def of_owner(owner: Owner) -> ColumnElement[bool]:
    """The webhooks of this app or add-on."""
    if owner.addon_id is not None:
        return Webhook.addon_id == owner.addon_id
    return Webhook.app_id == owner.app_id


async def find_webhook(tx: Tx, owner: Owner, key: str) -> WebhookView:
    """One of an owner's, by id.

    Raises: NotFound.
    """
    webhook_id = as_uuid(key)
    statement = select(*_VIEW).where(Webhook.id == webhook_id, of_owner(owner))
    row = (await tx.execute(statement)).one_or_none() if webhook_id else None
    if row is None:
        raise NotFound("webhook")
    return WebhookView(*row)


async def _refuse_too_many(tx: Tx, owner: Owner) -> None:
    if ((await tx.execute(select(func.count()).where(of_owner(owner)))).scalar() or 0) >= MOST:
        raise InvalidParams(f"There are {MOST} webhooks already, which is the most; remove one first.")


def _new_secret() -> Secret:
    """In the form that the libraries of Standard Webhooks expect."""
    return Secret("whsec_" + base64.b64encode(os.urandom(_SECRET_BYTES)).decode())


def _values(webhook_id: UUID, key: DataKey, owner: Owner, wanted: WebhookChange, allowed: Networks) -> dict[str, Any]:
    """The columns that follow from what is wanted.

    Raises: InvalidParams.
    """
    values: dict[str, Any] = {}
    if wanted.include is not None:
        values["include"] = _checked_include(wanted.include, owner)
    if wanted.level is not None:
        values["level"] = _checked_level(wanted.level)
    if wanted.url is not None:
        url = checked_url(wanted.url, allowed)
        values |= {"url": url.text, "host": url.host}
    for name in ("secret", "authorization"):
        text = getattr(wanted, name)
        if text is not None:
            sealed = key.seal(_checked_text(name, text.reveal()).encode(), sealed_place(webhook_id, name))
            values[f"{name}_sealed"] = sealed
    return values


def _checked_include(include: Sequence[str], owner: Owner) -> list[str]:
    unknown = sorted(set(include) - owner.includable)
    if unknown:
        known = ", ".join(sorted(owner.includable))
        raise InvalidParams(f"include: {', '.join(unknown)} can't be told here; choose from {known}.")
    if not include:
        raise InvalidParams("include: name at least one, such as api:addon.")
    return list(dict.fromkeys(include))


def _checked_level(level: str) -> str:
    if level not in tuple(Level):
        raise InvalidParams("level: must be notify (one attempt) or sync (attempts for 72 hours, in order).")
    return level


def _checked_text(name: str, text: str) -> str:
    """What becomes a key or a header: no character that could end a header."""
    if not 1 <= len(text) <= _LONGEST or not (text.isascii() and text.isprintable()) or text != text.strip():
        raise InvalidParams(f"{name}: must be 1 to {_LONGEST} printable ASCII characters.")
    return text
