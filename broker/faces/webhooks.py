"""Webhooks, deliveries and events as requests and answers, for apps and add-ons alike: a face says whose they are."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Request
from pydantic import Field

from broker.events import deliveries, webhooks
from broker.events.deliveries import DeliveryView, EventView
from broker.events.webhook_stops import restart_webhook
from broker.events.webhooks import NewWebhook, OwnerOf, WebhookChange, WebhookView
from broker.faces import webhook_shapes as shapes
from broker.faces.answers import Answer
from broker.faces.ranges import part_of, range_of, sliced
from broker.faces.reading import Body, checked, read_object
from broker.faces.serialize import maybe
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor, Context
from broker.kernel.errors import InvalidParams
from broker.kernel.secret import Secret

SIGNING_HEADER: Final = "Heroku-Webhook-Secret"
_STATUS: Final = "eq[status]"
Text = Annotated[str, Field(max_length=2000)]


Include = Annotated[list[Text], Field(max_length=50)]


class WebhookBody(Body):
    """What to change of a webhook; whatever is left out stays."""

    include: Include | None = None
    level: Text | None = None
    url: Text | None = None
    secret: Text | None = None
    authorization: Text | None = None

    @property
    def change(self) -> WebhookChange:
        """As the use cases take it."""
        return WebhookChange(self.include, self.level, self.url, _secret(self.secret), _secret(self.authorization))


class NewWebhookBody(WebhookBody):
    """What to tell whom. Without a `secret`, one is made."""

    include: Include
    level: Text
    url: Text


def _secret(text: str | None) -> Secret | None:
    return None if text is None else Secret(text)


async def read_body(request: Request, model: type[WebhookBody] = NewWebhookBody) -> WebhookBody:
    """The body of a request that makes a webhook, or changes one."""
    return checked(model, await read_object(request, request.app.state.bounds))


def _ctx(request: Request) -> Context:
    ctx: Context = request.app.state.ctx
    return ctx


async def add(request: Request, actor: Actor, owner_of: OwnerOf, body: WebhookBody) -> NewWebhook:
    """Subscribe."""
    return await webhooks.add_webhook(_ctx(request), actor, owner_of, body.change, request.app.state.provider_networks)


def added(made: NewWebhook) -> Answer:
    """The new webhook; the header holds the signing secret, here and never again."""
    return Answer(webhook(made.webhook), 201, {SIGNING_HEADER: made.secret.reveal()})


async def listed(request: Request, owner_of: OwnerOf) -> list[shapes.Webhook]:
    """All of them."""
    return [webhook(view) for view in await webhooks.list_webhooks(_ctx(request), owner_of)]


async def info(request: Request, owner_of: OwnerOf, key: str) -> Answer:
    """One of them."""
    return Answer(webhook(await webhooks.get_webhook(_ctx(request), owner_of, key)))


async def change(request: Request, actor: Actor, owner_of: OwnerOf, key: str) -> Answer:
    """Change what the body gives."""
    body, networks = await read_body(request, WebhookBody), request.app.state.provider_networks
    view = await webhooks.change_webhook(_ctx(request), actor, owner_of, key, body.change, networks)
    return Answer(webhook(view))


async def restart(request: Request, actor: Actor, owner_of: OwnerOf, key: str) -> Answer:
    """Start one again that was stopped."""
    return Answer(webhook(await restart_webhook(_ctx(request), actor, owner_of, key)))


async def remove(request: Request, actor: Actor, owner_of: OwnerOf, key: str) -> Answer:
    """End the subscription."""
    return Answer(webhook(await webhooks.remove_webhook(_ctx(request), actor, owner_of, key)))


async def listed_deliveries(request: Request, owner_of: OwnerOf) -> Answer:
    """Deliveries in order of their ids, which is that of time; `eq[status]` chooses."""
    wanted, status = range_of(request), status_of(request)
    found = await deliveries.list_deliveries(_ctx(request), owner_of, part_of(wanted), status)
    return sliced([delivery(view) for view in found], wanted, "id")


async def delivery_info(request: Request, owner_of: OwnerOf, key: str) -> Answer:
    """One delivery."""
    return Answer(delivery(await deliveries.get_delivery(_ctx(request), owner_of, key)))


async def retry(request: Request, actor: Actor, owner_of: OwnerOf, key: str) -> Answer:
    """Make a delivery again."""
    return Answer(delivery(await deliveries.retry_delivery(_ctx(request), actor, owner_of, key)), 202)


async def listed_events(request: Request, owner_of: OwnerOf) -> Answer:
    """Events in order of their ids, which is that of time."""
    wanted = range_of(request)
    found = await deliveries.list_events(_ctx(request), owner_of, part_of(wanted))
    return sliced([event(view) for view in found], wanted, "id")


async def event_info(request: Request, owner_of: OwnerOf, key: str) -> Answer:
    """One event."""
    return Answer(event(await deliveries.get_event(_ctx(request), owner_of, key)))


def status_of(request: Request) -> str | None:
    """The status that deliveries are filtered by.

    Raises: InvalidParams for another filter.
    """
    unknown = sorted(name for name in request.query_params if name.startswith("eq[") and name != _STATUS)
    if unknown:
        raise InvalidParams(f"{unknown[0][:60]}: there is no such filter; deliveries are filtered by {_STATUS}.")
    return request.query_params.get(_STATUS)


def webhook(view: WebhookView) -> shapes.Webhook:
    return {
        "id": str(view.id),
        "include": list(view.include),
        "level": view.level,
        "url": view.url,
        "failing_since": maybe(view.failing_since),
        "stopped_at": maybe(view.stopped_at),
        "stopped_for": view.stopped_for,
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
    }


def delivery(view: DeliveryView) -> shapes.WebhookDelivery:
    last: Any = view.last_attempt
    return {
        "id": str(view.id),
        "sequence": view.sequence,
        "event": {"id": str(view.event_id), "include": view.include},
        "webhook": {"id": str(view.webhook_id), "level": view.level},
        "status": view.status,
        "num_attempts": view.num_attempts,
        "next_attempt_at": maybe(view.next_attempt_at),
        "last_attempt": last,
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
    }


def event(view: EventView) -> shapes.WebhookEvent:
    return {
        "id": str(view.id),
        "sequence": view.sequence,
        "include": view.include,
        "payload": dict(view.payload),
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
    }
