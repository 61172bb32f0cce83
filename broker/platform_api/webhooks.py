"""Webhooks of apps, what they were told, and telling it again."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request

from broker.apps.watched import watched_app
from broker.events.webhooks import OwnerOf
from broker.faces import webhooks
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.faces.webhooks import SIGNING_HEADER, NewWebhookBody, WebhookBody, read_body
from broker.kernel.context import Actor, Scope
from broker.platform_api import shapes
from broker.platform_api.deps import CurrentActor
from broker.platform_api.describe import REFUSED, gives, takes
from broker.platform_api.idempotency import once

router = APIRouter(prefix="/apps/{app}", tags=["webhooks"], responses=REFUSED)

_ADDED: Final = gives(shapes.Webhook, 201)
_ADDED[201]["headers"] = {
    SIGNING_HEADER: {"description": "The signing secret, told here alone.", "schema": {"type": "string"}}
}
_FILTER: Final[dict[str, Any]] = {
    "parameters": [
        {"name": "eq[status]", "in": "query", "required": False, "schema": {"type": "string"}},
    ]
}


def _reader(actor: Actor, app: str) -> OwnerOf:
    return watched_app(actor, app, Scope.READ)


def _writer(actor: Actor, app: str) -> OwnerOf:
    return watched_app(actor, app, Scope.WRITE)


@router.post(
    "/webhooks", status_code=201, openapi_extra=takes(NewWebhookBody, required=True, repeatable=True), responses=_ADDED
)
async def add(request: Request, actor: CurrentActor, app: str) -> Answer:
    """Have a URL told about changes of an app. Without a `secret`, one is made. `Idempotency-Key` is understood."""
    body = await read_body(request)

    async def make(_id: UUID) -> tuple[UUID, Answer]:
        made = await webhooks.add(request, actor, _writer(actor, app), body)
        return made.webhook.id, webhooks.added(made)

    async def again(webhook_id: UUID) -> Answer:
        answer = await webhooks.info(request, _reader(actor, app), str(webhook_id))
        answer.status_code = 201
        return answer

    return await once(request, actor, body, make, again)


@router.get("/webhooks", responses=gives(shapes.Webhook, many=True))
async def list_(request: Request, actor: CurrentActor, app: str) -> Answer:
    """The webhooks of an app."""
    return page(request, await webhooks.listed(request, _reader(actor, app)))


@router.get("/webhooks/{webhook}", responses=gives(shapes.Webhook))
async def info(request: Request, actor: CurrentActor, app: str, webhook: str) -> Answer:
    """One webhook; never its secrets."""
    return await webhooks.info(request, _reader(actor, app), webhook)


@router.patch("/webhooks/{webhook}", openapi_extra=takes(WebhookBody), responses=gives(shapes.Webhook))
async def change(request: Request, actor: CurrentActor, app: str, webhook: str) -> Answer:
    """Change what a webhook is told, where, how or under which secret, from its next attempt on."""
    return await webhooks.change(request, actor, _writer(actor, app), webhook)


@router.post("/webhooks/{webhook}/actions/start", responses=gives(shapes.Webhook))
async def start(request: Request, actor: CurrentActor, app: str, webhook: str) -> Answer:
    """Start a webhook again that was stopped; whoever does answers for it from now on."""
    return await webhooks.restart(request, actor, _writer(actor, app), webhook)


@router.delete("/webhooks/{webhook}", responses=gives(shapes.Webhook))
async def remove(request: Request, actor: CurrentActor, app: str, webhook: str) -> Answer:
    """Remove a webhook with all its deliveries, those that were not made too."""
    return await webhooks.remove(request, actor, _writer(actor, app), webhook)


@router.get("/webhook-deliveries", openapi_extra=_FILTER, responses=gives(shapes.WebhookDelivery, many=True))
async def deliveries(request: Request, actor: CurrentActor, app: str) -> Answer:
    """What is or was delivered, by time; newest first with `Range: seq ..; order=desc`, of one status with `eq[status]`."""
    return await webhooks.listed_deliveries(request, _reader(actor, app))


@router.get("/webhook-deliveries/{delivery}", responses=gives(shapes.WebhookDelivery))
async def delivery_info(request: Request, actor: CurrentActor, app: str, delivery: str) -> Answer:
    """One delivery."""
    return await webhooks.delivery_info(request, _reader(actor, app), delivery)


@router.post(
    "/webhook-deliveries/{delivery}/actions/retry", status_code=202, responses=gives(shapes.WebhookDelivery, 202)
)
async def retry(request: Request, actor: CurrentActor, app: str, delivery: str) -> Answer:
    """Make a delivery again, or now instead of at its time."""
    return await webhooks.retry(request, actor, _writer(actor, app), delivery)


@router.get("/webhook-events", responses=gives(shapes.WebhookEvent, many=True))
async def events(request: Request, actor: CurrentActor, app: str) -> Answer:
    """What webhooks were told, by time."""
    return await webhooks.listed_events(request, _reader(actor, app))


@router.get("/webhook-events/{event}", responses=gives(shapes.WebhookEvent))
async def event_info(request: Request, actor: CurrentActor, app: str, event: str) -> Answer:
    """One event with its payload."""
    return await webhooks.event_info(request, _reader(actor, app), event)
