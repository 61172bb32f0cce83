"""What operators recommend on the first page of the marketplace."""

from __future__ import annotations

from sqlalchemy import update

from broker.catalog.members import Role, locked_service
from broker.catalog.models import AddonService
from broker.catalog.views import INSTALLABLE_STATES
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Conflict


async def feature(ctx: Context, actor: Actor, slug: str, *, featured: bool) -> None:
    """Recommend a service, or no longer. The one that was recommended last stands first.

    Raises: NotFound for whoever is no operator, Conflict for a service that is not listed.
    """
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        service, now = await locked_service(tx, actor, slug, Role.OWNER), ctx.clock.now()
        if featured and service.state not in INSTALLABLE_STATES:
            raise Conflict(f"{slug} is {service.state}: only what is listed can be featured.")
        row = update(AddonService).where(AddonService.id == service.id)
        await tx.execute(row.values(featured_at=now if featured else None, updated_at=now))
        await emit(tx, "addon_service.featured", actor, now, service=slug, featured=featured)
