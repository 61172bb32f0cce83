import asyncio

import pytest

from broker.addons.advance import advance
from broker.addons.callbacks import read_config, report_deprovisioned, report_provisioned, update_config
from broker.addons.destroy import destroy_addon
from broker.addons.models import AddonState
from broker.addons.ports import Answer, Reply
from broker.addons.queries import list_operations
from broker.addons.resolve import AddonKey
from broker.apps.config_vars import get_config_vars
from broker.apps.release_history import list_releases
from broker.kernel.context import Context
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.secret import Secret
from tests.addons.conftest import ScriptedProvider, World, done, make_world
from tests.domain import new_user

ACCEPTED = Reply(Answer.ACCEPTED, 202, provider_id="r1")


async def versions(world: World) -> int:
    return len(await list_releases(world.ctx, world.user, "shop", newest_first=True, limit=100))


async def test_config_sent_while_provisioning_is_given_with_the_final_call_in_one_release(world: World) -> None:
    addon = await world.create()
    world.provider.will(ACCEPTED)
    await world.run()
    await update_config(world.ctx, addon.id, {"STORE_URL": Secret("store://async")})
    await update_config(world.ctx, addon.id, {"STORE_TOKEN": Secret("t")})
    assert await get_config_vars(world.ctx, world.user, "shop") == {}
    before = await versions(world)
    view = await report_provisioned(world.ctx, addon.id)
    assert view.state is AddonState.PROVISIONED
    assert await get_config_vars(world.ctx, world.user, "shop") == {"STORE_URL": "store://async", "STORE_TOKEN": "t"}
    assert await versions(world) == before + 1
    assert await world.unfinished() == []


async def test_saying_it_twice_changes_nothing(world: World) -> None:
    addon = await world.provisioned()
    before = await versions(world)
    await report_provisioned(world.ctx, addon.id)
    await update_config(world.ctx, addon.id, {"STORE_URL": Secret(f"store://{addon.id}")})
    assert await versions(world) == before


async def test_new_credentials_reach_every_attached_app(world: World) -> None:
    addon = await world.provisioned()
    await update_config(world.ctx, addon.id, {"STORE_URL": Secret("store://rotated")})
    assert await get_config_vars(world.ctx, world.user, "shop") == {"STORE_URL": "store://rotated"}
    await update_config(world.ctx, addon.id, {"STORE_URL": None})
    assert await get_config_vars(world.ctx, world.user, "shop") == {}
    assert await read_config(world.ctx, addon.id) == {"STORE_URL": None, "STORE_TOKEN": None}


async def test_new_config_stands_in_the_history_of_operations_without_its_values(world: World) -> None:
    addon = await world.provisioned()
    await update_config(world.ctx, addon.id, {"STORE_URL": Secret("canary-rotated")})
    newest, *_ = await list_operations(world.ctx, world.user, addon.id)
    assert (newest.kind, newest.state, newest.finished_at) == ("refresh", "succeeded", world.ctx.clock.now())
    assert "STORE_URL" in str(newest.history)
    assert "canary" not in str(newest.history)


async def test_undeclared_names_are_refused_whole(world: World) -> None:
    addon = await world.provisioned()
    with pytest.raises(InvalidParams, match="PATH"):
        await update_config(world.ctx, addon.id, {"STORE_URL": Secret("x"), "PATH": Secret("/evil")})
    assert await get_config_vars(world.ctx, world.user, "shop") == {"STORE_URL": f"store://{addon.id}"}


async def test_what_can_be_no_name_may_be_a_value_and_is_told_to_nobody(world: World) -> None:
    url = "store://user:hunter2@host"
    addon = await world.create()
    world.provider.will(done("store://1", **{url: "STORE_URL", "a\0b": "x", "OTHER": "x"}))
    await world.run()
    (operation,) = await list_operations(world.ctx, world.user, addon.id)
    assert operation.state == "succeeded"
    assert "refused: OTHER, and 2 that can't be shown" in str(operation.history)
    with pytest.raises(InvalidParams, match="does not declare OTHER, and 1 that can't be shown") as refusal:
        await update_config(world.ctx, addon.id, {url: Secret("STORE_URL"), "OTHER": Secret("x")})
    assert "hunter2" not in refusal.value.message + str(operation.history)


async def test_a_provider_can_give_up_what_it_had_accepted(world: World) -> None:
    addon = await world.create()
    world.provider.will(ACCEPTED)
    await world.run()
    await report_deprovisioned(world.ctx, addon.id)
    view = await world.read(addon.id)
    assert view.state is AddonState.DEPROVISIONED
    assert "could not provision" in (view.reason or "")
    assert await world.unfinished() == []


async def test_an_accepted_removal_ends_with_the_provider_s_word(world: World) -> None:
    addon = await world.provisioned()
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    world.provider.will(Reply(Answer.ACCEPTED, 202))
    await world.run()
    assert (await world.read(addon.id)).state is AddonState.DEPROVISIONING
    await report_deprovisioned(world.ctx, addon.id)
    assert (await world.read(addon.id)).state is AddonState.DEPROVISIONED
    with pytest.raises(NotFound):
        await report_deprovisioned(world.ctx, addon.id)


async def test_a_provider_cannot_remove_what_is_in_use(world: World) -> None:
    addon = await world.provisioned()
    with pytest.raises(Conflict, match="in use"):
        await report_deprovisioned(world.ctx, addon.id)


async def test_ready_after_destroy_gives_nothing_to_the_app(world: World) -> None:
    addon = await world.create()
    world.provider.will(ACCEPTED)
    await world.run()
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    with pytest.raises(Conflict, match="deprovision"):
        await report_provisioned(world.ctx, addon.id)
    assert await get_config_vars(world.ctx, world.user, "shop") == {}


@pytest.fixture
async def live_world(live_ctx: Context) -> World:
    return await make_world(live_ctx, await new_user(live_ctx, "alice@example.com"))


@pytest.mark.parametrize("late", [ACCEPTED, done("store://late")])
async def test_config_and_completion_inside_the_provision_call_win_over_its_own_answer(
    live_world: World, late: Reply
) -> None:
    """Real providers exchange the grant, send config and report "provisioned" before they answer the call itself."""
    world, provider = live_world, ScriptedProvider(during=asyncio.Event())
    addon = await world.create()
    (operation,) = await world.unfinished()
    provider.will(late)
    running = asyncio.create_task(advance(world.ctx, lambda _: provider, operation))
    await provider.entered.wait()
    await update_config(world.ctx, addon.id, {"STORE_TOKEN": Secret("inside")})
    await report_provisioned(world.ctx, addon.id)
    assert provider.during is not None
    provider.during.set()
    await running
    view = await world.read(addon.id)
    assert (view.state, view.provider_id) == (AddonState.PROVISIONED, late.provider_id)
    given = await get_config_vars(world.ctx, world.user, "shop")
    assert given == {"STORE_TOKEN": "inside"} | {name: value.reveal() for name, value in late.config.items()}
    assert await world.unfinished() == []
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    (removal,) = await world.unfinished()
    provider.will(Reply(Answer.DONE, 204))
    await advance(world.ctx, lambda _: provider, removal)
    assert (await world.read(addon.id)).state is AddonState.DEPROVISIONED, "no call is left to be waited for"
