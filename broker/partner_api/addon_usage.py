"""Usage that a provider reports with the token of the add-on that was used."""

from __future__ import annotations

from fastapi import APIRouter, Request

from broker.addons.report_usage import report_usage
from broker.faces.answers import Answer
from broker.faces.describe import REFUSED, takes_shape
from broker.partner_api.deps import CurrentPartner, ctx_of
from broker.partner_api.shapes import UsageBatch, UsageEvent
from broker.partner_api.usage_answers import ANSWERED, answer
from broker.partner_api.usage_reading import read_batch, read_events

router = APIRouter(prefix="/addons/{addon}", tags=["usage"], responses=REFUSED)


@router.post("/usage_batches", openapi_extra=takes_shape(UsageBatch), responses=ANSWERED)
async def batch(request: Request, partner: CurrentPartner, addon: str) -> Answer:
    """Take in a batch of readings of the add-on; the answer has a result for each."""
    incoming = await read_batch(request, request.app.state.bounds)
    return answer(incoming, await report_usage(ctx_of(request), partner, addon, incoming.reports))


@router.post("/usage_events", openapi_extra=takes_shape(UsageEvent), responses=ANSWERED)
async def events(request: Request, partner: CurrentPartner, addon: str) -> Answer:
    """The same as CloudEvents: one, or a list."""
    incoming = await read_events(request, request.app.state.bounds)
    return answer(incoming, await report_usage(ctx_of(request), partner, addon, incoming.reports))
