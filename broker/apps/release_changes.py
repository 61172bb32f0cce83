"""What each release changed, by the names of config vars: what a history shows. Never a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from broker.apps.release_history import ReleaseView, Snapshot, list_recent, read_snapshot
from broker.apps.releases import app_key
from broker.apps.resolve import visible_app
from broker.kernel.context import Actor, Context, Scope


@dataclass(frozen=True, slots=True)
class ReleaseChange:
    """A release, and how its environment differs from the one before it."""

    release: ReleaseView
    added: Sequence[str]
    changed: Sequence[str]
    removed: Sequence[str]


async def list_changes(
    ctx: Context, actor: Actor, key: str, *, limit: int, before: int | None = None
) -> list[ReleaseChange]:
    """At most `limit` releases, newest first, those before the version `before` if it is given.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    async with ctx.database.transaction() as tx:
        app = await visible_app(tx, actor, key)
        data_key = await app_key(tx, ctx.vault, app.id)
        releases = await list_recent(tx, app.id, limit + 1, before)
        snapshots = [await read_snapshot(tx, data_key, each) for each in releases]
    # The oldest that was read is there to be compared with, unless it is the first of all.
    whole = len(releases) if len(releases) <= limit else limit
    return [_change(releases[index], snapshots[index], _older(snapshots, index)) for index in range(whole)]


def _older(snapshots: Sequence[Snapshot], index: int) -> Mapping[str, str]:
    return snapshots[index + 1].vars if index + 1 < len(snapshots) else {}


def _change(release: ReleaseView, after: Snapshot, before: Mapping[str, str]) -> ReleaseChange:
    now = after.vars
    return ReleaseChange(
        release,
        added=sorted(now.keys() - before.keys()),
        changed=sorted(name for name in now.keys() & before.keys() if now[name] != before[name]),
        removed=sorted(before.keys() - now.keys()),
    )
