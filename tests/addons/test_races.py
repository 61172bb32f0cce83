"""Two things at the same moment, on a database with real connections: each pair has one legal answer and no exception."""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import func, select, text

from broker.addons.advance import advance
from broker.addons.attach import AttachAddon, attach
from broker.addons.change_plan import change_plan
from broker.addons.destroy import destroy_addon, destroy_app_with_addons
from broker.addons.gate import USUAL
from broker.addons.intents import CALL_BOUND
from broker.addons.models import Addon, AddonState, Attachment, Operation, OperationState, Orphan
from broker.addons.ports import Answer, DeprovisionCall, PlanChangeCall, ProvisionCall, Reply
from broker.addons.queries import AddonView
from broker.addons.resolve import AddonKey
from broker.addons.settle import settle
from broker.addons.taken import reserved_names
from broker.addons.transfer import move_addon
from broker.addons.work import claim
from broker.apps.config_vars import get_config_vars, set_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.models import App
from broker.apps.release_history import list_releases
from broker.billing.models import UsagePeriod
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Context
from broker.kernel.errors import BrokerError, ConfirmationRequired, Conflict, InvalidParams, NameTaken, NotFound
from broker.kernel.secret import Secret
from tests.addons.conftest import MANIFEST, ScriptedProvider, World, done, make_world
from tests.domain import new_user
from tests.waiting import until

GONE = Reply(Answer.DONE, 204)
LIMITS = (USUAL,)


@pytest_asyncio.fixture
async def live(live_ctx: Context) -> World:
    """A world on a database of its own, with a pool of connections."""
    return await make_world(live_ctx, await new_user(live_ctx, "alice@example.com"))


async def both(*bodies: Awaitable[Any]) -> list[Any]:
    """The results, or refusals; anything else that is raised fails the test."""
    results = await asyncio.gather(*bodies, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, BrokerError):
            raise result
    return results


async def all_at_the_start(world: World, *bodies: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
    """Let them run until each waits for the app, and then go at once."""

    async def waiting() -> bool:
        async with world.ctx.database.transaction() as tx:
            held_up = (
                "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            )
            return bool((await tx.execute(text(held_up))).scalar_one() == len(bodies))

    async def hold(held: asyncio.Event, enough: asyncio.Event) -> None:
        async with world.ctx.database.transaction() as tx:
            await tx.execute(select(App.id).where(App.name == world.app).with_for_update())
            held.set()
            await enough.wait()

    held, enough = asyncio.Event(), asyncio.Event()
    holding = asyncio.create_task(hold(held, enough))
    await held.wait()
    tasks = [asyncio.create_task(body) for body in bodies]
    await until(waiting)
    enough.set()
    await holding
    return tasks


async def count(world: World, table: type[Any]) -> int:
    async with world.ctx.database.transaction() as tx:
        return int((await tx.execute(select(func.count()).select_from(table))).scalar_one())


async def open_periods(world: World) -> int:
    async with world.ctx.database.transaction() as tx:
        statement = select(func.count()).select_from(UsagePeriod).where(UsagePeriod.ended_at.is_(None))
        return int((await tx.execute(statement)).scalar_one())


async def called(world: World) -> asyncio.Task[None]:
    """The worker has entered the provider, which does not answer until `world.provider.during` is set."""
    world.provider.during = asyncio.Event()
    world.provider.entered.clear()
    task = asyncio.create_task(world.run())
    async with asyncio.timeout(10):
        await world.provider.entered.wait()
    return task


async def answered(world: World, task: asyncio.Task[None], reply: Reply) -> None:
    world.provider.will(reply)
    assert world.provider.during is not None
    world.provider.during.set()
    async with asyncio.timeout(10):
        await task


async def test_destroyed_while_the_provision_call_is_under_way(live: World) -> None:
    """The late answer gives nothing to the app, and the resource that it tells of is removed, at once."""
    addon = await live.create("store:big")
    task = await called(live)
    await destroy_addon(live.ctx, live.user, AddonKey(addon.name))
    await live.run()
    assert len(live.provider.calls) == 1, "nothing is deprovisioned while the provision may still arrive after it"
    await answered(live, task, done())
    live.provider.will(GONE)
    await live.run()
    _, removal = live.provider.calls
    assert isinstance(removal, DeprovisionCall)
    assert removal.provider_id == "remote-1"
    assert (await live.read(addon.id)).state is AddonState.DEPROVISIONED
    assert await get_config_vars(live.ctx, live.user, "shop") == {}
    assert await count(live, Orphan) == 0
    assert await count(live, UsagePeriod) == 0


async def test_destroyed_while_a_provision_is_refused(live: World) -> None:
    addon = await live.create()
    task = await called(live)
    await destroy_addon(live.ctx, live.user, AddonKey(addon.name))
    await answered(live, task, Reply(Answer.REFUSED, 422, "No."))
    live.provider.will(Reply(Answer.MISSING, 404))
    await live.run()
    assert (await live.read(addon.id)).state is AddonState.DEPROVISIONED
    assert await count(live, Orphan) == 0


async def test_destroyed_while_a_provision_is_lost(live: World) -> None:
    """Without an answer the call may still be on its way: the removal waits until it cannot."""
    addon = await live.create()
    task = await called(live)
    await destroy_addon(live.ctx, live.user, AddonKey(addon.name))
    await answered(live, task, Reply(Answer.LOST))
    await live.run()
    assert len(live.provider.calls) == 1
    live.provider.will(GONE)
    await live.run(seconds=31)
    assert (await live.read(addon.id)).state is AddonState.DEPROVISIONED


async def test_an_answer_after_everything_was_given_up_goes_to_the_orphan_ledger(live: World) -> None:
    addon = await live.create("store:big")
    task = await called(live)
    await destroy_addon(live.ctx, live.user, AddonKey(addon.name))
    removing = ScriptedProvider()
    removing.will(Reply(Answer.MISSING, 404))
    live.ctx.clock.advance(seconds=31)
    for operation_id in await live.unfinished():
        await advance(live.ctx, lambda _: removing, operation_id)
    assert (await live.read(addon.id)).state is AddonState.DEPROVISIONED
    await answered(live, task, done())
    async with live.ctx.database.transaction() as tx:
        orphan = (await tx.execute(select(Orphan.addon_id, Orphan.provider_id, Orphan.price_cents))).one()
    assert orphan == (addon.id, "remote-1", 5000)
    assert await get_config_vars(live.ctx, live.user, "shop") == {}


async def test_a_v1_resource_that_never_got_an_id_is_kept_as_an_orphan(live: World) -> None:
    """It cannot be named to its provider, so nobody may believe that it is gone."""
    addon = await live.create()
    live.provider.will(Reply(Answer.LOST))
    await live.run()
    await destroy_addon(live.ctx, live.user, AddonKey(addon.name))
    live.provider.will(Reply(Answer.GONE, note="the provider never gave an id"))
    await live.run(seconds=31)
    assert (await live.read(addon.id)).state is AddonState.DEPROVISIONED
    assert await count(live, Orphan) == 1


@pytest.mark.parametrize("answer", [Answer.LOST, Answer.TIMEOUT_STATUS, Answer.SERVER_ERROR])
@pytest.mark.parametrize("changing", [False, True], ids=["provision", "plan change"])
async def test_a_removal_waits_for_a_call_that_may_still_take_effect(
    live: World, answer: Answer, changing: bool
) -> None:
    """A provider may be at work for longer than we listen: removing too early would be overtaken by what it makes."""
    addon = await (live.provisioned("store:big") if changing else live.create())
    if changing:
        await change_plan(live.ctx, live.user, AddonKey(addon.name), "store:huge")
    live.provider.will(Reply(answer, None if answer is Answer.LOST else 500))
    await live.run()
    await destroy_addon(live.ctx, live.user, AddonKey(addon.name))
    await live.run(seconds=10)
    assert DeprovisionCall not in map(type, live.provider.calls)
    assert (await live.read(addon.id)).state is AddonState.DEPROVISIONING
    live.provider.will(GONE)
    await live.run(seconds=21)
    assert (await live.read(addon.id)).state is AddonState.DEPROVISIONED


async def test_an_orphan_of_a_call_that_may_still_take_effect_is_not_tried_at_once(live: World) -> None:
    addon = await live.create()
    live.provider.will(*[Reply(Answer.LOST)] * 5)
    for _ in range(5):
        await live.run(seconds=40)
    async with live.ctx.database.transaction() as tx:
        orphan = (await tx.execute(select(Orphan.next_at, Orphan.since).where(Orphan.addon_id == addon.id))).one()
    assert orphan.next_at - orphan.since == CALL_BOUND


async def test_destroyed_while_its_plan_is_changed(live: World) -> None:
    addon = await live.provisioned("store:big")
    await change_plan(live.ctx, live.user, AddonKey(addon.name), "store:huge")
    task = await called(live)
    await destroy_addon(live.ctx, live.user, AddonKey(addon.name))
    await answered(live, task, Reply(Answer.DONE, 200, config={"STORE_URL": Secret("store://moved")}))
    live.provider.will(GONE)
    await live.run()
    assert [type(call) for call in live.provider.calls] == [ProvisionCall, PlanChangeCall, DeprovisionCall]
    view = await live.read(addon.id)
    assert (view.state, view.price_cents) == (AddonState.DEPROVISIONED, 5000)
    assert await get_config_vars(live.ctx, live.user, "shop") == {}
    assert await open_periods(live) == 0


async def test_destroy_and_plan_change_at_the_same_moment(live: World) -> None:
    addon = await live.provisioned("store:big")
    key = AddonKey(addon.name)
    gone, moved = await both(
        destroy_addon(live.ctx, live.user, key), change_plan(live.ctx, live.user, key, "store:huge")
    )
    assert gone.state is AddonState.DEPROVISIONING
    assert isinstance(moved, (AddonView, Conflict))
    assert len(await live.unfinished()) == 1
    live.provider.will(GONE)
    await live.run()
    assert (await live.read(addon.id)).state is AddonState.DEPROVISIONED


async def test_two_plan_changes_at_the_same_moment(live: World) -> None:
    addon = await live.provisioned("store:free")
    results = await both(
        *[change_plan(live.ctx, live.user, AddonKey(addon.name), f"store:{plan}") for plan in ("big", "huge")]
    )
    assert sorted(type(result).__name__ for result in results) == ["AddonView", "Conflict"]


async def test_two_destroys_at_the_same_moment(live: World) -> None:
    addon = await live.provisioned()
    views = await both(*[destroy_addon(live.ctx, live.user, AddonKey(addon.name)) for _ in range(4)])
    assert {view.state for view in views} == {AddonState.DEPROVISIONING}
    assert len(await live.unfinished()) == 1
    live.provider.will(GONE)
    await live.run()
    assert (await live.read(addon.id)).state is AddonState.DEPROVISIONED


async def test_two_creates_of_one_name(live: World) -> None:
    results = await both(*await all_at_the_start(live, *[live.create(name="only-one") for _ in range(4)]))
    assert sorted(type(result).__name__ for result in results) == ["AddonView", *["NameTaken"] * 3]
    assert any(isinstance(result, NameTaken) for result in results)
    assert (await count(live, Addon), await count(live, Attachment), await count(live, Operation)) == (1, 1, 1)


async def test_two_creates_of_one_attachment_name(live: World) -> None:
    results = await both(*[live.create(attachment_name="MAIN") for _ in range(3)])
    assert sum(isinstance(result, AddonView) for result in results) == 1
    assert all(isinstance(result, (AddonView, Conflict, ConfirmationRequired)) for result in results)
    assert await count(live, Addon) == 1


async def test_automatic_names_never_clash(live: World) -> None:
    existing = await live.provisioned(name="shared")
    results = await both(
        *[live.create() for _ in range(4)],
        attach(live.ctx, live.user, AttachAddon(AddonKey(existing.name), "shop")),
    )
    assert not any(isinstance(result, BaseException) for result in results)
    async with live.ctx.database.transaction() as tx:
        names = (await tx.execute(select(Attachment.name))).scalars().all()
    assert len(names) == len(set(names)) == 6


async def test_a_service_that_fits_once_into_an_app_is_there_once(live: World) -> None:
    api = {**MANIFEST["api"], "requires": []}
    await publish(live.ctx, parse({**MANIFEST, "api": api}), SYSTEM)
    creating = await all_at_the_start(live, *[live.create(attachment_name=f"S{number}") for number in range(4)])
    results = await both(*creating)
    assert sorted(type(result).__name__ for result in results) == ["AddonView", *["InvalidParams"] * 3]
    assert await count(live, Addon) == 1


async def test_a_service_that_fits_once_into_an_app_is_added_or_moved_to_it(live: World) -> None:
    api = {**MANIFEST["api"], "requires": ["attachable"]}
    await publish(live.ctx, parse({**MANIFEST, "api": api}), SYSTEM)
    addon = await live.provisioned()
    await create_app(live.ctx, live.user, CreateApp(name="blog"))
    live.app = "blog"
    racing = await all_at_the_start(
        live, live.create(), move_addon(live.ctx, live.user, AddonKey(str(addon.id)), "blog")
    )
    assert sorted(type(result).__name__ for result in await both(*racing)) == ["AddonView", "InvalidParams"]


async def test_an_own_var_and_an_add_on_that_would_give_the_same_one(live: World) -> None:
    """Whoever comes second steps aside: a value of the user's is never overwritten."""
    for _ in range(3):
        _, result = await both(
            live.create(), set_config_vars(live.ctx, live.user, "shop", {"STORE_URL": "mine"}, reserved_names)
        )
        assert isinstance(result, (dict, InvalidParams))
        live.provider.will(done("theirs"))
        await live.run()
        now = await get_config_vars(live.ctx, live.user, "shop")
        assert (now["STORE_URL"] == "mine") is isinstance(result, dict)
        await destroy_app_with_addons(live.ctx, live.user, "shop")
        live.provider.will(GONE)
        await live.run()
        await create_app(live.ctx, live.user, CreateApp(name="shop"))


async def test_attached_while_destroyed(live: World) -> None:
    await create_app(live.ctx, live.user, CreateApp(name="second"))
    for _ in range(3):
        addon = await live.provisioned()
        wish = AttachAddon(AddonKey(addon.name), "second")
        gone, attached = await both(
            destroy_addon(live.ctx, live.user, AddonKey(addon.name), force=True), attach(live.ctx, live.user, wish)
        )
        assert gone.state is AddonState.DEPROVISIONING
        assert not isinstance(attached, BaseException) or isinstance(attached, (Conflict, NotFound))
        assert await get_config_vars(live.ctx, live.user, "second") == {}
        assert await count(live, Attachment) == 0
        live.provider.will(GONE)
        await live.run()


async def test_attached_while_being_provisioned(live: World) -> None:
    await create_app(live.ctx, live.user, CreateApp(name="second"))
    addon = await live.create()
    task = await called(live)
    wish = attach(live.ctx, live.user, AttachAddon(AddonKey(addon.name), "second"))
    await both(answered(live, task, done()), wish)
    for app in ("shop", "second"):
        assert await get_config_vars(live.ctx, live.user, app) == {"STORE_URL": "store://1"}


async def test_the_app_is_destroyed_in_the_middle_of_a_provision(live: World) -> None:
    addon = await live.create("store:big", options={"password": "hunter2"})
    task = await called(live)
    await destroy_app_with_addons(live.ctx, live.user, "shop")
    await answered(live, task, done())
    live.provider.will(GONE)
    await live.run()
    assert [type(call) for call in live.provider.calls] == [ProvisionCall, DeprovisionCall]
    assert (await live.read(addon.id)).state is AddonState.DEPROVISIONED
    assert await count(live, Orphan) == await count(live, UsagePeriod) == 0


async def test_the_app_is_destroyed_while_an_add_on_is_created_on_it(live: World) -> None:
    results = await both(destroy_app_with_addons(live.ctx, live.user, "shop"), live.create(), live.create())
    assert not isinstance(results[0], BaseException)
    assert all(isinstance(result, (AddonView, NotFound)) for result in results[1:])
    live.provider.will(*[GONE] * 2)
    await live.run()
    async with live.ctx.database.transaction() as tx:
        states = (await tx.execute(select(Addon.state))).scalars().all()
    assert set(states) <= {"deprovisioned"}, "no add-on outlives its app"


async def test_apps_that_share_add_ons_crosswise_are_destroyed_at_the_same_moment(live: World) -> None:
    for name in ("second", "third"):
        await create_app(live.ctx, live.user, CreateApp(name=name))
    for app in ("shop", "second", "third"):
        live.app = app
        addon = await live.provisioned()
        for other in {"shop", "second", "third"} - {app}:
            await attach(live.ctx, live.user, AttachAddon(AddonKey(addon.name), other))
    results = await both(*[destroy_app_with_addons(live.ctx, live.user, app) for app in ("third", "shop", "second")])
    assert not any(isinstance(result, BaseException) for result in results)
    live.provider.will(*[GONE] * 3)
    await live.run()
    assert await count(live, Attachment) == 0


async def test_one_reply_settled_twice_has_its_effects_once(live: World) -> None:
    addon = await live.create("store:big")
    (operation_id,) = await live.unfinished()
    work = await claim(live.ctx, operation_id, *LIMITS)
    assert work is not None
    settled = await both(*[settle(live.ctx, work, done()) for _ in range(3)])
    assert sorted(settled) == [False, False, True]
    assert (await live.read(addon.id)).state is AddonState.PROVISIONED
    assert await count(live, UsagePeriod) == 1
    releases = await list_releases(live.ctx, live.user, "shop", newest_first=True, limit=9)
    assert sum("Attach" in release.description for release in releases) == 1


async def test_a_late_answer_to_an_overtaken_attempt_does_not_replace_newer_credentials(live: World) -> None:
    addon = await live.create()
    (operation_id,) = await live.unfinished()
    first = await claim(live.ctx, operation_id, *LIMITS)
    live.ctx.clock.advance(seconds=11)
    second = await claim(live.ctx, operation_id, *LIMITS)
    assert first is not None
    assert second is not None
    assert await settle(live.ctx, second, done("store://new"))
    assert not await settle(live.ctx, first, done("store://old"))
    assert await get_config_vars(live.ctx, live.user, "shop") == {"STORE_URL": "store://new"}
    assert (await live.read(addon.id)).state is AddonState.PROVISIONED


async def test_one_operation_is_claimed_by_one_worker(live: World) -> None:
    await live.create()
    live.provider.will(done())
    (operation_id,) = await live.unfinished()
    await both(*[advance(live.ctx, lambda _: live.provider, operation_id) for _ in range(5)])
    assert len(live.provider.calls) == 1
    async with live.ctx.database.transaction() as tx:
        assert (await tx.execute(select(Operation.state))).scalars().all() == [OperationState.SUCCEEDED]
