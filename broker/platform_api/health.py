"""What is going on: how providers answer, and which operations are pending."""

from __future__ import annotations

from fastapi import APIRouter, Request

from broker.addons.health import HealthView, get_health, list_health
from broker.addons.pending import PendingView, list_pending
from broker.faces.answers import Answer
from broker.kernel.clock import rfc3339
from broker.platform_api import operating_shapes, serialize
from broker.platform_api.deps import CurrentActor, face_of
from broker.platform_api.describe import REFUSED, gives

router = APIRouter(tags=["operating"], responses=REFUSED)


def health(view: HealthView) -> operating_shapes.ProviderHealth:
    """A service's health in the shape of this face."""
    return {
        "service": view.service,
        "name": view.name,
        "circuit": view.circuit.value,
        "faults": view.faults,
        "last_fault": view.last_fault,
        "last_fault_at": serialize.maybe(view.last_fault_at),
        "last_ok_at": serialize.maybe(view.last_ok_at),
        "next_try_at": serialize.maybe(view.next_try_at),
        "running": view.running,
        "queued": view.queued,
        "waiting": view.waiting,
    }


def pending(view: PendingView) -> operating_shapes.PendingOperation:
    """An unfinished operation in the shape of this face."""
    return {
        "id": str(view.id),
        "addon": {"id": str(view.addon_id), "name": view.addon_name},
        "app": {"name": view.app_name},
        "kind": view.kind,
        "state": view.state,
        "attempts": view.attempts,
        "next_attempt_at": serialize.maybe(view.next_attempt_at),
        "deadline_at": rfc3339(view.deadline_at),
        "reason": view.reason,
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
    }


@router.get("/provider-health", responses=gives(list[operating_shapes.ProviderHealth]))
async def list_(request: Request, actor: CurrentActor) -> Answer:
    """How the provider of each service has been answering, by the name of the service."""
    return Answer([health(view) for view in await list_health(face_of(request).ctx, actor)])


@router.get("/addon-services/{service}/health", responses=gives(operating_shapes.ProviderHealth))
async def info(request: Request, actor: CurrentActor, service: str) -> Answer:
    """How the provider of one service has been answering."""
    return Answer(health(await get_health(face_of(request).ctx, actor, service)))


@router.get("/operations", responses=gives(list[operating_shapes.PendingOperation]))
async def operations(request: Request, actor: CurrentActor) -> Answer:
    """Every unfinished operation of the account, the oldest first: what is pending, why, and when it is tried next."""
    return Answer([pending(view) for view in await list_pending(face_of(request).ctx, actor)])
