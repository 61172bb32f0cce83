"""Webhooks of an add-on, for its provider: about the add-on, its attachments and the apps that it is attached to."""

from __future__ import annotations

from fastapi import APIRouter, Request

from broker.addons import partner_views as views
from broker.addons.partner import Partner
from broker.events.webhooks import Owner, OwnerOf
from broker.faces import webhook_shapes as shapes
from broker.faces import webhooks
from broker.faces.answers import Answer
from broker.faces.describe import REFUSED, gives, takes
from broker.faces.ranges import page
from broker.faces.webhooks import NewWebhookBody, WebhookBody, read_body
from broker.kernel.db import Tx
from broker.partner_api.deps import CurrentPartner, ctx_of

router = APIRouter(prefix="/addons/{addon}", tags=["webhooks"], responses=REFUSED)


async def _own(request: Request, partner: Partner, addon: str) -> OwnerOf:
    owner = Owner(addon_id=await views.own_addon(ctx_of(request), partner, addon))

    async def find(_tx: Tx) -> Owner:
        return owner

    return find


@router.post(
    "/webhooks",
    status_code=201,
    openapi_extra=takes(NewWebhookBody, required=True),
    responses=gives(shapes.Webhook, 201),
)
async def add(request: Request, partner: CurrentPartner, addon: str) -> Answer:
    """Have a URL told about changes around an add-on. Without a `secret`, one is made."""
    owner_of = await _own(request, partner, addon)
    return webhooks.added(await webhooks.add(request, partner.actor, owner_of, await read_body(request)))


@router.get("/webhooks", responses=gives(shapes.Webhook, many=True))
async def list_(request: Request, partner: CurrentPartner, addon: str) -> Answer:
    """The webhooks of the add-on."""
    return page(request, await webhooks.listed(request, await _own(request, partner, addon)))


@router.get("/webhooks/{webhook}", responses=gives(shapes.Webhook))
async def info(request: Request, partner: CurrentPartner, addon: str, webhook: str) -> Answer:
    """One webhook; never its secrets."""
    return await webhooks.info(request, await _own(request, partner, addon), webhook)


@router.patch("/webhooks/{webhook}", openapi_extra=takes(WebhookBody), responses=gives(shapes.Webhook))
async def change(request: Request, partner: CurrentPartner, addon: str, webhook: str) -> Answer:
    """Change a webhook, from its next attempt on."""
    return await webhooks.change(request, partner.actor, await _own(request, partner, addon), webhook)


@router.delete("/webhooks/{webhook}", responses=gives(shapes.Webhook))
async def remove(request: Request, partner: CurrentPartner, addon: str, webhook: str) -> Answer:
    """Remove a webhook with all its deliveries."""
    return await webhooks.remove(request, partner.actor, await _own(request, partner, addon), webhook)


@router.get("/webhook-deliveries", responses=gives(shapes.WebhookDelivery, many=True))
async def deliveries(request: Request, partner: CurrentPartner, addon: str) -> Answer:
    """What is or was delivered, by time; of one status with `eq[status]`."""
    return await webhooks.listed_deliveries(request, await _own(request, partner, addon))


@router.get("/webhook-deliveries/{delivery}", responses=gives(shapes.WebhookDelivery))
async def delivery_info(request: Request, partner: CurrentPartner, addon: str, delivery: str) -> Answer:
    """One delivery."""
    return await webhooks.delivery_info(request, await _own(request, partner, addon), delivery)


@router.post(
    "/webhook-deliveries/{delivery}/actions/retry", status_code=202, responses=gives(shapes.WebhookDelivery, 202)
)
async def retry(request: Request, partner: CurrentPartner, addon: str, delivery: str) -> Answer:
    """Make a delivery again, or now instead of at its time."""
    return await webhooks.retry(request, partner.actor, await _own(request, partner, addon), delivery)


@router.get("/webhook-events", responses=gives(shapes.WebhookEvent, many=True))
async def events(request: Request, partner: CurrentPartner, addon: str) -> Answer:
    """What webhooks were told, by time."""
    return await webhooks.listed_events(request, await _own(request, partner, addon))


@router.get("/webhook-events/{event}", responses=gives(shapes.WebhookEvent))
async def event_info(request: Request, partner: CurrentPartner, addon: str, event: str) -> Answer:
    """One event with its payload."""
    return await webhooks.event_info(request, await _own(request, partner, addon), event)
