"""What programs that index pages ask for: which pages there are, and which are not for them."""

from __future__ import annotations

from typing import Final
from xml.sax.saxutils import escape

from fastapi import APIRouter, Request, Response

from broker.catalog.categories import CATEGORIES
from broker.catalog.storefront import listed_since
from broker.web.cached import FOR_A_DAY, cached

router = APIRouter(include_in_schema=False)
_HEADER: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
)
_MOST: Final = 50_000
"""More addresses than that are not allowed. Source: sitemaps.org, protocol 0.9."""
_CLOSED: Final = ("/account", "/install/", "/login", "/logout", "/oauth/", "/operator/", "/search?", "/sso/", "/go/")


@router.get("/sitemap.xml")
async def sitemap(request: Request) -> Response:
    """The pages that are the same for everybody."""
    origin: str = request.app.state.face.public_url
    places = [(path, "") for path in ("/", *(f"/categories/{slug}" for slug in CATEGORIES))]
    for slug, changed in await listed_since(request.app.state.ctx):
        day = f"<lastmod>{changed:%Y-%m-%d}</lastmod>"
        places += [(f"/marketplace/{slug}", day), (f"/marketplace/{slug}/docs", day)]
    lines = [f"<url><loc>{escape(origin + path)}</loc>{day}</url>" for path, day in places[:_MOST]]
    response = Response(_HEADER + "\n".join(lines) + "\n</urlset>\n", media_type="application/xml")
    return cached(request, response, FOR_A_DAY // 24)


@router.get("/robots.txt")
async def robots(request: Request) -> Response:
    """Where such programs need not look, and the way to the above."""
    origin: str = request.app.state.face.public_url
    rules = "\n".join(f"Disallow: {path}" for path in _CLOSED)
    text = f"User-agent: *\n{rules}\nAllow: /\n\nSitemap: {origin}/sitemap.xml\n"
    return cached(request, Response(text, media_type="text/plain"), FOR_A_DAY)
