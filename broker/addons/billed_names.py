"""What the lines of bills call add-ons and apps, and their tags: `billing` knows them by their ids alone. Never commits."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Uuid, any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on

from broker.addons.models import Addon
from broker.apps.models import App
from broker.apps.tags import tags_of
from broker.billing.bill import Held, Named
from broker.billing.models import UsagePeriod
from broker.kernel.db import Tx


async def billed_names(tx: Tx, held: Collection[Held], until: datetime) -> dict[Held, Named]:
    """The names of these add-ons, and of the apps on which their accounts had them last before `until`, also of those that
    are gone. The tags are those of the app, over those of the account.
    """
    addons = any_(literal(list({addon_id for _, addon_id in held}), ARRAY(Uuid)))
    last = (
        select(UsagePeriod.payer_id, UsagePeriod.addon_id, UsagePeriod.app_id)
        .where(UsagePeriod.addon_id == addons, UsagePeriod.started_at < until)
        .ext(distinct_on(UsagePeriod.payer_id, UsagePeriod.addon_id))
        .order_by(UsagePeriod.payer_id, UsagePeriod.addon_id, UsagePeriod.started_at.desc())
        .subquery()
    )
    named = select(last.c.payer_id, last.c.addon_id, Addon.name.label("addon"), App.id.label("app_id"), App.name)
    named = named.join(Addon, Addon.id == last.c.addon_id).join(App, App.id == last.c.app_id)
    rows = [row for row in await tx.execute(named) if (row[0], row[1]) in held]
    payers = {(row.payer_id, row.app_id) for row in rows}
    tags = await tags_of(tx, {each for both in payers for each in both})
    tagged = {both: tags.get(both[0], {}) | tags.get(both[1], {}) for both in payers}
    return {
        (payer_id, addon_id): Named(addon, app_id, app, tagged[payer_id, app_id])
        for payer_id, addon_id, addon, app_id, app in rows
    }
