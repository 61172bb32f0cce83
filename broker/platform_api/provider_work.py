"""What a service's provider was asked for and told, over all its add-ons, and sending it once more."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request

from broker.addons.replay import replay_operation
from broker.addons.service_deliveries import ServiceDelivery, list_service_deliveries, redeliver
from broker.addons.service_trail import TrailEntry, list_trail
from broker.faces import webhooks
from broker.faces.answers import Answer
from broker.faces.ranges import newest_of, sliced
from broker.faces.serialize import ref
from broker.kernel.clock import rfc3339
from broker.platform_api import serialize, shapes, work_shapes
from broker.platform_api.deps import CurrentActor, face_of
from broker.platform_api.describe import REFUSED, gives

router = APIRouter(tags=["partners"], responses=REFUSED)

_OPERATIONS: Final = "/provider-services/{service}/operations"
_DELIVERIES: Final = "/provider-services/{service}/webhook-deliveries"
_FILTER: Final[dict[str, Any]] = {
    "parameters": [{"name": "eq[status]", "in": "query", "required": False, "schema": {"type": "string"}}]
}


@router.get(_OPERATIONS, responses=gives(work_shapes.ServiceOperation, many=True))
async def operations(request: Request, actor: CurrentActor, service: str, unfinished: bool = False) -> Answer:
    """What the broker asked the provider for and what came of it, the newest first; with `unfinished`, those alone."""
    wanted, part = newest_of(request)
    found = await list_trail(face_of(request).ctx, actor, service, only_open=unfinished, part=part)
    return sliced([_operation(entry) for entry in found], wanted, "id")


@router.post(_OPERATIONS + "/{operation}/actions/replay", status_code=202, responses=gives(work_shapes.Replayed, 202))
async def replay(request: Request, actor: CurrentActor, service: str, operation: str) -> Answer:
    """Have the call of an operation sent again, where that is safe. For owners and admins of the service."""
    sent = await replay_operation(face_of(request).ctx, actor, service, operation)
    return Answer({"operation": {"id": operation}, "sent": sent.value}, 202)


@router.get(_DELIVERIES, openapi_extra=_FILTER, responses=gives(work_shapes.ServiceDelivery, many=True))
async def deliveries(request: Request, actor: CurrentActor, service: str) -> Answer:
    """What the provider's webhooks were told over all add-ons, the newest first; of one status with `eq[status]`."""
    wanted, part = newest_of(request)
    status = webhooks.status_of(request) or ""
    found = await list_service_deliveries(face_of(request).ctx, actor, service, status=status, part=part)
    return sliced([_delivery(entry) for entry in found], wanted, "id")


@router.post(_DELIVERIES + "/{delivery}/actions/retry", status_code=202, responses=gives(shapes.WebhookDelivery, 202))
async def retry(request: Request, actor: CurrentActor, service: str, delivery: str) -> Answer:
    """Tell it again, or at once instead of at its time. For owners and admins of the service."""
    view = await redeliver(face_of(request).ctx, actor, service, delivery)
    return Answer(webhooks.delivery(view), 202)


def _operation(entry: TrailEntry) -> work_shapes.ServiceOperation:
    return {
        "id": str(entry.id),
        "addon": ref(entry.addon_id, entry.addon_name),
        "kind": entry.kind,
        "state": entry.state,
        "attempts": entry.attempts,
        "request": {"method": entry.method, "url": entry.url, "body": dict(entry.body)},
        "steps": [dict(step) for step in entry.steps],
        "next_attempt_at": serialize.maybe(entry.next_attempt_at),
        "created_at": rfc3339(entry.created_at),
        "finished_at": serialize.maybe(entry.finished_at),
        "replay": None if entry.replay is None else entry.replay.value,
        "kept_back": entry.kept_back or None,
    }


def _delivery(entry: ServiceDelivery) -> work_shapes.ServiceDelivery:
    return {
        "id": str(entry.id),
        "addon": ref(entry.addon_id, entry.addon_name),
        "include": entry.include,
        "host": entry.place,
        "level": entry.level,
        "status": entry.status,
        "num_attempts": entry.attempts,
        "answer": entry.answer or None,
        "next_attempt_at": serialize.maybe(entry.next_attempt_at),
        "failing_since": serialize.maybe(entry.failing_since),
        "created_at": rfc3339(entry.created_at),
        "updated_at": rfc3339(entry.updated_at),
    }
