"""The JSON shapes of webhooks, their deliveries and their events, the same for apps and add-ons.

Source: the public Platform API schema, version 3; members outside of it are marked.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict


class Webhook(TypedDict):
    """A webhook. Outside the public schema are `failing_since` (the first failure since the last success), `stopped_at` and
    `stopped_for` (`access_lost`, `account_locked`): since when and why it is told nothing.
    """

    id: str
    include: list[str]
    level: str
    url: str
    failing_since: str | None
    stopped_at: str | None
    stopped_for: str | None
    created_at: str
    updated_at: str


class WebhookEventRef(TypedDict):
    """An event, by id and what it is about."""

    id: str
    include: str


class WebhookRef(TypedDict):
    """A webhook, by id and level."""

    id: str
    level: str


class WebhookAttempt(TypedDict):
    """The newest attempt of a delivery. `error_class` says why there is no status, or why it is not enough."""

    id: str
    code: int | None
    error_class: str | None
    status: str
    created_at: str
    updated_at: str


class WebhookDelivery(TypedDict):
    """How the telling of an event goes. `status` may also be `skipped`, and `sequence` is outside the public schema."""

    id: str
    sequence: int
    event: WebhookEventRef
    webhook: WebhookRef
    status: str
    num_attempts: int
    next_attempt_at: str | None
    last_attempt: WebhookAttempt | None
    created_at: str
    updated_at: str


class WebhookEvent(TypedDict):
    """What a webhook is told; `payload` is the body of its deliveries but for their metadata."""

    id: str
    sequence: int
    include: str
    payload: dict[str, Any]
    created_at: str
    updated_at: str
