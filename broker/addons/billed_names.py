"""What the lines of bills call add-ons and apps: `billing` knows them by their ids alone. Never commits."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select

from broker.addons.models import Addon
from broker.apps.models import App
from broker.billing.bill import Named
from broker.kernel.db import Tx


async def billed_names(tx: Tx, addon_ids: Collection[UUID]) -> dict[UUID, Named]:
    """The names of these add-ons and of the apps that they are billed to, also of those that are gone."""
    named = select(Addon.id, Addon.name, App.id, App.name).join(App, App.id == Addon.app_id)
    rows = await tx.execute(named.where(Addon.id.in_(addon_ids)))
    return {addon_id: Named(addon, app_id, app) for addon_id, addon, app_id, app in rows}
