"""Going back to an earlier release, by making a new one."""

from __future__ import annotations

from collections.abc import Collection

from broker.apps.config_vars import ReservedNames
from broker.apps.environment import ConfigChange, Environment
from broker.apps.release_history import ReleaseView, Snapshot, find_release, read_snapshot
from broker.apps.releases import cut_release, read_environment
from broker.apps.resolve import lock_visible_app
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope


async def roll_back(ctx: Context, actor: Actor, app_key: str, release_key: str, reserved: ReservedNames) -> ReleaseView:
    """Restore the app's own vars of a release. What attachments give stays as it is now: add-ons are not rolled back.

    Transactions: one of its own.
    Raises: NotFound, Forbidden, InvalidParams if the environment would become too large.
    """
    actor.require(Scope.WRITE_PROTECTED)
    async with ctx.database.transaction() as tx:
        _, app = await lock_visible_app(tx, ctx.vault, actor, app_key)
        target = await find_release(tx, app.id, release_key)
        snapshot = await read_snapshot(tx, app.data_key, target)
        now = await read_environment(tx, app.id, app.data_key)
        change = restoring(snapshot, now, await reserved(tx, app.id))
        at, description = ctx.clock.now(), f"Rollback to v{target.version}"
        version = await cut_release(tx, app, change, description=description, actor=actor, at=at)
        await emit(tx, "release.rolled_back", actor, at, app_id=app.id, version=version, to=target.version)
        return await find_release(tx, app.id, str(version))


def restoring(snapshot: Snapshot, now: Environment, reserved: Collection[str]) -> ConfigChange:
    """The change that brings the app's own vars back to the snapshot, as far as attachments leave them their names."""
    given = {name for name, var in now.items() if var.attachment_id is not None} | set(reserved)
    put = {name: value for name, value in snapshot.own.items() if name not in given}
    return ConfigChange(put=put, remove=[name for name in now if name not in put and name not in given])
