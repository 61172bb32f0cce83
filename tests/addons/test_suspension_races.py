"""Suspending against everything that may happen at the same instant, and a worker that is killed in the middle of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from broker.addons.attach import AttachAddon, attach
from broker.addons.callbacks import update_config
from broker.addons.change_plan import change_plan
from broker.addons.create import CreateAddon, create_addon
from broker.addons.destroy import destroy_addon
from broker.addons.follow_account import follow_account, follow_accounts
from broker.addons.models import AddonState
from broker.addons.ports import Answer, Reply, RotateCall
from broker.addons.queries import AddonView
from broker.addons.resolve import AddonKey
from broker.addons.revoke import enqueue_rotations, revoke
from broker.addons.rotate import rotate
from broker.addons.rotations import list_rotations
from broker.apps.config_vars import get_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.release_history import list_releases
from broker.billing.models import UsagePeriod
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Context
from broker.kernel.db import Database, Tx
from broker.kernel.errors import BrokerError
from broker.kernel.secret import Secret
from tests.addons.conftest import MANIFEST, World, done, make_world
from tests.addons.test_suspension import env, resume, set_account, suspend
from tests.domain import SavepointDatabase, new_user


class Killed(Exception):
    """As if the process had ended."""


class MortalDatabase(Database):
    """Another one, until a number of transactions has been committed; then nothing happens any more."""

    def __init__(self, database: Database, lives: int) -> None:
        super().__init__(database.engine)
        self._real, self._lives = database, lives

    @asynccontextmanager
    async def _begin(self, snapshot: bool) -> AsyncIterator[Tx]:
        if self._lives == 0:
            raise Killed
        self._lives -= 1
        async with self._real._begin(snapshot) as tx:
            yield tx


async def check_periods(ctx: Context, addon_id: UUID, ends: str | None) -> None:
    """They follow one another without gap or overlap, and the open one is on these terms."""
    statement = select(UsagePeriod.mode, UsagePeriod.started_at, UsagePeriod.ended_at)
    async with ctx.database.transaction() as tx:
        ordered = statement.where(UsagePeriod.addon_id == addon_id).order_by(UsagePeriod.started_at)
        rows: list[Any] = list(await tx.execute(ordered))
    assert all(before.ended_at == after.started_at for before, after in pairwise(rows))
    assert [row.mode for row in rows if row.ended_at is None] == ([] if ends is None else [ends])


async def test_a_worker_killed_between_any_two_steps_leaves_no_app_half_done_and_is_followed(world: World) -> None:
    ctx = world.ctx
    together = [await world.provisioned("store:big", attachment_name=name) for name in ("A", "B")]
    apart = []
    for number in range(2):
        await create_app(ctx, world.user, CreateApp(name=f"app-{number}"))
        other = World(ctx, world.user, world.provider, f"app-{number}")
        apart.append(await other.provisioned("store:big"))
    await create_app(ctx, world.user, CreateApp(name="side"))
    await attach(ctx, world.user, AttachAddon(AddonKey(together[0].name), "side", "A"))
    assert isinstance(ctx.database, SavepointDatabase)
    full = {"shop": 2, "side": 1, "app-0": 1, "app-1": 1}
    for lives in range(5):
        async with ctx.database.undone():
            for suspended in (ctx.clock.now(), None):
                await set_account(ctx, world.user, suspended_at=suspended)
                mortal = replace(ctx, database=MortalDatabase(ctx.database, lives))
                with pytest.raises(Killed):
                    await follow_account(mortal, world.user.id)
                found = {app: len(await env(world, app)) for app in full}
                assert all(count in (0, full[app]) for app, count in found.items())
                assert (found["shop"] == 0) == (found["side"] == 0)
                await follow_accounts(ctx)
                assert {app: len(await env(world, app)) for app in full} == (
                    full if suspended is None else dict.fromkeys(full, 0)
                )
                assert len(await list_releases(ctx, world.user, "side", newest_first=False, limit=9)) <= 4
                ctx.clock.advance(minutes=1)
    for addon in (*together, *apart):
        await check_periods(ctx, addon.id, "paid")


async def test_suspending_and_resuming_at_the_same_time_ends_where_the_account_is(live_ctx: Context) -> None:
    world = await make_world(live_ctx, await new_user(live_ctx, "alice@example.com"))
    addons = [await world.provisioned("store:big", attachment_name=name) for name in ("A", "B")]
    before = await env(world)
    for _ in range(4):
        live_ctx.clock.advance(minutes=1)
        await set_account(live_ctx, world.user, suspended_at=live_ctx.clock.now())

        async def paid() -> None:
            await set_account(live_ctx, world.user, suspended_at=None)
            await follow_account(live_ctx, world.user.id)

        await asyncio.gather(
            follow_account(live_ctx, world.user.id), paid(), follow_accounts(live_ctx), follow_accounts(live_ctx)
        )
        await follow_accounts(live_ctx)
        assert await env(world) == before
        for addon in addons:
            await check_periods(live_ctx, addon.id, "paid")


@pytest.mark.parametrize("deed", ["destroy", "attach", "change_plan", "config", "create"])
async def test_a_change_at_the_instant_of_the_suspension_is_made_whole_or_refused(live_ctx: Context, deed: str) -> None:
    world = await make_world(live_ctx, await new_user(live_ctx, "alice@example.com"))
    addon = await world.provisioned("store:big", attachment_name="A")
    await create_app(live_ctx, world.user, CreateApp(name="side"))
    live_ctx.clock.advance(minutes=1)
    deeds: dict[str, Any] = {
        "destroy": lambda: destroy_addon(live_ctx, world.user, AddonKey(addon.name)),
        "attach": lambda: attach(live_ctx, world.user, AttachAddon(AddonKey(addon.name), "side", "A")),
        "change_plan": lambda: change_plan(live_ctx, world.user, AddonKey(addon.name), "huge"),
        "config": lambda: update_config(live_ctx, addon.id, {"STORE_URL": Secret("store://new")}),
        "create": lambda: create_addon(live_ctx, world.user, CreateAddon("shop", "store:big", attachment_name="C")),
    }
    await set_account(live_ctx, world.user, suspended_at=live_ctx.clock.now())
    done_or_not = await asyncio.gather(follow_account(live_ctx, world.user.id), deeds[deed](), return_exceptions=True)
    assert all(not isinstance(each, Exception) or isinstance(each, BrokerError) for each in done_or_not)
    world.provider.will(*[Reply(Answer.DONE, 204) if deed == "destroy" else done("store://new")] * 2)
    await world.run(minutes=1)
    await follow_accounts(live_ctx)

    assert await env(world) == {}
    assert await env(world, "side") == {}
    await check_periods(live_ctx, addon.id, None if deed == "destroy" else "suspended")
    await resume(world)
    if deed == "destroy":
        assert (await world.read(addon.id)).state is AddonState.DEPROVISIONED
        assert await env(world) == {}
    elif deed in ("config", "change_plan"):
        expected = f"store://{addon.id}" if isinstance(done_or_not[1], BrokerError) else "store://new"
        assert await env(world) == {"A_URL": expected}


async def test_credentials_rotated_while_suspended_are_what_comes_back_and_the_old_ones_go(world: World) -> None:
    capabilities = {"capabilities": ["rotate"]}
    await publish(world.ctx, parse({**MANIFEST, **capabilities}), SYSTEM)
    addon: AddonView = await world.provisioned("store:big", attachment_name="A")
    await suspend(world)
    await rotate(world.ctx, world.user, AddonKey(addon.name))
    world.provider.will(Reply(Answer.DONE, 200, config={"STORE_URL": Secret("store://rotated")}))
    await world.run()
    assert isinstance(world.provider.calls[-1], RotateCall)
    assert await env(world) == {}

    await enqueue_rotations(world.ctx)
    (rotation,) = await list_rotations(world.ctx, world.user, AddonKey(addon.name))
    world.provider.will(Reply(Answer.DONE, 204))
    await revoke(world.ctx, lambda _: world.provider, rotation.id, rotation.attempts)
    (rotation,) = await list_rotations(world.ctx, world.user, AddonKey(addon.name))
    assert rotation.state == "finished"
    await resume(world)
    assert await get_config_vars(world.ctx, world.user, "shop") == {"A_URL": "store://rotated"}
