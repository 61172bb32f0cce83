"""Usage that providers report with the manifest's id and password, about any add-on of the service."""

from __future__ import annotations

from fastapi import APIRouter, Request

from broker.addons.report_usage import report_service_usage
from broker.catalog.manifest_auth import AuthenticatedService
from broker.faces.answers import Answer
from broker.faces.describe import REFUSED, takes_shape
from broker.kernel.errors import NotFound
from broker.partner_api.deps import ByPassword, CurrentService, ctx_of
from broker.partner_api.shapes import UsageBatch, UsageEvent
from broker.partner_api.usage_answers import ANSWERED, answer
from broker.partner_api.usage_reading import Incoming, read_batch, read_events

router = APIRouter(
    prefix="/api/v3/addons/{slug}", tags=["usage"], responses=REFUSED, route_class=ByPassword, include_in_schema=False
)


@router.post("/usage_batches", openapi_extra=takes_shape(UsageBatch), responses=ANSWERED)
async def batch(request: Request, service: CurrentService, slug: str) -> Answer:
    """Take in a batch of readings; the answer has a result for each."""
    _check(service, slug)
    return await _taken_in(request, service, await read_batch(request, request.app.state.bounds))


@router.post("/usage_events", openapi_extra=takes_shape(UsageEvent), responses=ANSWERED)
async def events(request: Request, service: CurrentService, slug: str) -> Answer:
    """The same as CloudEvents: one, or a list."""
    _check(service, slug)
    return await _taken_in(request, service, await read_events(request, request.app.state.bounds))


def _check(service: AuthenticatedService, slug: str) -> None:
    if slug != service.slug:
        raise NotFound("add_on_service")
    service.require("usage")


async def _taken_in(request: Request, service: AuthenticatedService, incoming: Incoming) -> Answer:
    return answer(incoming, await report_service_usage(ctx_of(request), service, incoming.reports))
