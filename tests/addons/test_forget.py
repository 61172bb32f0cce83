from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from broker.addons.attach import AttachAddon, attach
from broker.addons.change_plan import change_plan
from broker.addons.create import CreateAddon, create_addon
from broker.addons.destroy import destroy_addon
from broker.addons.forget import forget_addon
from broker.addons.gate import USUAL
from broker.addons.models import AddonState
from broker.addons.orphans import list_orphans
from broker.addons.ports import Answer, Reply
from broker.addons.queries import list_attachments, list_operations
from broker.addons.reap import enqueue_orphans
from broker.addons.resolve import AddonKey
from broker.addons.work import claim
from broker.apps.config_vars import get_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.release_history import list_releases
from broker.billing.models import UsagePeriod
from broker.events.models import Event
from broker.kernel.context import Actor
from broker.kernel.errors import InvalidParams, NotFound
from tests.addons.conftest import World, done
from tests.domain import new_user

WHY = "the provider went out of business"


@pytest.fixture
async def operator(world: World) -> Actor:
    return replace(await new_user(world.ctx, "operator@example.com"), is_operator=True)


async def test_config_vars_go_billing_ends_and_an_orphan_is_written_without_the_provider(
    world: World, operator: Actor
) -> None:
    addon = await world.provisioned("store:big")
    await create_app(world.ctx, world.user, CreateApp(name="second"))
    await attach(world.ctx, world.user, AttachAddon(AddonKey(addon.name), "second"))
    calls = len(world.provider.calls)
    world.ctx.clock.advance(hours=3)
    view = await forget_addon(world.ctx, operator, addon.name, f" {WHY} ")
    assert (view.state, view.reason) == (AddonState.DEPROVISIONED, f"Forgotten by an operator: {WHY}")
    for app in ("shop", "second"):
        assert await get_config_vars(world.ctx, world.user, app) == {}
        newest, *_ = await list_releases(world.ctx, world.user, app, newest_first=True, limit=1)
        assert newest.description == f"Detach STORE ({addon.name})"
    assert await list_attachments(world.ctx, world.user, addon_id=addon.id) == []
    async with world.ctx.database.transaction() as tx:
        used = (await tx.execute(select(UsagePeriod.ended_at - UsagePeriod.started_at))).scalar_one()
        event = (await tx.execute(select(Event).where(Event.kind == "addon.forgotten"))).one()
    assert used == timedelta(hours=3)
    assert (event.actor_id, event.data["reason"]) == (operator.id, WHY)
    (orphan,) = await list_orphans(world.ctx, operator)
    assert (orphan.addon_id, orphan.resource_id, orphan.price_cents) == (addon.id, "remote-1", 5000)
    assert (orphan.state, orphan.reason) == ("open", f"forgotten: {WHY}")
    assert len(world.provider.calls) == calls


@pytest.mark.parametrize("stuck", ["provisioning", "changing plan", "deprovisioning"])
async def test_whatever_was_pending_ends_with_the_reason(world: World, operator: Actor, stuck: str) -> None:
    addon = await (world.create() if stuck == "provisioning" else world.provisioned())
    if stuck == "changing plan":
        await change_plan(world.ctx, world.user, AddonKey(addon.name), "big")
    if stuck == "deprovisioning":
        await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
        world.provider.will(Reply(Answer.SERVER_ERROR, 500))
        await world.run()
    calls = len(world.provider.calls)
    view = await forget_addon(world.ctx, operator, str(addon.id), WHY)
    assert view.state is AddonState.DEPROVISIONED
    assert await world.unfinished() == []
    newest, *_ = await list_operations(world.ctx, world.user, addon.id)
    assert (newest.state, newest.reason) == ("failed", f"Forgotten by an operator: {WHY}")
    assert len(world.provider.calls) == calls
    assert len(await list_orphans(world.ctx, operator, "open")) == 1
    assert await get_config_vars(world.ctx, world.user, "shop") == {}


async def test_while_a_call_is_under_way_the_orphan_waits_until_it_can_not_arrive_any_more(
    world: World, operator: Actor
) -> None:
    addon = await world.create()
    (operation,) = await world.unfinished()
    assert await claim(world.ctx, operation, USUAL) is not None
    await forget_addon(world.ctx, operator, str(addon.id), WHY)
    assert await enqueue_orphans(world.ctx) == 0
    world.ctx.clock.advance(seconds=31)
    assert await enqueue_orphans(world.ctx) == 1


async def test_the_name_is_free_at_once(world: World, operator: Actor) -> None:
    await world.provisioned(name="again")
    await forget_addon(world.ctx, operator, "again", WHY)
    world.provider.will(done())
    again = await create_addon(world.ctx, world.user, CreateAddon(app="shop", plan="store", name="again"))
    assert again.state is AddonState.PROVISIONING


async def test_only_operators_forget_only_with_a_reason_and_only_what_there_is(world: World, operator: Actor) -> None:
    addon = await world.provisioned()
    with pytest.raises(NotFound):
        await forget_addon(world.ctx, world.user, addon.name, WHY)
    with pytest.raises(InvalidParams, match="say why"):
        await forget_addon(world.ctx, operator, addon.name, " \n")
    for nothing in ("nothing", "no\0thing"):
        with pytest.raises(NotFound):
            await forget_addon(world.ctx, operator, nothing, WHY)
    assert (await world.read(addon.id)).state is AddonState.PROVISIONED
    await forget_addon(world.ctx, operator, addon.name, WHY)
    with pytest.raises(NotFound):
        await forget_addon(world.ctx, operator, str(addon.id), WHY)
