"""What is offered to somebody costs, so that they know before they agree: plans and prices, and nothing else. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from broker.addons.models import Addon, AddonState
from broker.addons.transfer import AddonTransferView
from broker.apps.offers import TransferState
from broker.apps.payers import PayerState, PayerView
from broker.apps.transfers import TransferView
from broker.catalog.manifest_meters import is_priced
from broker.catalog.models import AddonService, Plan
from broker.kernel.context import Context

Offer = TransferView | AddonTransferView | PayerView


@dataclass(frozen=True, slots=True)
class OfferedPlan:
    """The plan of an add-on that somebody would pay for. Units: `price_cents` per month, in minor units of `currency`."""

    addon_id: UUID
    plan: str
    price_cents: int
    currency: str
    metered: bool


async def offered_plans(ctx: Context, offers: Sequence[Offer]) -> Mapping[UUID, Sequence[OfferedPlan]]:
    """What each of these offers, which the caller was shown, comes to as long as it is pending; by its id."""
    pending = [each for each in offers if each.state in (TransferState.PENDING, PayerState.PENDING)]
    plans = await _plans_of(ctx, {each.app_id for each in pending}) if pending else {}
    return {each.id: [plan for plan in plans.get(each.app_id, ()) if _is_meant(each, plan)] for each in pending}


def _is_meant(offer: Offer, plan: OfferedPlan) -> bool:
    return not isinstance(offer, AddonTransferView) or offer.addon_id == plan.addon_id


async def _plans_of(ctx: Context, app_ids: Collection[UUID]) -> dict[UUID, list[OfferedPlan]]:
    going = (AddonState.DEPROVISIONED, AddonState.DEPROVISIONING)
    columns = (
        Addon.app_id,
        Addon.id,
        AddonService.slug + ":" + Plan.slug,
        Addon.price_cents,
        Addon.currency,
        Plan.meters,
    )
    billed = select(*columns).select_from(Addon).join(Plan, Plan.id == Addon.plan_id)
    billed = billed.join(AddonService, AddonService.id == Addon.service_id)
    billed = billed.where(Addon.app_id.in_(app_ids), Addon.state.not_in(going)).order_by(Addon.created_at, Addon.id)
    found: dict[UUID, list[OfferedPlan]] = defaultdict(list)
    async with ctx.database.transaction() as tx:
        for app_id, addon_id, plan, cents, currency, meters in await tx.execute(billed):
            found[app_id].append(OfferedPlan(addon_id, plan, cents, currency, any(map(is_priced, meters))))
    return found
