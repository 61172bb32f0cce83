"""The facts that somebody may read as an audit: operators all, others what they did and what happened to their own apps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, true

from broker.apps.models import App
from broker.apps.resolve import visible_app
from broker.apps.visibility import owned_app_ids, viewer
from broker.events.models import AuditLink, Event
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import NotFound
from broker.kernel.ids import as_uuid


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which facts. `kind` is one (`app.created`) or all of a noun (`app`); the times are half-open."""

    app: str | None = None
    by: str | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact: who, what, when, from where and with which token; with its place in the chain, once it has one."""

    id: UUID
    at: datetime
    kind: str
    actor_id: UUID
    actor_email: str
    app_id: UUID | None
    addon_id: UUID | None
    data: Mapping[str, Any]
    authorization_id: UUID | None
    client_id: UUID | None
    address: str | None
    request_id: UUID | None
    position: int | None
    digest: bytes | None


_COLUMNS: Final = [
    *(getattr(Event, name) for name in Entry.__slots__ if name not in ("position", "digest")),
    AuditLink.position,
    AuditLink.digest,
]


async def read_trail(
    ctx: Context,
    actor: Actor,
    wanted: Wanted,
    *,
    after: UUID | None = None,
    newest_first: bool = False,
    most: int = 200,
) -> list[Entry]:
    """Facts by age; `after` is the last one of the part before.

    Raises: NotFound for an app that the actor does not see; Forbidden.
    """
    actor.require(Scope.READ)
    actor.require_own_token()
    async with ctx.database.transaction() as tx:
        found = select(*_COLUMNS).outerjoin(AuditLink, AuditLink.event_id == Event.id)
        found = found.where(_readable(actor), *await _filters(tx, actor, wanted))
        if after is not None:
            found = found.where(Event.id < after if newest_first else Event.id > after)
        order = Event.id.desc() if newest_first else Event.id.asc()
        return [Entry(*row) for row in await tx.execute(found.order_by(order).limit(most))]


async def get_link(ctx: Context, actor: Actor, position: int) -> Entry:
    """The fact at a place of the chain: operators only.

    Raises: NotFound.
    """
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        found = select(*_COLUMNS).join(AuditLink, AuditLink.event_id == Event.id).where(AuditLink.position == position)
        row = (await tx.execute(found)).one_or_none()
    if row is None:
        raise NotFound("audit_link")
    return Entry(*row)


def _readable(actor: Actor) -> ColumnElement[bool]:
    if actor.is_operator:
        return true()
    return or_(Event.actor_id == actor.id, Event.app_id.in_(owned_app_ids(viewer(actor))))


async def _filters(tx: Tx, actor: Actor, wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.app is not None:
        conditions.append(Event.app_id == await _app_id(tx, actor, wanted.app))
    if wanted.by is not None:
        conditions.append(Event.actor_email == wanted.by)
    if wanted.kind is not None:
        conditions.append(or_(Event.kind == wanted.kind, Event.kind.startswith(f"{wanted.kind}.", autoescape=True)))
    if wanted.since is not None:
        conditions.append(Event.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Event.at < wanted.until)
    return conditions


async def _app_id(tx: Tx, actor: Actor, key: str) -> UUID:
    """An operator may also ask about apps that are gone; of several that had a name, the newest."""
    if not actor.is_operator:
        return (await visible_app(tx, actor, key)).id
    app_id = as_uuid(key)
    which = App.name == key if app_id is None else App.id == app_id
    found = (await tx.execute(select(App.id).where(which).order_by(App.created_at.desc()).limit(1))).scalar()
    if found is None:
        raise NotFound("app")
    return found
