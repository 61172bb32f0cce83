"""A marketplace with a few well-known kinds of services, for the tests of search and of pages."""

from typing import Any

from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Context
from tests.catalog.samples import cache_api


def manifest(slug: str, name: str, tagline: str, **changes: Any) -> dict[str, Any]:
    """A small manifest. `listing` and `api` are changed member by member, the rest is replaced."""
    prefix = slug.upper().replace("-", "_")
    listing = {"tagline": tagline, **changes.pop("listing", {})}
    api = cache_api(**{"config_vars": [f"{prefix}_URL"], "requires": [], **changes.pop("api", {})})
    plans = [{"name": "free", "price_cents": 0}, {"name": "pro", "price_cents": 900}]
    return {"id": slug, "name": name, "api": api, "listing": listing, "plans": plans} | changes


def paid(*cents: int, **members: Any) -> list[dict[str, Any]]:
    return [{"name": f"plan-{price}", "price_cents": price, **members} for price in cents]


SHELF: tuple[dict[str, Any], ...] = (
    manifest(
        "pg-cloud", "Cloud Postgres", "PostgreSQL databases with backups",
        listing={"categories": ["Data Stores"], "tags": ["sql"], "description": "Point-in-time recovery for café owners."},
        api={"requires": ["many_per_app", "attachable"], "regions": ["us", "eu"]},
        plans=[*paid(1500, 20000, features={"Storage": "10 GB"})],
    ),
    manifest(
        "quick-cache", "Quick Cache", "Keeps hot pages in memory", listing={"category": "Cache", "tags": ["redis"]},
        api={"regions": ["tokyo"]},
    ),
    manifest(
        "mailbird", "Mailbird", "Delivers transactional email", listing={"categories": ["email", "monitoring"]},
        plans=paid(1000), capabilities=["rotate"],
    ),
    manifest("logstream", "Logstream", "Searches your logs", listing={"categories": ["logging"]}, plans=paid(500)),
    manifest("find-it", "Find It", "Hosted search indexes", listing={"categories": ["search"]}, plans=paid(4900)),
)  # fmt: skip


async def stock(ctx: Context, *manifests: dict[str, Any], state: str = "ga") -> None:
    """Publish these, or the whole shelf."""
    for each in manifests or SHELF:
        await publish(ctx, parse(each), SYSTEM, first_state=state)
