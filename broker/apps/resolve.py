"""Finding an app by name or id, inside what the actor may see. The only door to the table of apps for whoever asks as a user."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, bindparam, func, null, select, type_coerce

from broker.accounts.models import User
from broker.apps.models import App
from broker.apps.names import is_app_name
from broker.apps.releases import LockedApp, lock_app
from broker.apps.visibility import ANY_VIEWER, Role, may_see, role_in, seen_app_ids, viewer, viewing
from broker.kernel.context import Actor
from broker.kernel.db import Tx
from broker.kernel.direct import Direct
from broker.kernel.errors import Forbidden, NotFound
from broker.kernel.ids import as_uuid
from broker.kernel.vault import Vault


@dataclass(frozen=True, slots=True)
class AppView:
    """An app as everybody sees it who may."""

    id: UUID
    name: str
    owner_id: UUID
    owner_email: str
    region: str
    stack: str
    maintenance: bool
    version: int
    created_at: datetime
    updated_at: datetime
    released_at: datetime | None
    payer_id: UUID
    """Whoever pays for it: the owner, if nobody else has agreed to."""
    team_name: str | None
    """The team that owns it, if it is one."""
    role: str | None
    """What whoever has looked it up is to it (`Role`); None where nobody has who is anything to it."""


def visible_apps(actor: Actor) -> Select[*tuple[Any, ...]]:
    """The live apps that the actor may see, with the columns of `AppView`."""
    who = viewer(actor)
    return _apps(App.id.in_(seen_app_ids(who)), role_in(App, who))


def _apps(seen: ColumnElement[bool], role: ColumnElement[Any] | None = None) -> Select[*tuple[Any, ...]]:
    return _ever(role).where(seen, App.destroyed_at.is_(None))


def _ever(role: ColumnElement[Any] | None = None) -> Select[*tuple[Any, ...]]:
    return select(
        App.id,
        App.name,
        App.owner_id,
        User.email.label("owner_email"),
        App.region,
        App.stack,
        App.maintenance,
        App.version,
        App.created_at,
        App.updated_at,
        App.released_at,
        func.coalesce(App.payer_id, App.owner_id).label("payer_id"),
        User.team_name,
        (type_coerce(null(), Text) if role is None else role).label("role"),
    ).join(User, User.id == App.owner_id)


async def apps_where(tx: Tx, condition: ColumnElement[bool]) -> list[AppView]:
    """The live apps that fit, oldest first, for a use case whose condition says what may be seen."""
    return [AppView(*row) for row in await tx.execute(_apps(condition).order_by(App.created_at, App.id))]


async def app_that_was(tx: Tx, app_id: UUID) -> AppView:
    """The app of this id, destroyed or not, for who tells what happened to it."""
    return AppView(*(await tx.execute(_ever().where(App.id == app_id))).one())


async def visible_app(tx: Tx, actor: Actor, key: str) -> AppView:
    """The app of this name or id, to look at.

    Raises: NotFound, whether it does not exist or is somebody else's.
    """
    return await _found(tx, actor, key, keep=False)


async def changeable_app(tx: Tx, actor: Actor, key: str, *, keep: bool = False) -> AppView:
    """The same, for those who work on it. With `keep`, it cannot be destroyed before the transaction ends.

    Raises: NotFound; Forbidden for those of its team who only look at it.
    """
    app = await _found(tx, actor, key, keep=keep)
    require_work(app)
    return app


def require_work(app: AppView, what: str = "change it") -> None:
    """Go on only for whoever has looked the app up and works on it.

    Raises: Forbidden.
    """
    if app.role == Role.VIEWER:
        raise Forbidden(
            f"{app.name} belongs to the team {app.team_name}, in which your role lets you look but not {what}."
        )


async def _found(tx: Tx, actor: Actor, key: str, *, keep: bool) -> AppView:
    app_id = as_uuid(key)
    if app_id is None and not is_app_name(key):
        raise NotFound("app")
    statement = (_BY_NAME if app_id is None else _BY_ID)[keep]
    row = await statement.first(tx, key=key if app_id is None else app_id, **viewing(actor))
    if row is None:
        raise NotFound("app")
    return AppView(*row)


async def lock_visible_app(tx: Tx, vault: Vault, actor: Actor, key: str) -> tuple[AppView, LockedApp]:
    """The same, locked against everything else that changes it; still the actor's to change when the lock was had.

    Raises: NotFound, Forbidden.
    """
    found = await changeable_app(tx, actor, key)
    app = await lock_app(tx, vault, found.id, alone=True)
    if app is None:
        raise NotFound("app")
    return await changeable_app(tx, actor, str(found.id)), app


def _named(named: ColumnElement[bool]) -> dict[bool, Direct]:
    """The app of that name, by whether it is to be kept."""
    statement = _apps(may_see(App, ANY_VIEWER), role_in(App, ANY_VIEWER)).where(named)
    return {False: Direct(statement), True: Direct(statement.with_for_update(read=True, key_share=True, of=App))}


_BY_NAME: Final = _named(App.name == bindparam("key"))
_BY_ID: Final = _named(App.id == bindparam("key"))
