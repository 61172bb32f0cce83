"""Publishing: idempotent, nothing lost, secrets sealed."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select

from broker.catalog.faults import ManifestFaults
from broker.catalog.models import AddonService, Plan, PlanPrice
from broker.catalog.publish import publish
from broker.catalog.queries import get_plan, get_service, list_plans, service_row
from broker.catalog.views import ServiceView
from broker.events.models import Event
from broker.kernel.context import SYSTEM, Context
from broker.kernel.secret import Secret
from tests.catalog.samples import cache_api, parsed, plans
from tests.domain import StoppedClock


async def prices(ctx: Context, slug: str) -> list[tuple[int, Any]]:
    statement = (
        select(PlanPrice.price_cents, PlanPrice.valid_from)
        .join(Plan, Plan.id == PlanPrice.plan_id)
        .where(Plan.slug == slug)
        .order_by(PlanPrice.valid_from)
    )
    async with ctx.database.transaction() as tx:
        return [(row.price_cents, row.valid_from) for row in await tx.execute(statement)]


async def test_a_published_service_is_what_its_manifest_says(ctx: Context, cache: ServiceView) -> None:
    assert (cache.slug, cache.name, cache.state, cache.revision) == ("acme-cache", "Acme Cache", "ga", 1)
    assert (cache.supports_sharing, cache.supports_multiple_installations) == (True, True)
    assert cache.listing.tagline == "Keys and values"
    async with ctx.database.transaction() as tx:
        mini, large = await list_plans(tx, "acme-cache")
    assert (mini.name, mini.is_default, mini.price, list(mini.features)) == (
        "acme-cache:mini",
        True,
        "free",
        ["Memory", "Backups"],
    )
    assert (large.price_cents, large.service.prefix, large.regions) == (1250, "ACME_CACHE", ("us", "eu"))


async def test_publishing_the_same_manifest_again_writes_nothing(
    ctx: Context, cache: ServiceView, clock: StoppedClock
) -> None:
    clock.advance(hours=1)
    assert await publish(ctx, parsed(), SYSTEM) == cache
    async with ctx.database.transaction() as tx:
        kinds = (await tx.execute(select(Event.kind).where(Event.kind == "addon_service.published"))).scalars().all()
    assert len(kinds) == 1


async def test_a_change_counts_up_the_revision_and_keeps_the_ids(
    ctx: Context, cache: ServiceView, clock: StoppedClock
) -> None:
    async with ctx.database.transaction() as tx:
        before = await get_plan(tx, "acme-cache:mini")
    now = clock.advance(hours=1)
    api = cache_api(config_vars=["ACME_CACHE_URL", "ACME_CACHE_PASSWORD", "ACME_CACHE_PORT"])
    changed = await publish(ctx, parsed(name="New name", api=api), SYSTEM)
    assert (changed.id, changed.revision, changed.name, changed.updated_at) == (cache.id, 2, "New name", now)
    assert changed.config_vars[-1] == "ACME_CACHE_PORT"
    async with ctx.database.transaction() as tx:
        assert (await get_plan(tx, "acme-cache:mini")).id == before.id


async def test_a_changed_price_adds_a_version_and_keeps_the_old_one(
    ctx: Context, cache: ServiceView, clock: StoppedClock
) -> None:
    start, later = clock.now(), clock.advance(days=3)
    await publish(ctx, parsed(plans=[{"name": "large", "price_cents": 2000}]), SYSTEM)
    assert await prices(ctx, "large") == [(1250, start), (2000, later)]
    await publish(ctx, parsed(plans=[{"name": "large", "price_cents": 3000}]), SYSTEM)
    assert [cents for cents, _ in await prices(ctx, "large")] == [1250, 2000, 3000]


async def test_a_plan_that_is_left_out_is_hidden_and_comes_back_as_the_same(ctx: Context, cache: ServiceView) -> None:
    async with ctx.database.transaction() as tx:
        mini = await get_plan(tx, "acme-cache:mini")
    await publish(ctx, parsed(plans=plans("other")), SYSTEM)
    async with ctx.database.transaction() as tx:
        assert [plan.slug for plan in await list_plans(tx, "acme-cache")] == ["other"]
        hidden = await get_plan(tx, mini.id)
    assert (hidden.state, hidden.is_default) == ("hidden", False)
    await publish(ctx, parsed(), SYSTEM)
    async with ctx.database.transaction() as tx:
        again = await get_plan(tx, "acme-cache:mini")
    assert (again.id, again.state, again.is_default) == (mini.id, "public", True)
    assert len(await prices(ctx, "mini")) == 1


async def test_the_default_can_move_from_one_plan_to_another(ctx: Context, cache: ServiceView) -> None:
    large = {"name": "large", "price_cents": 1250, "default": True}
    await publish(ctx, parsed(plans=[*plans("mini"), large]), SYSTEM)
    async with ctx.database.transaction() as tx:
        assert [plan.is_default for plan in await list_plans(tx, "acme-cache")] == [False, True]


async def test_the_prefix_stays_because_existing_config_vars_are_named_by_it(ctx: Context, cache: ServiceView) -> None:
    other = parsed(api=cache_api(config_vars_prefix="CACHE", config_vars=["CACHE_URL"]))
    with pytest.raises(ManifestFaults, match="cannot change from ACME_CACHE to CACHE"):
        await publish(ctx, other, SYSTEM)
    async with ctx.database.transaction() as tx:
        assert await get_service(tx, cache.id) == cache


async def test_password_and_salt_are_sealed_for_their_row_and_open_again(ctx: Context, cache: ServiceView) -> None:
    async with ctx.database.transaction() as tx:
        row = await service_row(tx, ctx, "acme-cache")
        columns = (await tx.execute(select(AddonService).where(AddonService.id == cache.id))).one()
    assert row.secrets.password == Secret("canary-password-0123456789")
    assert row.secrets.sso_salt == Secret("canary-salt-0123456789")
    assert row.base_url == "https://acme.example.com/resources"
    assert "canary" not in repr(columns) + repr(row)
    await publish(ctx, parsed(api=cache_api(password="another-password", sso_salt=None)), SYSTEM)
    async with ctx.database.transaction() as tx:
        row = await service_row(tx, ctx, cache.id)
    assert (row.secrets.password, row.secrets.sso_salt) == (Secret("another-password"), None)
    assert row.old_password == Secret("canary-password-0123456789"), "for a provider that does not know the new one yet"


async def test_two_processes_that_publish_at_once_make_one_service(live_ctx: Context) -> None:
    views = await asyncio.gather(*(publish(live_ctx, parsed(), SYSTEM) for _ in range(4)))
    assert len({view.id for view in views}) == 1
    async with live_ctx.database.transaction() as tx:
        assert (await tx.execute(select(func.count()).select_from(Plan))).scalar() == 2
