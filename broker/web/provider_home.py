"""The services that one works on, and how one of them does: its state, its health, its installs, and what comes next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from broker.addons.health import own_health
from broker.addons.provision_record import get_record, weeks_of
from broker.addons.service_trail import installs_of
from broker.addons.sunset import NOTICE, announce_sunset
from broker.catalog.canary import get_canary, list_runs, set_canary
from broker.catalog.listing import list_own
from broker.catalog.reliability import seconds
from broker.catalog.review import list_reviews, request_review
from broker.catalog.views import SHUTDOWN
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, InvalidParams
from broker.oauth.sessions import SignedIn
from broker.web.app_pages import shown, taken
from broker.web.browser import Form
from broker.web.curve import curve
from broker.web.moments import day, moment
from broker.web.pages import page
from broker.web.provider_pages import HERE, frame, provider_address, provider_page, the_listing

router = APIRouter(include_in_schema=False)
EVERY: Final = {"300": "every 5 minutes", "900": "every 15 minutes", "3600": "every hour", "86400": "once a day"}
"""How often a canary can be had from the page. Units: seconds."""
_RUNS: Final = 10
_WEEK: Final = 7


@router.get(HERE)
async def overview(request: Request) -> Response:
    """Every service that one works on, and the form for a new one."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await show_services(request, seen)

    return await shown(request, show)


@router.get(HERE + "/{slug}")
async def one(request: Request, slug: str) -> Response:
    """How a service does."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _service(request, seen, slug, fault, sent)

    return await shown(request, show)


@router.post(HERE + "/{slug}/review")
async def review(request: Request, slug: str) -> Response:
    """Ask the operators to bring it to its next state."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        await request_review(ctx, seen.actor, slug)
        return "asked"

    return await _taken(request, slug, deed)


@router.post(HERE + "/{slug}/canary")
async def canary(request: Request, slug: str) -> Response:
    """Have its provider tried so often, or not any more."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        wanted = sent.one("every")
        every = timedelta(seconds=int(wanted)) if wanted in EVERY else None
        await set_canary(ctx, seen.actor, slug, every, sent.one("plan") or None)
        return "canary"

    return await _taken(request, slug, deed)


@router.post(HERE + "/{slug}/sunset")
async def sunset(request: Request, slug: str) -> Response:
    """Announce its end."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        if sent.one("confirm") != slug:
            raise InvalidParams("Type the slug to confirm: everybody who has it is told at once.")
        try:
            at = datetime.strptime(sent.one("at"), "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            raise InvalidParams("Give the day on which it ends, such as 2027-03-31.") from None
        await announce_sunset(ctx, seen.actor, slug, at, sent.one("successor").strip() or None)
        return "sunset"

    return await _taken(request, slug, deed)


async def show_services(
    request: Request, seen: SignedIn, fault: BrokerError | None = None, text: str = "", status: int = 200
) -> Response:
    """The list; after a first push that was refused, with its faults and what was sent."""
    services = await list_own(request.app.state.ctx, seen.actor)
    return page(
        "provider.html", status, seen=seen, place="provider", services=services, text=text,
        **frame(request, seen, fault),
    )  # fmt: skip


async def _taken(request: Request, slug: str, deed: Any) -> Response:
    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _service(request, seen, slug, fault, sent)

    return await taken(request, deed, show, provider_address(slug))


async def _service(
    request: Request, seen: SignedIn, slug: str, fault: BrokerError | None, sent: Form | None
) -> Response:
    ctx: Context = request.app.state.ctx
    listing = await the_listing(request, seen, slug)
    service = listing.service
    order = await get_canary(ctx, seen.actor, slug)
    runs = await list_runs(ctx, seen.actor, slug)
    return provider_page(
        request,
        "provider_service.html",
        seen,
        listing,
        "overview",
        fault,
        health=await _health(ctx, seen, slug),
        record=await _record(ctx, seen, slug) if service.state != SHUTDOWN else None,
        weeks=await _weeks(ctx, seen, slug),
        installs=await _installs(ctx, seen, slug),
        canary=order,
        canary_now=str(int(order.every.total_seconds())) if order.every else "",
        choices=EVERY,
        runs=[{"of": run, "at": moment(run.at), "ready": seconds(run.provision_ms)} for run in runs[:_RUNS]],
        reviews=[{"of": each, "at": day(each.created_at)} for each in await list_reviews(ctx, seen.actor, slug)],
        ends=day(service.sunset_at) if service.sunset_at else None,
        earliest=f"{(ctx.clock.now() + NOTICE + timedelta(days=1)):%Y-%m-%d}",
        sent={name: sent.one(name) if sent else "" for name in ("at", "successor")},
    )


async def _health(ctx: Context, seen: SignedIn, slug: str) -> dict[str, Any]:
    health = await own_health(ctx, seen.actor, slug)
    times = (health.last_ok_at, health.last_fault_at, health.next_try_at)
    ok, fault, retry = (moment(at) if at else None for at in times)
    return {"of": health, "ok": ok, "fault": fault, "retry": retry}


async def _record(ctx: Context, seen: SignedIn, slug: str) -> dict[str, Any]:
    found = (await get_record(ctx, seen.actor, slug)).provisions
    return {"of": found, "median": seconds(found.median_ms), "p95": seconds(found.p95_ms)}


async def _weeks(ctx: Context, seen: SignedIn, slug: str) -> dict[str, Any]:
    """How long provisions took, the newest week first; the picture goes the other way, and has the measured weeks alone."""
    found = await weeks_of(ctx, seen.actor, slug)
    medians = [week.median_ms for week in reversed(found) if week.median_ms is not None]
    rows = [{"of": week, "median": seconds(week.median_ms), "p95": seconds(week.p95_ms)} for week in found]
    return {
        "rows": rows,
        "curve": curve(medians) if len(medians) > 1 else None,
        "slowest": seconds(max(medians, default=0)),
    }


async def _installs(ctx: Context, seen: SignedIn, slug: str) -> dict[str, Any]:
    found = await installs_of(ctx, seen.actor, slug)
    return {
        "of": found,
        "curve": curve([count for _, count in found.days]),
        "weeks": [(day_.isoformat(), count) for day_, count in found.days[::-1][::_WEEK]],
        "first": found.days[0][0].isoformat(),
        "last": found.days[-1][0].isoformat(),
    }
