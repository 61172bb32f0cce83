"""Reading releases: the list, one of them, and the environment that it froze."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, select

from broker.apps.models import App, Release
from broker.apps.releases import app_key, snapshot_place
from broker.apps.resolve import require_work, visible_app
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import NotFound
from broker.kernel.ids import as_uuid
from broker.kernel.vault import DataKey

_VERSION_DIGITS: Final = 18
"""More would not fit the column."""


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """A release without its environment."""

    id: UUID
    app_id: UUID
    app_name: str
    version: int
    description: str
    actor_id: UUID
    actor_email: str
    addon_plan_names: Sequence[str]
    created_at: datetime
    current: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The environment of a release, and which attachment owned what."""

    vars: Mapping[str, str] = field(repr=False)
    owners: Mapping[str, UUID]

    @property
    def own(self) -> dict[str, str]:
        """What was the app's own."""
        return {name: value for name, value in self.vars.items() if name not in self.owners}


async def list_releases(
    ctx: Context, actor: Actor, app_key: str, *, newest_first: bool, limit: int, after: int | None = None
) -> list[ReleaseView]:
    """At most `limit` releases by version, those beyond version `after` in the direction of the list.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    async with ctx.database.transaction() as tx:
        app = await visible_app(tx, actor, app_key)
        statement = _releases(app.id).order_by(Release.version.desc() if newest_first else Release.version)
        if after is not None:
            statement = statement.where(Release.version < after if newest_first else Release.version > after)
        return [ReleaseView(*row) for row in await tx.execute(statement.limit(limit))]


async def get_release(ctx: Context, actor: Actor, app_key: str, release_key: str) -> ReleaseView:
    """One release by version number (`3` or `v3`), id, or the word `current`.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    async with ctx.database.transaction() as tx:
        app = await visible_app(tx, actor, app_key)
        return await find_release(tx, app.id, release_key)


async def release_config_vars(ctx: Context, actor: Actor, app_key_: str, release_key: str) -> dict[str, str]:
    """The environment as this release froze it.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ_PROTECTED)
    async with ctx.database.transaction() as tx:
        app = await visible_app(tx, actor, app_key_)
        require_work(app, "read the values of its config vars")
        release = await find_release(tx, app.id, release_key)
        snapshot = await read_snapshot(tx, await app_key(tx, ctx.vault, app.id), release)
        return dict(snapshot.vars)


async def find_release(tx: Tx, app_id: UUID, key: str) -> ReleaseView:
    """The release of this app by number, id or `current`.

    Raises: NotFound.
    """
    release_id, number = as_uuid(key), key.removeprefix("v")
    if release_id is not None:
        wanted = Release.id == release_id
    elif number.isascii() and number.isdigit() and len(number) <= _VERSION_DIGITS:
        wanted = Release.version == int(number)
    elif key == "current":
        wanted = Release.version == App.version
    else:
        raise NotFound("release")
    row = (await tx.execute(_releases(app_id).where(wanted))).one_or_none()
    if row is None:
        raise NotFound("release")
    return ReleaseView(*row)


async def list_recent(tx: Tx, app_id: UUID, limit: int, before: int | None = None) -> list[ReleaseView]:
    """The newest releases of an app, for a use case that has checked who asks."""
    statement = _releases(app_id).order_by(Release.version.desc())
    if before is not None:
        statement = statement.where(Release.version < before)
    return [ReleaseView(*row) for row in await tx.execute(statement.limit(limit))]


async def read_snapshot(tx: Tx, key: DataKey, release: ReleaseView) -> Snapshot:
    """What the release froze, opened."""
    sealed = (await tx.execute(select(Release.snapshot_sealed).where(Release.id == release.id))).scalar_one()
    opened = json.loads(key.open(sealed, snapshot_place(release.id, release.version)))
    return Snapshot(opened["vars"], {name: UUID(owner) for name, owner in opened["owners"].items()})


def _releases(app_id: UUID) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Release.id,
            Release.app_id,
            App.name,
            Release.version,
            Release.description,
            Release.actor_id,
            Release.actor_email,
            Release.addon_plan_names,
            Release.created_at,
            (Release.version == App.version).label("current"),
        )
        .join(App, App.id == Release.app_id)
        .where(Release.app_id == app_id)
    )
