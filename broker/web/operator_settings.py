"""The settings that this process works with, for operators to read. They are changed where it is started."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from broker.kernel.errors import BrokerError
from broker.oauth.sessions import SignedIn
from broker.web.operating import operator_page, shown

router = APIRouter(include_in_schema=False)


@router.get("/operator/settings")
async def settings(request: Request) -> Response:
    """Every setting; of a secret, only whether there is one."""
    return await shown(request, _settings)


async def _settings(request: Request, seen: SignedIn, _: BrokerError | None) -> Response:
    seen.actor.require_operator()
    rows = request.app.state.settings
    given = [row for row in rows if row.source != "default"]
    left = [row for row in rows if row.source == "default"]
    return operator_page(
        request, "operator_settings.html", seen, here="/operator/settings", parts=(("Given", given), ("Defaults", left))
    )  # fmt: skip
