"""How many apps have each service, for the marketplace: counted now and then, not at every look."""

from __future__ import annotations

from sqlalchemy import distinct, exists, func, select

from broker.addons.models import Addon, AddonState
from broker.apps.models import App
from broker.catalog.models import ServiceMember
from broker.catalog.search_index import set_installs
from broker.kernel.context import Context


async def count_installs(ctx: Context) -> None:
    """Count the apps with each service anew. Those of the people who make it say nothing and are left out."""
    own = exists().where(ServiceMember.service_id == Addon.service_id, ServiceMember.user_id == App.owner_id)
    counted = (
        select(Addon.service_id, func.count(distinct(Addon.app_id)))
        .join(App, App.id == Addon.app_id)
        .where(Addon.state == AddonState.PROVISIONED, ~own)
        .group_by(Addon.service_id)
    )
    async with ctx.database.transaction() as tx:
        await set_installs(tx, {row[0]: row[1] for row in await tx.execute(counted)})
