"""How many apps have each service, for the marketplace: counted now and then, not at every look."""

from __future__ import annotations

from sqlalchemy import distinct, exists, func, select

from broker.accounts.team_models import TeamMember
from broker.accounts.team_roles import RULING
from broker.addons.models import Addon, AddonState
from broker.apps.models import App
from broker.catalog.models import ServiceMember
from broker.catalog.search_index import set_installs
from broker.kernel.context import Context


async def count_installs(ctx: Context) -> None:
    """Count the apps with each service anew. Those of the people who make it, or of a team that one of them runs, say nothing and
    are left out.
    """
    makes = ServiceMember.service_id == Addon.service_id
    own = exists().where(makes, ServiceMember.user_id == App.owner_id)
    runs = (TeamMember.team_id == App.owner_id, TeamMember.role.in_(RULING))
    of_team = exists().where(makes, TeamMember.user_id == ServiceMember.user_id, *runs)
    counted = (
        select(Addon.service_id, func.count(distinct(Addon.app_id)))
        .join(App, App.id == Addon.app_id)
        .where(Addon.state == AddonState.PROVISIONED, ~own, ~of_team)
        .group_by(Addon.service_id)
    )
    async with ctx.database.transaction() as tx:
        await set_installs(tx, {row[0]: row[1] for row in await tx.execute(counted)})
