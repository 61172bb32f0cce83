"""Reading and changing config vars as a user. What attachments give is theirs: users can neither change nor remove it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import select

from broker.apps.environment import ConfigChange, Environment, Var, check_environment, values
from broker.apps.models import ConfigVar
from broker.apps.releases import LockedApp, app_key, cut_release, read_environment
from broker.apps.resolve import lock_visible_app, require_work, visible_app
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import InvalidParams

ReservedNames: TypeAlias = Callable[[Tx, UUID], Awaitable[frozenset[str]]]
"""Names that attachments of the app will give once their add-ons are provisioned. Known to `addons`, which is above us."""


async def get_config_vars(ctx: Context, actor: Actor, key: str) -> dict[str, str]:
    """The whole environment, add-ons' vars included. That it was read is a fact of the audit.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ_PROTECTED)
    async with ctx.database.transaction() as tx:
        app = await visible_app(tx, actor, key)
        require_work(app, "read the values of its config vars")
        await emit(tx, "config_vars.read", actor, ctx.clock.now(), app_id=app.id, version=app.version)
        return values(await read_environment(tx, app.id, await app_key(tx, ctx.vault, app.id)))


async def set_config_vars(
    ctx: Context, actor: Actor, key: str, changes: Mapping[str, str | None], reserved: ReservedNames
) -> dict[str, str]:
    """Set the vars of `changes`, remove those that are None; the new environment. Changing nothing makes no release.

    Transactions: one of its own.
    Raises: InvalidParams, NotFound, Forbidden.
    """
    actor.require(Scope.WRITE_PROTECTED)
    async with ctx.database.transaction() as tx:
        _, app = await lock_visible_app(tx, ctx.vault, actor, key)  # alone: what add-ons reserve must not change
        before = await read_environment(tx, app.id, app.data_key)
        change = _own_change(before, changes, await reserved(tx, app.id))
        if not change.put and not change.remove:
            return values(before)
        await _release(ctx, tx, app, actor, change)
        return values(await read_environment(tx, app.id, app.data_key))


async def _release(ctx: Context, tx: Tx, app: LockedApp, actor: Actor, change: ConfigChange) -> None:
    at = ctx.clock.now()
    version = await cut_release(tx, app, change, description=describe(change), actor=actor, at=at)
    put, gone = sorted(change.put), sorted(change.remove)
    await emit(tx, "config_vars.changed", actor, at, app_id=app.id, version=version, set=put, removed=gone)


def _own_change(before: Environment, changes: Mapping[str, str | None], reserved: Collection[str]) -> ConfigChange:
    """What of `changes` really changes something.

    Raises: InvalidParams if a name or value is unacceptable, or belongs to an attachment.
    """
    check_environment({name: value or "" for name, value in changes.items()})
    differing = {name: value for name, value in changes.items() if _value(before.get(name)) != value}
    taken = sorted(name for name in differing if name in reserved or _is_given(before.get(name)))
    if taken:
        raise InvalidParams(f"Cannot overwrite attachment values {', '.join(taken)}.")
    put = {name: value for name, value in differing.items() if value is not None}
    return ConfigChange(put=put, remove=[name for name, value in differing.items() if value is None])


def _value(var: Var | None) -> str | None:
    return None if var is None else var.value


def _is_given(var: Var | None) -> bool:
    return var is not None and var.attachment_id is not None


def describe(change: ConfigChange) -> str:
    """The description of the release that a user's change makes."""
    parts = [
        f"{verb} {', '.join(sorted(names))} config vars"
        for verb, names in (("Set", change.put), ("Remove", change.remove))
        if names
    ]
    return ", ".join([*parts[:1], *(part[0].lower() + part[1:] for part in parts[1:])])


@dataclass(frozen=True, slots=True)
class VarName:
    """A config var without its value."""

    name: str
    attachment_id: UUID | None
    """The attachment that gives it; None: it is the app's own."""
    version: int
    """The release that set it."""


async def list_var_names(ctx: Context, actor: Actor, key: str) -> list[VarName]:
    """The names of the environment, sorted. No value is read, so this is no reading of secrets.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    async with ctx.database.transaction() as tx:
        app = await visible_app(tx, actor, key)
        named = select(ConfigVar.name, ConfigVar.attachment_id, ConfigVar.version).where(ConfigVar.app_id == app.id)
        return [VarName(*row) for row in await tx.execute(named.order_by(ConfigVar.name))]
