"""Operators decide here what the marketplace shows: what is recommended, what goes on to its next state, what ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from broker.addons.sunset import announce_sunset, approve_review, shut_down
from broker.catalog.featured import feature
from broker.catalog.listing import ListingView, get_listing
from broker.catalog.overview import overview
from broker.catalog.review import refuse
from broker.catalog.views import INSTALLABLE_STATES, SUNSET
from broker.kernel.context import Actor, Context
from broker.kernel.errors import BrokerError, InvalidParams
from broker.oauth.sessions import SignedIn
from broker.web.browser import Form
from broker.web.operating import Show, act, operator_page, page_number, searched, shown

router = APIRouter(include_in_schema=False)
_HERE: Final = "/operator/listings"

Decision = Callable[[Context, Actor, str, Form], Awaitable[str]]
"""What a form decides about a service; gives the name of the sentence that says so."""


@router.get("/operator/listings")
async def all_of_them(request: Request) -> Response:
    """Every service, those first that wait for a decision."""
    return await shown(request, _all)


@router.get("/operator/listings/{slug}")
async def one(request: Request, slug: str) -> Response:
    """One service, with everything that can be decided about it."""
    return await shown(request, _one(slug))


@router.post("/operator/listings/{slug}/feature")
async def recommend(request: Request, slug: str) -> Response:
    """Recommend it, or no longer."""
    return await _act(request, slug, _feature)


@router.post("/operator/listings/{slug}/review")
async def review(request: Request, slug: str) -> Response:
    """Decide about the review that is asked for."""
    return await _act(request, slug, _review)


@router.post("/operator/listings/{slug}/sunset")
async def sunset(request: Request, slug: str) -> Response:
    """Announce its end, or bring it about when the day has come."""
    return await _act(request, slug, _sunset, dangerous=True)


async def _feature(ctx: Context, actor: Actor, slug: str, form: Form) -> str:
    featured = form.one("featured") == "1"
    await feature(ctx, actor, slug, featured=featured)
    return "featured" if featured else "unfeatured"


async def _review(ctx: Context, actor: Actor, slug: str, form: Form) -> str:
    note = form.one("note").strip()
    if form.one("decision") == "approve":
        override = form.one("override") == "1"
        await approve_review(ctx, actor, slug, form.all("checked"), note or None, override=override)
        return "approved"
    if not note:
        raise InvalidParams("Say in the note why it is refused: its owner reads it.")
    await refuse(ctx, actor, slug, note)
    return "refused"


async def _sunset(ctx: Context, actor: Actor, slug: str, form: Form) -> str:
    if form.one("decision") == "shutdown":
        await shut_down(ctx, actor, slug)
        return "shutdown"
    if form.one("confirm") != slug:
        raise InvalidParams(f"Type {slug} to confirm: everybody who has it is told at once.")
    try:
        at = datetime.strptime(form.one("at"), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidParams("Give the day on which it ends, such as 2027-03-31.") from None
    await announce_sunset(ctx, actor, slug, at, form.one("successor").strip() or None)
    return "sunset"


async def _act(request: Request, slug: str, decide: Decision, *, dangerous: bool = False) -> Response:
    async def deed(ctx: Context, seen: SignedIn, form: Form) -> str:
        return await decide(ctx, seen.actor, slug, form)

    return await act(request, deed, _one(slug), f"{_HERE}/{slug}", dangerous=dangerous)


async def _all(request: Request, seen: SignedIn, fault: BrokerError | None) -> Response:
    text, number = searched(request), page_number(request)
    rows, more = await overview(request.app.state.ctx, seen.actor, text, number)
    return operator_page(
        request, "operator_listings.html", seen, fault, here=_HERE, rows=rows, more=more, text=text, number=number
    )


def _one(slug: str) -> Show:
    async def show(request: Request, seen: SignedIn, fault: BrokerError | None) -> Response:
        seen.actor.require_operator()
        ctx: Context = request.app.state.ctx
        facts = _facts(await get_listing(ctx, seen.actor, slug), ctx.clock.now())
        return operator_page(request, "operator_listing.html", seen, fault, here=_HERE, **facts)

    return show


def _facts(listing: ListingView, now: datetime) -> dict[str, Any]:
    service = listing.service
    return {
        "service": service,
        "listing": listing,
        "listed": service.state in INSTALLABLE_STATES,
        "over": service.state == SUNSET and service.sunset_at is not None and service.sunset_at <= now,
        "today": f"{now:%Y-%m-%d}",
    }
