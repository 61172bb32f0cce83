import pytest
from sqlalchemy import select

from broker.addons.change_plan import change_plan
from broker.addons.destroy import destroy_addon
from broker.addons.models import AddonState
from broker.addons.ports import Answer, DeprovisionCall, PlanChangeCall, Reply
from broker.addons.queries import AddonView
from broker.addons.resolve import AddonKey
from broker.apps.config_vars import get_config_vars
from broker.apps.release_history import list_releases
from broker.billing.models import UsagePeriod
from broker.kernel.errors import Conflict, InvalidParams
from broker.kernel.secret import Secret
from tests.addons.conftest import World


async def test_plan_and_price_change_when_the_provider_agrees_and_usage_is_cut_there(world: World) -> None:
    addon = await world.provisioned("store:big")
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "store:huge")
    assert (await world.read(addon.id)).plan.slug == "big"
    world.provider.will(Reply(Answer.DONE, 200, "Bigger now."))
    await world.run(hours=1)
    view = await world.read(addon.id)
    assert (view.plan.slug, view.price_cents, view.provision_message) == ("huge", 50000, "Bigger now.")
    call = world.provider.calls[-1]
    assert isinstance(call, PlanChangeCall)
    assert call.plan == "huge"
    async with world.ctx.database.transaction() as tx:
        statement = select(UsagePeriod.price_cents, UsagePeriod.ended_at).order_by(UsagePeriod.started_at)
        assert (await tx.execute(statement)).all() == [(5000, world.ctx.clock.now()), (50000, None)]


async def test_a_refused_change_keeps_plan_price_and_vars(world: World) -> None:
    addon = await world.provisioned("store:big")
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "free")
    world.provider.will(Reply(Answer.REFUSED, 422, "Your data does not fit."))
    await world.run()
    view = await world.read(addon.id)
    assert (view.plan.slug, view.state, view.price_cents) == ("big", AddonState.PROVISIONED, 5000)


async def test_new_config_makes_one_release_and_the_same_config_none(world: World) -> None:
    addon = await world.provisioned("store:big")
    for url, plan in (("store://new", "huge"), ("store://new", "free")):
        await change_plan(world.ctx, world.user, AddonKey(addon.name), plan)
        world.provider.will(Reply(Answer.DONE, 200, config={"STORE_URL": Secret(url)}))
        await world.run()
    releases = await list_releases(world.ctx, world.user, "shop", newest_first=False, limit=9)
    assert [release.description for release in releases] == [
        "Initial release",
        f"Attach STORE ({addon.name})",
        f"Update STORE ({addon.name})",
    ]
    assert await get_config_vars(world.ctx, world.user, "shop") == {"STORE_URL": "store://new"}


async def test_the_same_plan_changes_nothing_and_asks_nobody(world: World) -> None:
    addon = await world.provisioned()
    calls = len(world.provider.calls)
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "store:free")
    await world.run()
    assert len(world.provider.calls) == calls


async def test_two_changes_at_once_are_not_possible(world: World) -> None:
    addon = await world.provisioned()
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "big")
    with pytest.raises(Conflict, match="under way"):
        await change_plan(world.ctx, world.user, AddonKey(addon.name), "huge")


async def test_a_plan_of_another_service_and_an_unknown_one_are_refused(world: World) -> None:
    addon = await world.provisioned()
    with pytest.raises(InvalidParams, match="store:huge"):
        await change_plan(world.ctx, world.user, AddonKey(addon.name), "gold")


async def test_what_is_still_being_provisioned_cannot_change(world: World) -> None:
    addon = await world.create()
    with pytest.raises(Conflict, match="provisioning"):
        await change_plan(world.ctx, world.user, AddonKey(addon.name), "big")


async def lost_and_refused(world: World) -> AddonView:
    """An add-on on `big` whose change to `huge` went unanswered once and was refused then: nobody knows what it is on."""
    addon = await world.provisioned("store:big")
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "store:huge")
    world.provider.will(Reply(Answer.LOST), Reply(Answer.REFUSED, 422, "Not today."))
    await world.run()
    await world.run(minutes=1)
    return addon


def plans_asked_for(world: World) -> list[str]:
    return [call.plan for call in world.provider.calls if isinstance(call, PlanChangeCall)]


async def test_a_change_that_failed_and_may_have_happened_is_taken_back_at_the_provider(world: World) -> None:
    addon = await lost_and_refused(world)
    world.provider.will(Reply(Answer.SERVER_ERROR, 500), Reply(Answer.DONE, 200))
    await world.run(minutes=1)
    await world.run(minutes=1)
    assert plans_asked_for(world) == ["huge", "huge", "big", "big"]
    assert await world.unfinished() == []
    assert (await world.read(addon.id)).plan.slug == "big"
    async with world.ctx.database.transaction() as tx:
        assert (await tx.execute(select(UsagePeriod.price_cents, UsagePeriod.ended_at))).all() == [(5000, None)]


async def test_a_change_that_was_refused_at_once_needs_no_taking_back(world: World) -> None:
    addon = await world.provisioned("store:big")
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "store:huge")
    world.provider.will(Reply(Answer.REFUSED, 422, "Not today."))
    await world.run()
    assert await world.unfinished() == []


async def test_another_plan_overtakes_the_taking_back(world: World) -> None:
    addon = await lost_and_refused(world)
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "store:free")
    world.provider.will(Reply(Answer.DONE, 200))
    await world.run(minutes=1)
    assert plans_asked_for(world) == ["huge", "huge", "free"]
    assert (await world.read(addon.id)).plan.slug == "free"
    assert await world.unfinished() == []


async def test_another_plan_waits_for_the_change_that_may_still_happen(world: World) -> None:
    """Asked for at once, it would be undone by the change that came late."""
    addon = await world.provisioned("store:big")
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "store:huge")
    world.provider.will(Reply(Answer.LOST), Reply(Answer.REFUSED, 422, "Not today."))
    await world.run()
    await world.run(seconds=2)
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "store:free")
    await world.run(seconds=10)
    assert plans_asked_for(world) == ["huge", "huge"]
    world.provider.will(Reply(Answer.DONE, 200))
    await world.run(seconds=20)
    assert plans_asked_for(world) == ["huge", "huge", "free"]


async def test_a_removal_waits_for_it_too_whatever_was_asked_for_in_between(world: World) -> None:
    addon = await world.provisioned("store:big")
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "store:huge")
    world.provider.will(Reply(Answer.LOST), Reply(Answer.REFUSED, 422, "Not today."))
    await world.run()
    await world.run(seconds=2)
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "store:free")
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    await world.run(seconds=10)
    assert not any(isinstance(call, DeprovisionCall) for call in world.provider.calls)
    world.provider.will(Reply(Answer.DONE, 204))
    await world.run(seconds=20)
    assert (await world.read(addon.id)).state is AddonState.DEPROVISIONED


async def test_another_plan_that_is_refused_leaves_the_taking_back_to_do(world: World) -> None:
    addon = await lost_and_refused(world)
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "store:free")
    world.provider.will(Reply(Answer.REFUSED, 422, "Your data does not fit."), Reply(Answer.DONE, 200))
    await world.run(minutes=1)
    await world.run(minutes=1)
    assert plans_asked_for(world) == ["huge", "huge", "free", "big"]
    assert await world.unfinished() == []
