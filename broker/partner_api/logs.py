"""Where a service that writes logs sends them. Apps run elsewhere, and so are their logs: nothing is kept here."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from broker.faces.describe import REFUSED
from broker.faces.reading import read_bytes

router = APIRouter(tags=["logs"], responses=REFUSED, include_in_schema=False)


@router.post("/logs", status_code=204)
async def take(request: Request) -> Response:
    """Take frames and forget them: a provider that was refused would try without end."""
    await read_bytes(request, request.app.state.bounds)
    return Response(status_code=204)
