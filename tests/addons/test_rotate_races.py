"""Rotations whose worker dies, whose answer comes late, and whose credentials come another way than they were asked for."""

import asyncio
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import text

from broker.addons.acknowledge import acknowledge
from broker.addons.advance import advance
from broker.addons.callbacks import update_config
from broker.addons.credentials import create_credential, list_credentials
from broker.addons.destroy import destroy_addon
from broker.addons.gate import USUAL
from broker.addons.lend import enqueue_credentials, lend
from broker.addons.models import AddonState
from broker.addons.ports import Answer, Reply, RotateCall
from broker.addons.queries import AddonView
from broker.addons.resolve import AddonKey
from broker.addons.revoke import enqueue_rotations, revoke
from broker.addons.rotate import rotate
from broker.addons.rotations import RotationView, list_rotations
from broker.addons.settle import settle
from broker.addons.work import Work, claim
from broker.apps.config_vars import get_config_vars
from broker.apps.release_history import list_releases
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Context
from broker.kernel.secret import Secret
from tests.addons.conftest import MANIFEST, ScriptedProvider, World, make_world
from tests.domain import new_user

NEW = Reply(Answer.DONE, 200, config={"STORE_URL": Secret("store://new")})
DONE = Reply(Answer.DONE, 204)


@pytest_asyncio.fixture
async def addon(world: World) -> AddonView:
    return await _addon(world)


async def _addon(world: World) -> AddonView:
    capabilities = {"capabilities": ["rotate", "attachment_credentials"]}
    await publish(world.ctx, parse({**MANIFEST, **capabilities}), SYSTEM)
    return await world.provisioned()


async def claimed(world: World, addon: AddonView) -> Work:
    """A rotation whose call is under way."""
    world.ctx.clock.advance(seconds=1)
    await rotate(world.ctx, world.user, AddonKey(addon.name))
    (operation,) = await world.unfinished()
    work = await claim(world.ctx, operation, USUAL)
    assert work is not None
    return work


async def rotations(world: World, addon: AddonView) -> list[RotationView]:
    return await list_rotations(world.ctx, world.user, AddonKey(addon.name))


async def versions(world: World) -> int:
    return len(await list_releases(world.ctx, world.user, "shop", newest_first=True, limit=100))


async def test_a_worker_that_dies_in_the_call_leads_to_the_same_call_again(world: World, addon: AddonView) -> None:
    work = await claimed(world, addon)
    world.provider.will(NEW)
    await world.run(minutes=1)
    again = world.provider.calls[-1]
    assert isinstance(again, RotateCall)
    assert again == work.call
    assert not await settle(world.ctx, work, NEW)
    assert [view.state for view in await rotations(world, addon)] == ["overlap"]


@pytest.mark.parametrize("reply", [NEW, Reply(Answer.ACCEPTED, 202), Reply(Answer.SERVER_ERROR, 500)])
async def test_credentials_that_come_by_a_call_of_the_provider_s_during_ours_are_the_ones(
    world: World, addon: AddonView, reply: Reply
) -> None:
    work = await claimed(world, addon)
    before = await versions(world)
    await update_config(world.ctx, addon.id, {"STORE_URL": Secret("store://new")})
    assert await settle(world.ctx, work, reply)
    if reply.answer is Answer.SERVER_ERROR:
        world.provider.will(NEW)
        await world.run(minutes=1)
    assert await world.unfinished() == []
    assert [(view.state, view.by_provider) for view in await rotations(world, addon)] == [("overlap", False)]
    assert await versions(world) == before + 1


async def test_credentials_that_arrive_after_the_add_on_was_destroyed_are_given_to_nobody(
    world: World, addon: AddonView
) -> None:
    work = await claimed(world, addon)
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    assert not await settle(world.ctx, work, NEW)
    assert await get_config_vars(world.ctx, world.user, "shop") == {}
    world.provider.will(DONE)
    await world.run(minutes=1)
    assert (await world.read(addon.id)).state is AddonState.DEPROVISIONED


async def test_a_worker_that_dies_while_it_revokes_is_replaced(world: World, addon: AddonView) -> None:
    work = await claimed(world, addon)
    await settle(world.ctx, work, NEW)
    await acknowledge(world.ctx, world.user, "shop", "current", "api")

    class Died(BaseException):
        """As if the process were gone."""

    class Deadly(ScriptedProvider):
        async def revoke(self, call: object) -> Reply:
            raise Died

    (view,) = await rotations(world, addon)
    with pytest.raises(Died):
        await revoke(world.ctx, lambda _: Deadly(), view.id, view.attempts)
    (view,) = await rotations(world, addon)
    assert (view.state, view.attempts) == ("revoking", 1)
    assert await enqueue_rotations(world.ctx) == 0
    world.ctx.clock.advance(minutes=2)
    assert await enqueue_rotations(world.ctx) == 1
    world.provider.will(DONE)
    await revoke(world.ctx, lambda _: world.provider, view.id, view.attempts)
    assert [one.state for one in await rotations(world, addon)] == ["finished"]


async def test_a_lost_job_of_a_credential_is_deferred_again(world: World, addon: AddonView) -> None:
    asked = await create_credential(world.ctx, world.user, AddonKey(addon.name), "analytics")
    async with world.ctx.database.transaction() as tx:
        await tx.execute(text("delete from procrastinate_jobs"))
    assert await enqueue_credentials(world.ctx) == 1
    world.provider.will(NEW)
    await lend(world.ctx, lambda _: world.provider, asked.id, 0)
    assert [one.state for one in await list_credentials(world.ctx, world.user, AddonKey(addon.name))] == ["active"]


async def test_acknowledgements_rotations_and_config_at_the_same_time_end_in_order(live_ctx: Context) -> None:
    world = await make_world(live_ctx, await new_user(live_ctx, "alice@example.com"))
    addon = await _addon(world)

    async def send(number: int) -> None:
        await update_config(world.ctx, addon.id, {"STORE_URL": Secret(f"store://{number}")})

    async def take() -> None:
        await acknowledge(world.ctx, world.user, "shop", "current", "api")

    async def work_off(rotation_id: UUID, attempts: int) -> None:
        await revoke(world.ctx, lambda _: world.provider, rotation_id, attempts)

    await rotate(world.ctx, world.user, AddonKey(addon.name))
    (operation,) = await world.unfinished()
    world.provider.will(NEW)
    asked = advance(world.ctx, lambda _: world.provider, operation)
    await asyncio.gather(asked, *(send(number) for number in range(4)), *(take() for _ in range(4)))
    await take()
    found = await rotations(world, addon)
    assert sorted(view.generation or 0 for view in found) == list(range(2, 2 + len(found)))
    world.provider.will(*[DONE] * len(found))
    await asyncio.gather(*(work_off(view.id, view.attempts) for view in found for _ in range(2)))
    assert {view.state for view in await rotations(world, addon)} == {"finished"}
    assert await world.unfinished() == []
