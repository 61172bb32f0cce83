"""A marketplace with something on most of its shelves, for looking at: the services that come with the broker, and made-up ones."""

from typing import Any

from sqlalchemy import insert, select, update

from broker.accounts.models import User
from broker.accounts.passwords import hash_password
from broker.catalog.manifest import parse
from broker.catalog.models import AddonService
from broker.catalog.publish import publish
from broker.catalog.search_models import SearchEntry
from broker.kernel.context import SYSTEM, Actor, Context, Scope
from broker.kernel.ids import new_id
from broker.kernel.secret import Secret
from tests.catalog.samples import rendered_template
from tests.catalog.shelf import manifest, paid

EMAIL, PASSWORD = "operator@example.com", "correct horse battery staple"
_LONG = (
    "Streams every line that your processes write into an index that answers in **milliseconds**.\n\n"
    "- Live tail in the browser and in the terminal\n- Alerts by mail and webhook\n- Archives in your own bucket\n\n"
    "See [how it works](https://logs.example.com/how) before you choose a plan."
)


_ASKED = {
    "properties": {
        "language": {
            "enum": ["Simple", "English", "German"],
            "title": "Language",
            "description": "How words are taken apart.",
        },
        "shards": {"type": "integer", "minimum": 1, "maximum": 8, "default": 1, "title": "Shards"},
        "replicas": {"type": "boolean", "title": "Keep a copy in another building"},
        "key": {"type": "string", "writeOnly": True, "title": "Key for your backups"},
    },
    "required": ["language", "shards"],
}


def _tiers(*prices: int) -> list[dict[str, Any]]:
    names = ("Hobby", "Basic", "Standard", "Premium", "Enterprise")
    return [
        {
            "name": name.lower(), "human_name": name, "price_cents": price, "description": f"For {what}.",
            "features": {"Retention": "1 day" if days == 1 else f"{days} days", "Volume a day": volume, "Alerts": price > 0, "Support": support},
        }
        for name, price, what, days, volume, support in zip(
            names, prices, ("trying out", "a first app", "a busy app", "a company", "several teams"), (1, 7, 14, 30, 90),
            ("100 MB", "1 GB", "10 GB", "50 GB", "250 GB"), ("Community", "Mail", "Mail", "Chat", "Telephone"), strict=False,
        )
    ]  # fmt: skip


def wares() -> list[dict[str, Any]]:
    """What is on offer, besides the three services that come with the broker."""
    shared = {"requires": ["many_per_app", "attachable"]}
    return [
        manifest("logstream", "Logstream", "Searches, tails and archives your logs", plans=_tiers(0, 700, 4900, 19900, 79900),
                 listing={"categories": ["logging", "monitoring"], "description": _LONG,
                          "docs": "## First steps\n\nAdd it, and log lines flow at once:\n\n    broker addons:add logstream --app my-app\n\n"
                          "| Setting | Meaning |\n|---|---|\n| `LOGSTREAM_URL` | where lines are sent |\n",
                          "docs_url": "https://logs.example.com/docs", "support_email": "help@logs.example.com"},
                 api=shared, capabilities=["rotate", "attachment_credentials"]),
        manifest("find-it", "Find It", "Hosted full-text search that forgives typing errors", listing={"categories": ["search"]}, plans=paid(4900, 19900, options_schema=_ASKED)),
        manifest("quick-cache", "Quick Cache", "Keeps hot pages in memory", listing={"categories": ["caching"]}),
        manifest("rabbit-post", "Rabbit Post", "AMQP queues that never lose a message", listing={"categories": ["messaging"]}),
        manifest("watchtower", "Watchtower", "Calls you before your users do", listing={"categories": ["monitoring"]},
                 plans=paid(1900, 9900)),
        manifest("bugnet", "Bugnet", "Catches exceptions with the lines around them", listing={"categories": ["errors"]}),
        manifest("pixelmill", "Pixelmill", "Resizes, crops and serves pictures", listing={"categories": ["media"]},
                 plans=[{"name": "payg", "price_cents": 0, "meters": [{"name": "pictures", "unit": "picture", "unit_price": "0.2"}]}],
                 capabilities=["usage"]),
        manifest("night-shift", "Night Shift", "Schedules jobs, to the second", listing={"categories": ["workers"]}),
        manifest("plain-numbers", "Plain Numbers", "Analytics without cookies", listing={"categories": ["analytics"]},
                 plans=paid(900)),
        manifest("till", "Till", "Takes cards, and gives money back", listing={"categories": ["payments"]}, plans=paid(0, 2500)),
        manifest("pushpin", "Pushpin", "Push messages for iOS and Android", listing={"categories": ["mobile"]}),
        manifest("gatekeeper", "Gatekeeper", "Passkeys and single sign-on for your users", listing={"categories": ["identity"]}),
    ]  # fmt: skip


async def stock_up(ctx: Context) -> None:
    """Publish all of it, feature some, let some be popular."""
    for slug in ("postgres", "redis", "mail"):
        await publish(ctx, parse(rendered_template(slug), allow_insecure=True), SYSTEM)
    for each in wares():
        await publish(ctx, parse(each), SYSTEM, first_state="beta" if each["id"] == "night-shift" else "ga")
    await publish(ctx, parse(manifest("secret-lab", "Secret Lab", "Not for everybody")), SYSTEM, first_state="alpha")
    installs = {"postgres": 1240, "redis": 873, "logstream": 512, "mail": 377, "quick-cache": 12, "bugnet": 1}
    async with ctx.database.transaction() as tx:
        for slug, count in installs.items():
            found = select(AddonService.id).where(AddonService.slug == slug).scalar_subquery()
            await tx.execute(update(SearchEntry).where(SearchEntry.service_id == found).values(installs=count))
        featured = AddonService.slug.in_(["postgres", "logstream", "gatekeeper"])
        await tx.execute(update(AddonService).where(featured).values(featured_at=ctx.clock.now()))


async def operator(ctx: Context) -> Actor:
    """An account with a password, which may operate the marketplace."""
    now, hashed, user_id = ctx.clock.now(), await hash_password(Secret(PASSWORD)), new_id()
    row = {
        "id": user_id,
        "email": EMAIL,
        "password_hash": hashed,
        "is_operator": True,
        "created_at": now,
        "updated_at": now,
    }
    async with ctx.database.transaction() as tx:
        await tx.execute(insert(User).values(**row))
    return Actor(user_id, EMAIL, frozenset({Scope.GLOBAL}), is_operator=True)
