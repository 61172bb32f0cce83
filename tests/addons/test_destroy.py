from datetime import timedelta

import pytest
from sqlalchemy import select

from broker.addons.attach import AttachAddon, attach
from broker.addons.destroy import destroy_addon, release_app
from broker.addons.models import AddonState, Operation, Orphan
from broker.addons.ports import Answer, DeprovisionCall, Reply
from broker.addons.resolve import AddonKey
from broker.apps.config_vars import get_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.destroy import destroy_app
from broker.billing.models import UsagePeriod
from broker.kernel.context import Actor
from broker.kernel.errors import InvalidParams, NotFound
from tests.addons.conftest import World, done

GONE = Reply(Answer.DONE, 204)


async def test_config_vars_and_billing_end_at_the_request_whatever_the_provider_does(world: World) -> None:
    addon = await world.provisioned("store:big")
    world.ctx.clock.advance(hours=3)
    view = await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    assert view.state is AddonState.DEPROVISIONING
    assert await get_config_vars(world.ctx, world.user, "shop") == {}
    world.provider.will(*[Reply(Answer.SERVER_ERROR, 500)] * 3)
    for _ in range(3):
        await world.run(hours=1)
    async with world.ctx.database.transaction() as tx:
        used = (await tx.execute(select(UsagePeriod.ended_at - UsagePeriod.started_at))).scalar_one()
    assert used == timedelta(hours=3)
    world.provider.will(GONE)
    await world.run(hours=1)
    assert (await world.read(addon.id)).state is AddonState.DEPROVISIONED


@pytest.mark.parametrize("answer", [Answer.DONE, Answer.MISSING, Answer.GONE])
async def test_gone_already_is_as_good_as_gone_now(world: World, answer: Answer) -> None:
    addon = await world.provisioned()
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    world.provider.will(Reply(answer))
    await world.run()
    assert (await world.read(addon.id)).state is AddonState.DEPROVISIONED


async def test_a_provider_that_never_lets_go_ends_in_the_orphan_ledger(world: World) -> None:
    addon = await world.provisioned("store:big")
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    world.provider.will(*[Reply(Answer.UNAUTHORIZED, 401)] * 40)
    for _ in range(30):
        await world.run(hours=1)
    assert (await world.read(addon.id)).state is AddonState.DEPROVISIONED
    async with world.ctx.database.transaction() as tx:
        orphan = (await tx.execute(select(Orphan.addon_id, Orphan.provider_id, Orphan.price_cents))).one()
    assert orphan == (addon.id, "remote-1", 5000)


async def test_destroying_twice_is_harmless(world: World) -> None:
    addon = await world.provisioned()
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    again = await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    assert again.state is AddonState.DEPROVISIONING
    assert len(await world.unfinished()) == 1


async def test_destroyed_while_provisioning_is_deprovisioned_when_the_late_answer_has_come(world: World) -> None:
    """The provider's answer arrives after the destroy: its resource must go, and nothing may be given to the app."""
    addon = await world.create()
    (provision,) = await world.unfinished()
    async with world.ctx.database.transaction() as tx:
        row = (await tx.execute(select(Operation.state).where(Operation.id == provision))).scalar_one()
    assert row == "pending"
    view = await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    assert view.state is AddonState.DEPROVISIONING
    world.provider.will(GONE)
    await world.run()
    (call,) = world.provider.calls
    assert isinstance(call, DeprovisionCall)
    assert (await world.read(addon.id)).state is AddonState.DEPROVISIONED
    assert await get_config_vars(world.ctx, world.user, "shop") == {}


async def test_shared_add_ons_are_not_destroyed_without_force(world: World) -> None:
    addon = await world.provisioned()
    await create_app(world.ctx, world.user, CreateApp(name="second"))
    await attach(world.ctx, world.user, AttachAddon(AddonKey(addon.name), "second"))
    with pytest.raises(InvalidParams, match="second"):
        await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name), force=True)
    assert await get_config_vars(world.ctx, world.user, "second") == {}


async def test_somebody_else_cannot_destroy_and_learns_nothing(world: World, mallory: Actor) -> None:
    addon = await world.provisioned()
    with pytest.raises(NotFound):
        await destroy_addon(world.ctx, mallory, AddonKey(str(addon.id)))
    assert (await world.read(addon.id)).state is AddonState.PROVISIONED


async def test_a_destroyed_app_takes_its_add_ons_with_it_and_leaves_those_of_others(world: World) -> None:
    mine = await world.provisioned()
    await create_app(world.ctx, world.user, CreateApp(name="second"))
    world.app = "second"
    other = await world.provisioned()
    await attach(world.ctx, world.user, AttachAddon(AddonKey(other.name), "shop"))
    await destroy_app(world.ctx, world.user, "shop", lambda tx, app: release_app(tx, world.ctx, world.user, app.id))
    world.provider.will(GONE)
    await world.run()
    assert (await world.read(mine.id)).state is AddonState.DEPROVISIONED
    assert (await world.read(other.id)).state is AddonState.PROVISIONED
    assert list(await get_config_vars(world.ctx, world.user, "second")) == ["STORE_URL"]


async def test_the_name_is_free_again_once_it_is_gone(world: World) -> None:
    addon = await world.provisioned(name="again")
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    world.provider.will(GONE)
    await world.run()
    world.provider.will(done())
    assert (await world.create(name="again")).id != addon.id
