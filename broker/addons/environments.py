"""The environments of apps before and after a change, and what lies between: names alone, never a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from broker.addons.preview_views import AppPreview
from broker.apps.environment import Var
from broker.apps.releases import LockedApp, lock_app, read_environment
from broker.kernel.context import Context
from broker.kernel.db import Tx


@dataclass(frozen=True, slots=True)
class AppEnvironment:
    """What an app has, and in which release."""

    app_name: str
    version: int
    values: Mapping[str, Var] = field(repr=False)


Environments = Mapping[UUID, AppEnvironment]


async def environments_of(tx: Tx, apps: Iterable[LockedApp]) -> Environments:
    """The environments of locked apps."""
    return {
        app.id: AppEnvironment(app.name, app.version, await read_environment(tx, app.id, app.data_key)) for app in apps
    }


async def changes_since(tx: Tx, ctx: Context, before: Environments) -> tuple[AppPreview, ...]:
    """What became of the apps meanwhile, in this transaction: those that got a release."""
    locked = [app for app_id in sorted(before) if (app := await lock_app(tx, ctx.vault, app_id))]
    after = await environments_of(tx, locked)
    return tuple(_change(before[app_id], now) for app_id, now in after.items() if now.version > before[app_id].version)


def _change(before: AppEnvironment, after: AppEnvironment) -> AppPreview:
    old, new = before.values, after.values
    return AppPreview(
        after.app_name,
        after.version,
        added=sorted(new.keys() - old.keys()),
        changed=sorted(name for name in new.keys() & old.keys() if new[name] != old[name]),
        removed=sorted(old.keys() - new.keys()),
    )
