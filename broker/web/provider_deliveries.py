"""What the webhooks of a service's provider were told, over all its add-ons, and telling it once more."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from broker.addons.service_deliveries import ServiceDelivery, list_service_deliveries, redeliver
from broker.events.models import DeliveryStatus
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, InvalidParams
from broker.kernel.ids import as_uuid
from broker.kernel.parts import Part
from broker.oauth.sessions import SignedIn
from broker.web.app_pages import shown, taken
from broker.web.browser import Form
from broker.web.moments import exactly
from broker.web.provider_pages import HERE, MOST, provider_address, provider_page, the_listing

router = APIRouter(include_in_schema=False)


@router.get(HERE + "/{slug}/deliveries")
async def deliveries(request: Request, slug: str) -> Response:
    """The newest; `status` for those of one kind, `after` (a delivery) for older ones."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _deliveries(request, seen, slug)

    return await shown(request, show)


@router.post(HERE + "/{slug}/deliveries/{delivery}/retry")
async def again(request: Request, slug: str, delivery: str) -> Response:
    """Tell it once more."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        await redeliver(ctx, seen.actor, slug, delivery)
        return "redelivered"

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _deliveries(request, seen, slug, fault)

    return await taken(request, deed, show, provider_address(slug, "deliveries"))


async def _deliveries(request: Request, seen: SignedIn, slug: str, fault: BrokerError | None = None) -> Response:
    ctx: Context = request.app.state.ctx
    listing = await the_listing(request, seen, slug)
    status, after = request.query_params.get("status", ""), as_uuid(request.query_params.get("after", ""))
    try:
        found = await list_service_deliveries(
            ctx, seen.actor, slug, status=status, part=Part(MOST, newest_first=True, after=after)
        )
    except InvalidParams as error:
        fault, status = error, ""
        found = await list_service_deliveries(ctx, seen.actor, slug, part=Part(MOST, newest_first=True))
    return provider_page(
        request, "provider_deliveries.html", seen, listing, "deliveries", fault,
        rows=[_row(each) for each in found], chosen=status, statuses=list(DeliveryStatus), is_first=after is None,
        older=found[-1].id if len(found) == MOST else None,
    )  # fmt: skip


def _row(delivery: ServiceDelivery) -> dict[str, Any]:
    return {
        "of": delivery,
        "at": exactly(delivery.created_at),
        "changed": exactly(delivery.updated_at),
        "next": exactly(delivery.next_attempt_at) if delivery.next_attempt_at else None,
        "failing": exactly(delivery.failing_since) if delivery.failing_since else None,
    }
