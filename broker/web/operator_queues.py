"""The job queues for operators: what waits, since when, who works, and what failed."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from broker.events.queues import look_at_queues, retry_job
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError
from broker.oauth.sessions import SignedIn
from broker.web.browser import Form
from broker.web.operating import act, operator_page, shown

router = APIRouter(include_in_schema=False)
_HERE: Final = "/operator/queues"


@router.get(_HERE)
async def queues(request: Request) -> Response:
    """Jobs by kind."""
    return await shown(request, _queues)


@router.post(f"{_HERE}/{{job}}/retry")
async def again(request: Request, job: str) -> Response:
    """Make a job that failed again."""

    async def deed(ctx: Context, seen: SignedIn, form: Form) -> str:
        await retry_job(ctx, seen.actor, job)
        return "again"

    return await act(request, deed, _queues, _HERE)


async def _queues(request: Request, seen: SignedIn, fault: BrokerError | None) -> Response:
    found = await look_at_queues(request.app.state.ctx, seen.actor)
    return operator_page(request, "operator_queues.html", seen, fault, here="/operator", found=found)
