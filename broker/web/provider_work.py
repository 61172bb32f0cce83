"""What the broker asked a service's provider for and what it answered; and the money that the service earns."""

from __future__ import annotations

import json
from datetime import date
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from broker.addons.gate import Circuit
from broker.addons.health import own_health
from broker.addons.replay import Replay, replay_operation
from broker.addons.service_trail import TrailEntry, list_trail
from broker.catalog.reliability import seconds
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, InvalidParams
from broker.kernel.ids import as_uuid
from broker.kernel.money import Money
from broker.kernel.parts import Part
from broker.oauth.sessions import SignedIn
from broker.payouts.accrual import list_accruals
from broker.payouts.agreements import list_agreements
from broker.payouts.balances import list_balances
from broker.payouts.payouts import list_payouts
from broker.payouts.statements import list_statements
from broker.web.app_pages import shown, taken
from broker.web.browser import Form
from broker.web.moments import day, moment
from broker.web.provider_pages import HERE, MOST, provider_address, provider_page, the_listing

router = APIRouter(include_in_schema=False)
_KINDS: Final = {
    "provision": "Make the resource",
    "plan_change": "Change its plan",
    "plan_restore": "Go back to its plan",
    "deprovision": "Remove it",
    "refresh": "New config",
    "rotate": "New credentials",
}
_WORDS: Final = {Replay.NOW: "Send it now", Replay.AGAIN: "Send it again", Replay.REMOVAL: "Send the removal now"}
_HELD: Final = "held"
_HINTS: Final = {
    Replay.NOW: "The same call, with the same id, at once instead of at its time. It counts as one of its attempts.",
    Replay.AGAIN: "The call changes nothing at a program that did it before. It is tried as often as the first time.",
    Replay.REMOVAL: "Nothing is made. Your program is asked to delete what it may have kept, at once instead of later.",
}


@router.get(HERE + "/{slug}/operations")
async def operations(request: Request, slug: str) -> Response:
    """The newest; `open` for those that are not finished, `after` (an operation) for older ones."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _operations(request, seen, slug)

    return await shown(request, show)


@router.post(HERE + "/{slug}/operations/{operation}/replay")
async def replay(request: Request, slug: str, operation: str) -> Response:
    """Have the call of an operation sent again, where that is safe."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        sent_as = await replay_operation(ctx, seen.actor, slug, operation)
        held = (await own_health(ctx, seen.actor, slug)).circuit is Circuit.OPEN
        return _HELD if held else sent_as.value

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _operations(request, seen, slug, fault)

    return await taken(request, deed, show, provider_address(slug, "operations"))


async def _operations(request: Request, seen: SignedIn, slug: str, fault: BrokerError | None = None) -> Response:
    query = request.query_params
    only_open, after = query.get("open") == "1", as_uuid(query.get("after", ""))
    listing = await the_listing(request, seen, slug)
    found = await list_trail(
        request.app.state.ctx, seen.actor, slug, only_open=only_open, part=Part(MOST, newest_first=True, after=after)
    )
    older = found[-1].id if len(found) == MOST else None
    return provider_page(
        request, "provider_operations.html", seen, listing, "operations", fault, words=_WORDS, hints=_HINTS,
        entries=[_entry(each) for each in found], only_open=only_open, older=older,
    )  # fmt: skip


@router.get(HERE + "/{slug}/money")
async def money(request: Request, slug: str) -> Response:
    """What is earned, what is owed, and what was paid out; the statement of the days from `since` to `until`."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        ctx: Context = request.app.state.ctx
        listing = await the_listing(request, seen, slug)
        since, until, wrong = _days(request)
        try:
            days = await list_statements(ctx, seen.actor, slug, since, until)
        except InvalidParams as error:
            wrong, since, until = error, None, None
            days = await list_statements(ctx, seen.actor, slug)
        return provider_page(
            request, "provider_money.html", seen, listing, "money", wrong, money=Money, days=days,
            accruals=await list_accruals(ctx, seen.actor, slug),
            balances=await list_balances(ctx, seen.actor, slug),
            payouts=[{"of": each, "at": day(each.created_at)} for each in await list_payouts(ctx, seen.actor, slug)],
            agreements=[
                {"percent": f"{each.share_bp / 100:g}", "since": day(each.starts_at)}
                for each in await list_agreements(ctx, seen.actor, slug)
            ],
            since=since.isoformat() if since else "", until=until.isoformat() if until else "",
        )  # fmt: skip

    return await shown(request, show)


def _days(request: Request) -> tuple[date | None, date | None, BrokerError | None]:
    """The first and the last day that are asked for."""
    given = [request.query_params.get(name, "") for name in ("since", "until")]
    try:
        since, until = (date.fromisoformat(text) if text else None for text in given)
    except ValueError:
        return None, None, InvalidParams("Give days such as 2026-11-21.")
    return since, until, None


def _entry(entry: TrailEntry) -> dict[str, Any]:
    return {
        "of": entry,
        "what": _KINDS[entry.kind],
        "at": moment(entry.created_at),
        "took": _took(entry),
        "next": moment(entry.next_attempt_at) if entry.next_attempt_at else None,
        "body": _body(entry),
    }


def _took(entry: TrailEntry) -> str | None:
    if entry.finished_at is None:
        return None
    return seconds(int((entry.finished_at - entry.created_at).total_seconds() * 1000))


def _body(entry: TrailEntry) -> str | None:
    """The request's body as far as it is told."""
    if not entry.body:
        return None
    return json.dumps({name: "***" if value is None else value for name, value in entry.body.items()}, indent=2)
