"""How telling goes: in order, one attempt at a time, again after failures, never beyond its time, and over the death of a worker."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text

from broker.addons.destroy import destroy_app_with_addons
from broker.apps.change import ChangeApp, change_app
from broker.events.claim import USUAL, Places
from broker.events.deliver import deliver
from broker.events.deliveries import retry_delivery
from broker.events.emit import emit
from broker.events.models import DeliveryStatus, Webhook
from broker.events.webhook_sweep import forget_old, revive_webhooks
from broker.events.webhooks import remove_webhook
from broker.kernel.context import Context
from broker.kernel.errors import Conflict, NotFound
from broker.kernel.jobs import BEHIND
from tests.addons.conftest import World, make_world
from tests.domain import new_user
from tests.events.conftest import MINE, PAYLOADS, Watch, Watching, jobs, outbox
from tests.events.receivers import DOWN, OK, Receiver


async def happen(world: World, times: int = 1) -> None:
    """Something is changed that webhooks are told."""
    for number in range(times):
        at = world.ctx.clock.advance(seconds=1)
        await change_app(world.ctx, world.user, world.app, ChangeApp(stack=f"stack-{at:%H%M%S}-{number}"))


async def test_each_event_is_told_once_and_in_order(world: World, watching: Watching) -> None:
    watch = await watching.app("api:app")
    await happen(world, 3)
    await watch.run(times=5)
    assert [attempt.payload["sequence"] for attempt in watch.receiver.told] == [1, 2, 3]
    assert await watch.statuses() == ["succeeded"] * 3
    assert [view.last_attempt["code"] for view in await watch.deliveries()] == [200] * 3


async def test_a_sync_webhook_is_tried_again_with_growing_pauses_before_anything_else_is_told(
    world: World, watching: Watching
) -> None:
    watch = await watching.app("api:app")
    watch.receiver.answers = [DOWN, DOWN, OK]
    await happen(world, 2)
    await watch.run()
    first = (await watch.deliveries())[0]
    assert (first.status, first.num_attempts, first.last_attempt["code"]) == ("retrying", 1, 503)
    await watch.run()
    assert len(watch.receiver.told) == 1, "its time has not come"
    await watch.run(seconds=10)
    second = (await watch.deliveries())[0]
    assert second.next_attempt_at - second.updated_at > first.next_attempt_at - first.updated_at
    await watch.run(times=2, seconds=20)
    assert [attempt.payload["sequence"] for attempt in watch.receiver.told] == [1, 1, 1, 2]
    assert len({attempt.event_id for attempt in watch.receiver.told}) == 2
    assert len({attempt.id for attempt in watch.receiver.told}) == 4
    assert await watch.statuses() == ["succeeded", "succeeded"]


async def test_a_notify_webhook_is_tried_once(world: World, watching: Watching) -> None:
    watch = await watching.app("api:app", level="notify")
    watch.receiver.answers = [DOWN, OK]
    await happen(world, 2)
    await watch.run(times=3)
    assert await watch.statuses() == ["failed", "succeeded"]
    assert [view.id for view in await watch.deliveries("failed")] == [(await watch.deliveries())[0].id]


async def test_after_72_hours_of_failing_what_has_waited_is_tried_once_and_skipped(
    world: World, watching: Watching
) -> None:
    watch = await watching.app("api:app")
    watch.receiver.answers = [DOWN]
    await happen(world, 3)
    await watch.run()
    while (await watch.deliveries())[0].status != "failed":
        await watch.run(hours=1.5)
    assert (await watch.deliveries())[0].num_attempts > 40
    await watch.run(times=4)
    assert await watch.statuses() == ["failed", "skipped", "skipped"]
    assert (await watch.again()).failing_since is not None
    await happen(world)
    await watch.run()
    assert (await watch.statuses())[-1] == "retrying", "what happens now has its own 72 hours"
    watch.receiver.answers = [OK]
    await watch.run(hours=2)
    assert (await watch.statuses())[-1] == "succeeded"
    assert (await watch.again()).failing_since is None


async def test_a_delivery_is_repeated_by_hand_under_the_same_event(world: World, watching: Watching) -> None:
    watch = await watching.app("api:app", level="notify")
    watch.receiver.answers = [DOWN, OK]
    await happen(world, 2)
    await watch.run(times=3)
    failed = (await watch.deliveries("failed"))[0]
    again = await retry_delivery(world.ctx, world.user, watch.owner_of, str(failed.id))
    assert (again.status, again.num_attempts) == ("pending", 1)
    await watch.run()
    assert await watch.statuses() == ["succeeded", "succeeded"]
    assert watch.receiver.told[2].event_id == watch.receiver.told[0].event_id
    succeeded = (await watch.deliveries())[1]
    await retry_delivery(world.ctx, world.user, watch.owner_of, str(succeeded.id))
    await watch.run(times=2)
    assert len(watch.receiver.told) == 4, "also what had arrived"


async def test_what_is_old_is_forgotten_and_what_is_not_finished_is_kept(world: World, watching: Watching) -> None:
    watch = await watching.app("api:app")
    watch.receiver.answers = [OK, DOWN]
    await happen(world, 2)
    await watch.run(times=2)
    keep = timedelta(days=1)
    assert await forget_old(world.ctx, keep) == 0
    world.ctx.clock.advance(days=2)
    assert await forget_old(world.ctx, keep) == 1
    assert await watch.statuses() == ["retrying"]
    assert [view.sequence for view in await watch.events()] == [2]


async def test_a_webhook_whose_app_is_gone_is_forgotten_too(world: World, watching: Watching) -> None:
    watch = await watching.app("api:app")
    await destroy_app_with_addons(world.ctx, world.user, world.app)
    await watch.run(times=2)
    assert watch.told == [("app", "destroy")]
    world.ctx.clock.advance(days=2)
    await forget_old(world.ctx, timedelta(days=1))
    await deliver(world.ctx, PAYLOADS, watch.receiver, watch.id)
    assert len(watch.receiver.told) == 1


@pytest.fixture
async def live(live_ctx: Context) -> World:
    """A world on several connections."""
    return await make_world(live_ctx, await new_user(live_ctx, "alice@example.com"))


async def start(watch: Watch, places: Places = USUAL) -> asyncio.Task[None]:
    """An attempt that goes on until the receiver opens."""
    watch.receiver.open.clear()
    watch.receiver.reached.clear()
    task = asyncio.create_task(deliver(watch.world.ctx, PAYLOADS, watch.receiver, watch.id, places))
    await watch.receiver.reached.wait()
    return task


async def test_a_receiver_that_does_not_answer_delays_nobody_else(live: World) -> None:
    slow, quick = await Watching(live).app("api:app"), await Watching(live).app("api:app")
    await happen(live, 2)
    attempt = await start(slow)
    await slow.run()
    assert len(slow.receiver.told) == 1, "one at a time: they are told in order"
    await quick.run(times=2)
    assert len(quick.receiver.told) == 2
    slow.receiver.open.set()
    await attempt
    await slow.run()
    assert [item.payload["sequence"] for item in slow.receiver.told] == [1, 2]


async def test_whoever_has_been_failing_goes_behind_the_others(live: World) -> None:
    failing, well = await Watching(live).app("api:app"), await Watching(live).app("api:app")
    failing.receiver.answers = [DOWN]
    await happen(live)
    await failing.run()
    await well.run()
    await happen(live)
    async with live.ctx.database.transaction() as tx:
        newest = "select args->>'webhook_id', priority from procrastinate_jobs order by id desc limit 2"
        priorities = {UUID(webhook_id): priority for webhook_id, priority in await tx.execute(text(newest))}
    assert priorities == {failing.id: BEHIND, well.id: 0}


async def test_webhooks_of_one_host_share_its_places_and_wake_one_another(live: World) -> None:
    one, two = await Watching(live).app("api:app"), await Watching(live).app("api:app")
    elsewhere = await Watching(live).app("api:app", url="https://elsewhere.example.com/in")
    await happen(live)
    single = Places(per_host=1)
    attempt = await start(one, single)
    for watch in (two, elsewhere):
        await deliver(live.ctx, PAYLOADS, watch.receiver, watch.id, single)
    assert (len(two.receiver.told), len(elsewhere.receiver.told)) == (0, 1)
    before = await jobs(live)
    one.receiver.open.set()
    await attempt
    assert await jobs(live) == before + 1, "whoever waited is woken"
    await deliver(live.ctx, PAYLOADS, two.receiver, two.id, single)
    assert len(two.receiver.told) == 1


async def test_another_worker_takes_over_when_one_has_died_and_the_dead_ones_word_counts_no_more(live: World) -> None:
    watch = await Watching(live).app("api:app")
    await happen(live)
    late = await start(watch)
    assert await watch.statuses() == ["scheduled"]
    assert await revive_webhooks(live.ctx) == 0, "it is held"
    live.ctx.clock.advance(minutes=2)
    assert await revive_webhooks(live.ctx) == 1
    other = Receiver([DOWN])
    await deliver(live.ctx, PAYLOADS, other, watch.id)
    assert other.told[0].event_id == watch.receiver.told[0].event_id
    watch.receiver.open.set()
    await late
    view = (await watch.deliveries())[0]
    assert (view.status, view.num_attempts, view.last_attempt["code"]) == ("retrying", 2, 503)


async def test_an_event_whose_job_was_lost_is_found_by_the_sweep(live: World) -> None:
    watch = await Watching(live).app("api:app")
    await happen(live)
    assert await jobs(live) == 1
    assert await revive_webhooks(live.ctx) == 1
    assert await jobs(live) == 2
    await watch.run()
    assert await revive_webhooks(live.ctx) == 0


async def test_a_webhook_that_is_removed_while_it_is_told_leaves_nothing_behind(live: World) -> None:
    watch = await Watching(live).app("api:app")
    await happen(live, 2)
    attempt = await start(watch)
    with pytest.raises(Conflict):
        await retry_delivery(live.ctx, live.user, watch.owner_of, str((await watch.deliveries())[0].id))
    await remove_webhook(live.ctx, live.user, watch.owner_of, str(watch.id))
    watch.receiver.open.set()
    await attempt
    await watch.run()
    assert (await watch.deliveries(), await watch.events(), await outbox(live)) == ([], [], 0)
    with pytest.raises(NotFound):
        await watch.again()


async def test_an_event_is_told_only_if_what_caused_it_was_committed(live: World) -> None:
    watch = await Watching(live).app("api:app")

    async def fail() -> None:
        async with live.ctx.database.transaction() as tx:
            await emit(tx, "app.changed", live.user, live.ctx.clock.now(), app_id=watch.webhook.app_id)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert (await outbox(live), await jobs(live)) == (0, 0)


def test_the_words_for_statuses_are_those_of_the_platform_api() -> None:
    assert set(DeliveryStatus) == {"pending", "scheduled", "retrying", "failed", "succeeded", "skipped"}


async def test_secrets_are_sealed(world: World, watching: Watching) -> None:
    watch = await watching.app("api:app")
    async with world.ctx.database.transaction() as tx:
        row = (await tx.execute(select(Webhook.data_key, Webhook.secret_sealed))).one()
    assert all(MINE.reveal().encode() not in sealed for sealed in row)
    await happen(world)
    await watch.run()
    assert watch.receiver.told[0].secret == MINE
