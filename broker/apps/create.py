"""Creating an app, with its data key and its first release."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from broker.accounts.team_roles import WORKING
from broker.accounts.teams import keep_team, require_role, team_of
from broker.apps.models import App
from broker.apps.names import automatic_app_name, checked_app_name
from broker.apps.releases import ConfigChange, LockedApp, cut_release, key_owner
from broker.apps.resolve import AppView, visible_app
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import InvalidParams, NameTaken
from broker.kernel.ids import new_id
from broker.kernel.vault import WrappedKey

REGIONS: Final = ("us", "eu")
DEFAULT_STACK: Final = "heroku-24"
_ATTEMPTS: Final = 8
_chance = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class CreateApp:
    """What a new app should be like; None leaves the choice to the broker. Any stack is accepted: nothing is built here."""

    name: str | None = None
    region: str | None = None
    stack: str | None = None
    team: str | None = None
    """Name or id of the team that is to own it; None: it is the actor's own."""


async def create_app(ctx: Context, actor: Actor, request: CreateApp, *, app_id: UUID | None = None) -> AppView:
    """Create an app that belongs to the actor or to a team, at its release v1.

    Transactions: one of its own.
    Raises: InvalidParams, NameTaken, Forbidden; NotFound for a team that the actor is not in.
    """
    actor.require(Scope.WRITE)
    actor.require_every_app()
    region = checked_region(request.region)
    names = [automatic_app_name(_chance) for _ in range(_ATTEMPTS)]
    if request.name is not None:
        names = [checked_app_name(request.name)]
    at = ctx.clock.now()
    app_id = app_id or new_id()
    key, wrapped = ctx.vault.new_data_key(key_owner(app_id))
    async with ctx.database.transaction() as tx:
        row = {"id": app_id, "region": region, "stack": request.stack or DEFAULT_STACK, "data_key": wrapped}
        owner_id = actor.id if request.team is None else await _owning_team(tx, actor, request.team)
        name = await _insert(tx, owner_id, names, row | {"created_at": at, "updated_at": at})
        app = LockedApp(app_id, name, owner_id, owner_id, 0, key)
        await cut_release(tx, app, ConfigChange(), description="Initial release", actor=actor, at=at)
        await emit(tx, "app.created", actor, at, app_id=app_id, name=name)
        return await visible_app(tx, actor, str(app_id))


async def _owning_team(tx: Tx, actor: Actor, key: str) -> UUID:
    """The team, which nobody can end before the transaction does."""
    team = await team_of(tx, actor, key)
    require_role(team, "create apps in it", WORKING)
    await keep_team(tx, team.id)
    return team.id


def checked_region(region: str | None) -> str:
    """The region, or the default one.

    Raises: InvalidParams.
    """
    if region is not None and region not in REGIONS:
        raise InvalidParams(f"region: must be one of {', '.join(REGIONS)}.")
    return region or REGIONS[0]


async def _insert(tx: Tx, owner_id: UUID, names: list[str], row: dict[str, object | WrappedKey]) -> str:
    """Insert the app under the first free name of `names`."""
    for name in names:
        statement = (
            insert(App)
            .values(name=name, owner_id=owner_id, maintenance=False, version=0, **row)
            .on_conflict_do_nothing(index_elements=["name"], index_where=text("destroyed_at is null"))
            .returning(App.id)
        )
        if (await tx.execute(statement)).scalar() is not None:
            return name
    raise NameTaken
