"""Canaries: how often a provider is tried, what came of it, and what that says of the service."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field

from broker.addons.provision_record import get_record
from broker.catalog.canary import CanaryView, RunView, get_canary, list_runs, set_canary
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.kernel.clock import rfc3339
from broker.platform_api import canary_shapes, serialize
from broker.platform_api.bodies import Text
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(responses=REFUSED)


class CanaryBody(Body):
    """How often the provider is tried, null for not any more; and with which plan, null for the cheapest."""

    every_s: Annotated[int, Field(ge=1, le=10**6)] | None
    plan: Text | None = None


@router.get("/addon-services/{service}/reliability", tags=["marketplace"], responses=gives(canary_shapes.ServiceRecord))
async def reliability(request: Request, actor: CurrentActor, service: str) -> Answer:
    """How reliable a service has proved, by its canary and by the add-ons that were really made."""
    found = await get_record(face_of(request).ctx, actor, service)
    provisions = found.provisions
    record: canary_shapes.ServiceRecord = {
        "service": found.service,
        "canary": serialize.reliability(found.canary),
        "provisions": {
            "measured": provisions.measured,
            "succeeded_percent": provisions.succeeded_percent,
            "median_ms": provisions.median_ms,
            "p95_ms": provisions.p95_ms,
        },
    }
    return Answer(record)


@router.get("/provider-services/{service}/canary", tags=["partners"], responses=gives(canary_shapes.Canary))
async def info(request: Request, actor: CurrentActor, service: str) -> Answer:
    """How often its provider is tried."""
    return Answer(_canary(await get_canary(face_of(request).ctx, actor, service)))


@router.patch(
    "/provider-services/{service}/canary",
    tags=["partners"],
    openapi_extra=takes(CanaryBody, required=True),
    responses=gives(canary_shapes.Canary),
)
async def change(request: Request, actor: CurrentActor, service: str) -> Answer:
    """Have its provider tried so often, from now on: real resources are made and removed."""
    body = await read(request, CanaryBody)
    every = None if body.every_s is None else timedelta(seconds=body.every_s)
    return Answer(_canary(await set_canary(face_of(request).ctx, actor, service, every, body.plan)))


@router.get(
    "/provider-services/{service}/canary-runs", tags=["partners"], responses=gives(canary_shapes.CanaryRun, many=True)
)
async def runs(request: Request, actor: CurrentActor, service: str) -> Answer:
    """The last runs, newest first."""
    return page(request, list(map(_run, await list_runs(face_of(request).ctx, actor, service))))


def _canary(view: CanaryView) -> canary_shapes.Canary:
    return {
        "every_s": None if view.every is None else int(view.every.total_seconds()),
        "plan": view.plan,
        "next_run_at": serialize.maybe(view.next_at),
        "reliability": serialize.reliability(view.reliability),
    }


def _run(view: RunView) -> canary_shapes.CanaryRun:
    return {
        "id": str(view.id),
        "at": rfc3339(view.at),
        "revision": view.revision,
        "plan": view.plan,
        "passed": view.passed,
        "fault": view.fault,
        "provision_ms": view.provision_ms,
        "checks": [{"name": name, "status": status} for name, status in view.checks],
    }
