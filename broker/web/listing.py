"""The page of one service, its documentation, and its picture."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from broker.catalog.categories import CATEGORIES, shelves
from broker.catalog.compare import compare
from broker.catalog.price_kinds import hourly_words, monthly_words, price_of, rates_of
from broker.catalog.reliability import seconds
from broker.catalog.search_index import FEATURES, features_of
from broker.catalog.storefront import Listing, listing, logo
from broker.catalog.views import BETA, PlanView, sunset_text
from broker.kernel.context import Context
from broker.kernel.errors import NotFound
from broker.kernel.money import decimal
from broker.oauth.sessions import SignedIn
from broker.web import browser
from broker.web.cached import FOR_A_DAY, FOR_A_MINUTE, cached
from broker.web.markdown import rendered
from broker.web.monogram import monogram
from broker.web.pages import COPY, page

router = APIRouter(include_in_schema=False)
_ONLY_A_PICTURE: Final = "default-src 'none'; style-src 'none'; sandbox"


@router.get("/marketplace/{slug}")
async def about(request: Request, slug: str) -> Response:
    """What a service is, what it costs, what it gives."""
    return await _show(request, slug, "listing.html")


@router.get("/marketplace/{slug}/docs")
async def docs(request: Request, slug: str) -> Response:
    """How to use it."""
    return await _show(request, slug, "docs.html")


@router.get("/marketplace/{slug}/logo")
async def picture(request: Request, slug: str) -> Response:
    """The service's own picture, or one made of its name. Everybody may have it: it says no more than the name does."""
    ctx: Context = request.app.state.ctx
    found = await logo(ctx, slug)
    if found is not None:
        response = Response(found.content, media_type=found.media_type)
    else:
        response = Response(monogram(slug), media_type="image/svg+xml")
    response.headers["content-security-policy"] = _ONLY_A_PICTURE
    response.headers["x-content-type-options"] = "nosniff"
    response.headers["cross-origin-resource-policy"] = "cross-origin"
    return cached(request, response, FOR_A_DAY)


async def _show(request: Request, slug: str, template: str) -> Response:
    seen = await browser.who(request)
    found = await _found(request, slug, seen)
    if found is None:
        return page("not_found.html", 404, seen=seen)
    response = page(template, seen=seen, place="marketplace", scripts=COPY, **await _facts(request, found))
    return cached(request, response, FOR_A_MINUTE, seen)


async def _found(request: Request, slug: str, seen: SignedIn | None) -> Listing | None:
    try:
        return await listing(request.app.state.ctx, slug, seen.actor if seen else None)
    except NotFound:
        return None


async def _facts(request: Request, found: Listing) -> dict[str, Any]:
    service, now = found.service, request.app.state.ctx.clock.now()
    origin: str = request.app.state.face.public_url
    return {
        "service": service,
        "found": found,
        "table": compare(found.plans),
        "prices": {plan.id: _price(plan) for plan in found.plans},
        "categories": [CATEGORIES[slug] for slug in shelves(service.listing.categories, service.listing.category)],
        "features": {word: FEATURES[word] for word in features_of(service)},
        "description": await rendered(service.listing.description or ""),
        "docs": await rendered(service.listing.docs or ""),
        "ends": None if found.is_open else _ends(found, now),
        "ready": _ready(found),
        "beta": service.state == BETA,
        "linked": _linked(found, origin),
        "origin": origin,
    }


def _price(plan: PlanView) -> dict[str, Any]:
    price = price_of(plan)
    return {"month": monthly_words(price), "hour": hourly_words(price), "rates": rates_of(price)}


def _ends(found: Listing, now: Any) -> str:
    if found.service.sunset_at is None:
        return "This service is not listed yet: only those who are let in see this page."
    return sunset_text(found.service, now)


def _ready(found: Listing) -> str | None:
    """How soon a new add-on can be used, as measured."""
    measured = found.service.reliability
    if measured is None or not measured.measured or measured.median_ms is None:
        return None
    return f"{seconds(measured.median_ms)} s"


def _linked(found: Listing, origin: str) -> dict[str, Any]:
    """The same for programs that read pages, in the words of schema.org."""
    service = found.service
    offers = [
        {
            "@type": "Offer",
            "name": plan.human_name,
            "price": decimal(plan.price_cents, plan.currency),
            "priceCurrency": plan.currency.upper(),
        }
        for plan in found.plans
        if plan.visible
    ]
    return {
        "@context": "https://schema.org",
        "@type": "SoftwareApplication",
        "name": service.name,
        "description": service.listing.tagline or service.name,
        "applicationCategory": "DeveloperApplication",
        "url": f"{origin}/marketplace/{service.slug}",
        "offers": offers,
    }
