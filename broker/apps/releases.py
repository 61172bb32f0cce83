"""Cutting a release: the one way in which an environment changes. Reading releases is `release_history.py`'s."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql

from broker.apps.environment import ConfigChange, Environment, Var, apply, check_environment, values
from broker.apps.models import App, ConfigVar, Release
from broker.events.emit import emit
from broker.kernel.context import Actor
from broker.kernel.db import Tx
from broker.kernel.direct import Direct, filled, placeholders
from broker.kernel.errors import NotFound
from broker.kernel.ids import new_id
from broker.kernel.vault import DataKey, Vault

__all__ = ["ConfigChange", "LockedApp", "cut_release", "lock_app", "read_environment"]


@dataclass(frozen=True, slots=True)
class LockedApp:
    """A live app whose environment nobody else can change until the transaction ends."""

    id: UUID
    name: str
    owner_id: UUID
    payer_id: UUID
    """Whoever pays for it: the owner, if nobody else has agreed to."""
    version: int
    """The newest release when the lock was taken."""
    data_key: DataKey


async def lock_app(tx: Tx, vault: Vault, app_id: UUID, *, alone: bool = False) -> LockedApp | None:
    """Lock a live app against other changes of its environment; None if there is no such app.

    With `alone`, no add-on can be added to it meanwhile either.
    """
    row = await _LOCK[alone].first(tx, app_id=app_id)
    if row is None or row["data_key"] is None:
        return None
    *known, data_key = row
    app_id, name, owner_id, payer_id, version = known
    return LockedApp(app_id, name, owner_id, payer_id, version, vault.unwrap(data_key, key_owner(app_id)))


_PAYER: Final = func.coalesce(App.payer_id, App.owner_id)
_LIVE: Final = select(App.id, App.name, App.owner_id, _PAYER, App.version, App.data_key).where(
    App.id == bindparam("app_id"), App.destroyed_at.is_(None)
)
_LOCK: Final = {alone: Direct(_LIVE.with_for_update(key_share=not alone)) for alone in (False, True)}


async def app_key(tx: Tx, vault: Vault, app_id: UUID) -> DataKey:
    """The data key that seals the app's environment.

    Raises: NotFound if the app is destroyed, and its key with it.
    """
    wrapped = (await tx.execute(select(App.data_key).where(App.id == app_id))).scalar()
    if wrapped is None:
        raise NotFound("app")
    return vault.unwrap(wrapped, key_owner(app_id))


def key_owner(app_id: UUID) -> str:
    """The name under which the app's data key is wrapped."""
    return f"apps:{app_id}"


async def read_environment(tx: Tx, app_id: UUID, key: DataKey) -> dict[str, Var]:
    """The present environment, opened."""
    return {
        name: Var(key.open(sealed, _var_place(app_id, name, version)).decode(), attachment_id)
        for name, attachment_id, version, sealed in await _ENVIRONMENT.all(tx, app_id=app_id)
    }


_ENVIRONMENT: Final = Direct(
    select(ConfigVar.name, ConfigVar.attachment_id, ConfigVar.version, ConfigVar.value_sealed).where(
        ConfigVar.app_id == bindparam("app_id")
    )
)


async def cut_release(
    tx: Tx,
    app: LockedApp,
    change: ConfigChange | Sequence[ConfigChange],
    *,
    description: str,
    actor: Actor,
    at: datetime,
    addon_plan_names: Collection[str] | None = None,
) -> int:
    """Change the environment and record it whole as the next release; the new version.

    `addon_plan_names` are the plans of the app's add-ons from now on; None: as in the release before.
    Raises: InvalidParams if the environment would not be acceptable.
    """
    before = await read_environment(tx, app.id, app.data_key)
    after = apply(before, [change] if isinstance(change, ConfigChange) else change)
    check_environment(values(after))
    version = await _next_version(tx, app.id, at)
    await _store(tx, app, version, before, after)
    await _record(tx, app, version, after, description, actor, at, addon_plan_names)
    await emit(tx, "release.created", actor, at, app_id=app.id, version=version)
    return version


async def _next_version(tx: Tx, app_id: UUID, at: datetime) -> int:
    return int((await _COUNT.all(tx, of_app=app_id, at=at))[0][0])


_COUNT: Final = Direct(
    update(App)
    .where(App.id == bindparam("of_app"))
    .values(version=App.version + 1, released_at=bindparam("at"), updated_at=bindparam("at"))
    .returning(App.version)
)


async def _store(tx: Tx, app: LockedApp, version: int, before: Environment, after: Environment) -> None:
    """Bring the rows from `before` to `after`; what is equal keeps its row and its seal."""
    if gone := [name for name in before if name not in after]:
        await tx.execute(delete(ConfigVar).where(ConfigVar.app_id == app.id, ConfigVar.name.in_(gone)))
    rows = [
        {
            "app_id": app.id,
            "name": name,
            "attachment_id": var.attachment_id,
            "version": version,
            "value_sealed": app.data_key.seal(var.value.encode(), _var_place(app.id, name, version)),
        }
        for name, var in after.items()
        if before.get(name) != var
    ]
    await _PUT.many(tx, [filled(row) for row in rows])


_NEW_VAR: Final = postgresql.insert(ConfigVar).values(placeholders("app_id name attachment_id version value_sealed"))
_PUT: Final = Direct(
    _NEW_VAR.on_conflict_do_update(
        index_elements=["app_id", "name"],
        set_={column: _NEW_VAR.excluded[column] for column in ("attachment_id", "version", "value_sealed")},
    )
)


async def _record(
    tx: Tx,
    app: LockedApp,
    version: int,
    environment: Environment,
    description: str,
    actor: Actor,
    at: datetime,
    addon_plan_names: Collection[str] | None,
) -> None:
    release_id = new_id()
    release = {
        "id": release_id,
        "app_id": app.id,
        "version": version,
        "description": description,
        "actor_id": actor.id,
        "actor_email": actor.email,
        "addon_plan_names": None if addon_plan_names is None else sorted(addon_plan_names),
        "snapshot_sealed": app.data_key.seal(_snapshot(environment), snapshot_place(release_id, version)),
        "created_at": at,
    }
    await _RELEASE.all(tx, **filled(release), before=version - 1)


_NEW_RELEASE: Final = placeholders(
    "id app_id version description actor_id actor_email addon_plan_names snapshot_sealed created_at"
)
_BEFORE: Final = select(Release.addon_plan_names).where(
    Release.app_id == bindparam("new_app_id"), Release.version == bindparam("before")
)
_UNCHANGED: Final = func.coalesce(
    bindparam("new_addon_plan_names", type_=Release.addon_plan_names.type),
    _BEFORE.scalar_subquery(),
    postgresql.array([], type_=Release.addon_plan_names.type.item_type),
)
_RELEASE: Final = Direct(insert(Release).values(_NEW_RELEASE | {"addon_plan_names": _UNCHANGED}))


def _snapshot(environment: Environment) -> bytes:
    owners = {name: str(var.attachment_id) for name, var in environment.items() if var.attachment_id is not None}
    return json.dumps({"vars": values(environment), "owners": owners}, separators=(",", ":")).encode()


def _var_place(app_id: UUID, name: str, version: int) -> str:
    return f"config_vars:{app_id}:{name}:{version}"


def snapshot_place(release_id: UUID, version: int) -> str:
    """Where the snapshot of a release is sealed."""
    return f"releases:{release_id}:snapshot:{version}"
