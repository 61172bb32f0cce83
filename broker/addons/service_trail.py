"""What the broker asked a service's provider for, and what came of it, for the people who make the service.

Of the apps behind the add-ons nothing is told here that the provider does not get by itself: no options, no config, no users.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from sqlalchemy import Date, cast, func, select

from broker.addons.models import Addon, Operation, OperationKind
from broker.addons.protocol_names import region_name
from broker.addons.replay import Replay, decide_replay, standings
from broker.catalog.manifest import UrlStyle
from broker.catalog.members import Role, member_service
from broker.catalog.models import AddonService, Plan
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.parts import NEWEST, Part, bounded

_LONGEST_NOTE: Final = 500
_TOLD: Final = ("at", "step", "outcome", "status", "note")
_ROOT_PATH: Final = "/heroku/resources"

_ASKED: Final = {
    OperationKind.PROVISION: ("POST", "", ("uuid", "plan", "region", "options", "callback_url", "name", "oauth_grant")),
    OperationKind.PLAN_CHANGE: ("PUT", "/{id}", ("plan",)),
    OperationKind.PLAN_RESTORE: ("PUT", "/{id}", ("plan",)),
    OperationKind.DEPROVISION: ("DELETE", "/{id}", ()),
    OperationKind.REFRESH: ("GET", "/{id}", ()),
    OperationKind.ROTATE: ("POST", "/{id}/actions/rotate", ("rotation",)),
}
"""Method, address below that of the resources, and the members of the body. Source: the Add-on Partner API, v3."""
_ASKED_V1: Final = _ASKED | {
    OperationKind.PROVISION: (
        "POST", "", ("uuid", "plan", "region", "options", "callback_url", "heroku_id", "logplex_token"),
    ),
    OperationKind.PLAN_CHANGE: ("PUT", "/{id}", ("plan", "heroku_id", "uuid")),
    OperationKind.PLAN_RESTORE: ("PUT", "/{id}", ("plan", "heroku_id", "uuid")),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TrailEntry:
    """One operation of an add-on of the service, with the request that it makes as the protocol has it."""

    id: UUID
    addon_id: UUID
    addon_name: str
    kind: str
    state: str
    attempts: int
    method: str
    url: str
    body: Mapping[str, str | None]
    """Its members; None stands for a value that is secret, or of which only the provider keeps what it was."""
    steps: tuple[Mapping[str, Any], ...]
    """At which instant what was tried, with which outcome and status, and a note; the oldest first."""
    next_attempt_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    replay: Replay | None
    """What may be sent once more for it, if anything."""
    kept_back: str
    """Why nothing may."""


@dataclass(frozen=True, slots=True)
class InstallsView:
    """How many add-ons of the service there are, and were at the end of each of the last days (UTC)."""

    now: int
    by_plan: tuple[tuple[str, int], ...]
    days: tuple[tuple[date, int], ...]


async def list_trail(
    ctx: Context, actor: Actor, slug: str, *, only_open: bool = False, part: Part = NEWEST
) -> list[TrailEntry]:
    """The operations of all add-ons of a service, the newest first unless another order is asked for, for any of its members.

    Raises: NotFound.
    """
    async with ctx.database.transaction() as tx:
        service = await member_service(tx, actor, slug, Role.DEVELOPER)
        wanted = (
            select(
                Operation.id, Operation.addon_id, Addon.name, Operation.kind, Operation.state, Operation.attempts,
                Operation.history, Operation.next_at, Operation.created_at, Operation.finished_at,
                Plan.slug.label("plan"), Addon.region, Addon.provider_id, AddonService.base_url, AddonService.url_style,
                AddonService.api_version,
            )
            .join(Addon, Addon.id == Operation.addon_id)
            .join(AddonService, AddonService.id == Addon.service_id)
            .outerjoin(Plan, Plan.id == Operation.plan_id)
            .where(Addon.service_id == service.id)
        )  # fmt: skip
        if only_open:
            wanted = wanted.where(Operation.finished_at.is_(None))
        rows = (await tx.execute(bounded(wanted, Operation.id, part))).all()
        found, now = await standings(tx, [row.id for row in rows]), ctx.clock.now()
        return [_entry(row, decide_replay(found[row.id], now)) for row in rows]


async def installs_of(ctx: Context, actor: Actor, slug: str, days: int = 90) -> InstallsView:
    """How the service spreads, for any of its members. An add-on counts from when its provider had made it.

    Raises: NotFound.
    """
    today = ctx.clock.now().date()
    first = today - timedelta(days=days - 1)
    async with ctx.database.transaction() as tx:
        service = await member_service(tx, actor, slug, Role.DEVELOPER)
        begun, ended = await _counted(tx, service.id, Addon.created_at), await _counted(tx, service.id, _ENDED)
        by_plan = await _by_plan(tx, service.id)
    running = sum(count for day, count in begun.items() if day < first)
    running -= sum(count for day, count in ended.items() if day < first)
    curve = []
    for day in (first + timedelta(days=number) for number in range(days)):
        running += begun.get(day, 0) - ended.get(day, 0)
        curve.append((day, running))
    return InstallsView(sum(count for _, count in by_plan), by_plan, tuple(curve))


_ENDED: Final = Addon.deprovisioned_at


async def _counted(tx: Tx, service_id: UUID, instant: Any) -> dict[date, int]:
    """On which days how many add-ons began, or ended."""
    day = cast(func.timezone("UTC", instant), Date)
    wanted = select(day, func.count()).where(
        Addon.service_id == service_id, Addon.provider_id.is_not(None), instant.is_not(None)
    )
    found: dict[date, int] = defaultdict(int)
    for at, count in await tx.execute(wanted.group_by(day)):
        found[at] = count
    return found


async def _by_plan(tx: Tx, service_id: UUID) -> tuple[tuple[str, int], ...]:
    wanted = (
        select(Plan.slug, func.count())
        .join(Addon, Addon.plan_id == Plan.id)
        .where(Addon.service_id == service_id, Addon.provider_id.is_not(None), _ENDED.is_(None))
        .group_by(Plan.slug, Plan.position)
        .order_by(Plan.position)
    )
    return tuple((row[0], row[1]) for row in await tx.execute(wanted))


def _entry(row: Any, replay: Replay | str) -> TrailEntry:
    is_v1 = row.api_version == "1"
    method, below, members = (_ASKED_V1 if is_v1 else _ASKED)[OperationKind(row.kind)]
    remote_id = (row.provider_id if is_v1 else None) or row.addon_id
    base = row.base_url.rstrip("/") + ("" if row.url_style == UrlStyle.OBJECT else _ROOT_PATH)
    known = {"uuid": str(row.addon_id), "plan": row.plan, "region": region_name(row.region)}
    return TrailEntry(
        id=row.id,
        addon_id=row.addon_id,
        addon_name=row.name,
        kind=row.kind,
        state=row.state,
        attempts=row.attempts,
        method=method,
        url=base + below.format(id=quote(str(remote_id), safe="")),
        body={name: known.get(name) for name in members},
        steps=_steps(row.history),
        next_attempt_at=row.next_at if row.finished_at is None else None,
        created_at=row.created_at,
        finished_at=row.finished_at,
        replay=replay if isinstance(replay, Replay) else None,
        kept_back="" if isinstance(replay, Replay) else replay,
    )


def _steps(history: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    return tuple(
        {name: str(step[name])[:_LONGEST_NOTE] for name in _TOLD if step.get(name) is not None} for step in history
    )
