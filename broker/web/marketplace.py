"""The public marketplace: its first page, and what is found by searching and choosing. Works without JavaScript."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from broker.catalog.categories import CATEGORIES
from broker.catalog.manifest import REGIONS
from broker.catalog.search import LONGEST_QUERY, PAGE, Hit, Order, Wanted, find
from broker.catalog.search_index import FEATURES
from broker.catalog.storefront import front
from broker.catalog.views import price_text
from broker.kernel.context import Context
from broker.web import browser
from broker.web.cached import FOR_A_MINUTE, cached
from broker.web.pages import HTMX, page, region_words

router = APIRouter(include_in_schema=False)

PRICES: Final = {"10": "Up to $10 a month", "50": "Up to $50 a month", "250": "Up to $250 a month"}
"""By whole dollars, as in addresses."""
ORDERS: Final = {
    Order.BEST: "Best match",
    Order.POPULAR: "Most installed",
    Order.NEW: "Newest",
    Order.PRICE: "Lowest price",
    Order.NAME: "Name",
}


@router.get("/")
async def home(request: Request) -> Response:
    """What there is, at a glance."""
    ctx: Context = request.app.state.ctx
    seen = await browser.who(request)
    response = page(
        "home.html",
        seen=seen,
        scripts=HTMX,
        shelves=await front(ctx),
        categories=CATEGORIES.values(),
        price_line=price_line,
        origin=request.app.state.face.public_url,
    )
    return cached(request, response, FOR_A_MINUTE, seen)


@router.get("/search")
async def results(request: Request) -> Response:
    """What fits the words and choices in the address. Choices that do not exist count as not made."""
    return await _results(request, _wanted(request))


@router.get("/categories/{category}")
async def category(request: Request, category: str) -> Response:
    """Everything of one kind."""
    if category not in CATEGORIES:
        return page("not_found.html", 404, seen=await browser.who(request))
    return await _results(request, _wanted(request, category))


async def _results(request: Request, wanted: Wanted) -> Response:
    ctx: Context = request.app.state.ctx
    seen = await browser.who(request)
    found = await find(ctx, wanted)
    chosen = CATEGORIES.get(wanted.category or "")
    response = page(
        "results.html",
        seen=seen,
        place="marketplace",
        scripts=HTMX,
        wanted=wanted,
        found=found,
        chosen=chosen,
        choices=_choices(),
        price_line=price_line,
        corrections=[", ".join(meant[:2]) for meant in found.corrected.values()],
        last=max(1, -(-found.total // PAGE)),
        address=lambda **changes: _address(wanted, **changes),
        origin=request.app.state.face.public_url,
        indexable=not wanted.text and wanted == Wanted(category=wanted.category, page=wanted.page),
    )
    response.headers["hx-replace-url"] = _address(wanted, page=wanted.page)  # what htmx shows while one types
    return cached(request, response, FOR_A_MINUTE, seen)


def _wanted(request: Request, category: str | None = None) -> Wanted:
    query = request.query_params
    price, page_number, order = query.get("price", ""), query.get("page", ""), query.get("sort", "")
    asked = category or query.get("category", "")
    return Wanted(
        text=" ".join(query.get("q", "")[:LONGEST_QUERY].split()),
        category=asked if asked in CATEGORIES else None,
        free=query.get("free") == "1",
        region=next((region for region in REGIONS if region == query.get("region") != "*"), None),
        features=tuple(feature for feature in FEATURES if feature in query.getlist("feature")),
        most_minor=int(price) * 100 if price in PRICES else None,
        order=Order(order) if order in set(Order) else Order.BEST,
        page=int(page_number) if page_number.isascii() and page_number.isdigit() and len(page_number) < 4 else 1,
    )


def _choices() -> dict[str, Any]:
    return {
        "categories": CATEGORIES.values(),
        "regions": {region: region_words(region) for region in REGIONS if region != "*"},
        "features": FEATURES,
        "prices": PRICES,
        "orders": ORDERS,
    }


def _address(wanted: Wanted, **changes: Any) -> str:
    """The address of the same search with changes; without those choices that are as if not made."""
    values: Sequence[tuple[str, object]] = [
        ("q", changes.get("q", wanted.text)),
        ("category", changes.get("category", wanted.category)),
        ("free", "1" if changes.get("free", wanted.free) else ""),
        ("price", changes.get("price", wanted.most_minor and wanted.most_minor // 100)),
        ("region", changes.get("region", wanted.region)),
        *(("feature", feature) for feature in changes.get("features", wanted.features)),
        ("sort", changes.get("sort", "" if wanted.order is Order.BEST else wanted.order)),
        ("page", "" if (number := changes.get("page", 1)) == 1 else number),
    ]
    pairs = [(name, str(value)) for name, value in values if value]
    if [name for name, _ in pairs if name != "page"] == ["category"]:
        rest = urlencode([pair for pair in pairs if pair[0] == "page"])
        return f"/categories/{pairs[0][1]}" + (f"?{rest}" if rest else "")
    return "/search" + (f"?{urlencode(pairs)}" if pairs else "")


def price_line(hit: Hit) -> str:
    """`Free plan`, `From $9/month`, `By usage`: what a card says of prices."""
    if hit.has_free:
        return "Free plan"
    if hit.lowest_minor is None or hit.currency is None:
        return ""
    return f"From {price_text(hit.lowest_minor, hit.currency)}" if hit.lowest_minor else "By usage"
