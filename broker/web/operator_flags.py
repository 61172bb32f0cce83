"""Flags for operators: what the installation does not do for a while, since when, who said so and why."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from broker.flags.models import Flag
from broker.flags.switch import LONGEST_REASON, list_flags, set_flag
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError
from broker.oauth.sessions import SignedIn
from broker.web.browser import Form
from broker.web.operating import act, operator_page, shown

router = APIRouter(include_in_schema=False)
_HERE: Final = "/operator/flags"


@router.get(_HERE)
async def flags(request: Request) -> Response:
    """Every flag, with the form that switches it."""
    return await shown(request, _flags)


@router.post(_HERE)
async def switch(request: Request) -> Response:
    """Switch one."""
    sent: dict[str, str] = {}

    async def deed(ctx: Context, seen: SignedIn, form: Form) -> str:
        sent.update({name: form.one(name).strip() for name in ("flag", "service", "reason", "to")})
        on = sent["to"] == "on"
        await set_flag(ctx, seen.actor, sent["flag"], on, sent["reason"], sent["service"] or None)
        return "on" if on else "off"

    async def show(request: Request, seen: SignedIn, fault: BrokerError | None) -> Response:
        return await _flags(request, seen, fault, sent)

    return await act(request, deed, show, _HERE)


async def _flags(
    request: Request, seen: SignedIn, fault: BrokerError | None, sent: dict[str, str] | None = None
) -> Response:
    """What was wrong stands beside the form that was sent."""
    found = await list_flags(request.app.state.ctx, seen.actor)
    return operator_page(
        request, "operator_flags.html", seen, fault, here=_HERE, wholes=[each for each in found if not each.service],
        of_services=[each for each in found if each.service], sent=sent or {}, longest=LONGEST_REASON,
        by_service=Flag.INSTALLS, wrong=fault.message if fault and sent else None,
    )  # fmt: skip
