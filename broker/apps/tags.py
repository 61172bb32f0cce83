"""Tags: names and values by which costs are sorted, on apps and, as defaults, on whole accounts. Bills keep those of their close."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from broker.apps.resolve import lock_visible_app, visible_app
from broker.apps.term_models import Tag
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import InvalidParams

MOST: Final = 50
"""Tags that an app or an account may have."""
_LONGEST_VALUE: Final = 256
_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,62}")
_TAKEN: Final = ("app", "plan")
"""What exports say of themselves."""

Tags = Mapping[str, str]


async def app_tags(ctx: Context, actor: Actor, key: str) -> Tags:
    """The tags of a visible app, without those of the account that pays.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    async with ctx.database.transaction() as tx:
        app = await visible_app(tx, actor, key)
        return (await tags_of(tx, [app.id])).get(app.id, {})


async def account_tags(ctx: Context, actor: Actor) -> Tags:
    """The tags of the actor's account: of every app that it pays for, unless the app has one of that name.

    Raises: Forbidden, also for a token that is limited to some apps.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        return (await tags_of(tx, [actor.id])).get(actor.id, {})


async def change_app_tags(ctx: Context, actor: Actor, key: str, changes: Mapping[str, str | None]) -> Tags:
    """Set tags of an app, and remove those that are None; all that it has then.

    Transactions: one. Raises: NotFound, Forbidden, InvalidParams.
    """
    actor.require(Scope.WRITE)
    _check(changes)
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        _, app = await lock_visible_app(tx, ctx.vault, actor, key)
        found = await _change(tx, app.id, changes, at)
        await emit(tx, "tags.changed", actor, at, app_id=app.id, tags=dict(found))
        return found


async def change_account_tags(ctx: Context, actor: Actor, changes: Mapping[str, str | None]) -> Tags:
    """The same for the actor's account. Takes a token for everything.

    Transactions: one. Raises: Forbidden, InvalidParams.
    """
    actor.require(Scope.GLOBAL)
    _check(changes)
    at = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"tags:{actor.id}", 0))))
        found = await _change(tx, actor.id, changes, at)
        await emit(tx, "tags.changed", actor, at, account=str(actor.id), tags=dict(found))
        return found


async def tags_of(tx: Tx, scope_ids: Collection[UUID]) -> dict[UUID, dict[str, str]]:
    """The tags of apps and accounts; of those that have any."""
    found: dict[UUID, dict[str, str]] = defaultdict(dict)
    rows = select(Tag.scope_id, Tag.name, Tag.value).where(Tag.scope_id.in_(scope_ids)).order_by(Tag.name)
    for scope_id, name, value in await tx.execute(rows):
        found[scope_id][name] = value
    return dict(found)


async def _change(tx: Tx, scope_id: UUID, changes: Mapping[str, str | None], at: datetime) -> Tags:
    gone = [name for name, value in changes.items() if value is None]
    await tx.execute(delete(Tag).where(Tag.scope_id == scope_id, Tag.name.in_(gone)))
    rows = [
        {"scope_id": scope_id, "name": name, "value": value, "updated_at": at}
        for name, value in changes.items()
        if value is not None
    ]
    if rows:
        put = insert(Tag).values(rows)
        new = {"value": put.excluded.value, "updated_at": put.excluded.updated_at}
        await tx.execute(put.on_conflict_do_update(index_elements=["scope_id", "name"], set_=new))
    found = (await tags_of(tx, [scope_id])).get(scope_id, {})
    if len(found) > MOST:
        raise InvalidParams(f"At most {MOST} tags are possible.")
    return found


def _check(changes: Mapping[str, str | None]) -> None:
    for name, value in changes.items():
        if not _NAME.fullmatch(name):
            raise InvalidParams(
                f"{name[:80]!r} can't be the name of a tag: it begins with a small letter and has only small letters,"
                " digits, and . _ -, at most 63 in all."
            )
        if name in _TAKEN:
            raise InvalidParams(f"{name} can't be the name of a tag: exports say that of themselves.")
        if value is not None and not (value.isprintable() and 0 < len(value) <= _LONGEST_VALUE):
            raise InvalidParams(f"{name}: a tag has from 1 to {_LONGEST_VALUE} printable characters.")
