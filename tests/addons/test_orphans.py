from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text, update

from broker.addons.destroy import destroy_addon
from broker.addons.gate import USUAL
from broker.addons.locks import lock_addon
from broker.addons.models import Addon, AddonState, Orphan, Ownership
from broker.addons.orphans import (
    OrphanSum,
    OrphanView,
    get_orphan,
    list_orphans,
    read_orphans,
    record_orphan,
    resolve_orphan,
    retry_orphan,
    sum_orphans,
)
from broker.addons.ports import Answer, DeprovisionCall, Reply
from broker.addons.queries import AddonView
from broker.addons.reap import LONGEST_PAUSE, enqueue_orphans, reap
from broker.addons.resolve import AddonKey
from broker.events.models import Event
from broker.kernel.context import Actor
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.parts import Part
from tests.addons.conftest import World, done
from tests.domain import new_user

FAULT = Reply(Answer.SERVER_ERROR, 500)


@pytest.fixture
async def operator(world: World) -> Actor:
    return replace(await new_user(world.ctx, "operator@example.com"), is_operator=True)


async def only(world: World, operator: Actor) -> OrphanView:
    (orphan,) = await list_orphans(world.ctx, operator)
    return orphan


async def lost_provision(world: World) -> AddonView:
    """A provision whose first call was never answered, so that something may be left."""
    addon = await world.create("store:big")
    world.provider.will(Reply(Answer.LOST, note="ReadTimeout"), Reply(Answer.CLIENT_ERROR, 400))
    for _ in range(2):
        await world.run(minutes=1)
    assert (await world.read(addon.id)).state is AddonState.DEPROVISIONED
    return await world.read(addon.id)


async def sweep(world: World, **later: float) -> int:
    """What the worker does about orphans after the clock went on; the number of attempts that were due."""
    world.ctx.clock.advance(**later)
    async with world.ctx.database.transaction() as tx:
        await tx.execute(text("delete from procrastinate_jobs"))
    due = await enqueue_orphans(world.ctx)
    async with world.ctx.database.transaction() as tx:
        jobs = (await tx.execute(text("select args from procrastinate_jobs order by id"))).scalars().all()
    for job in jobs:
        await reap(world.ctx, lambda _: world.provider, UUID(job["orphan_id"]), job["attempt"])
    return due


async def kinds(world: World) -> list[str]:
    async with world.ctx.database.transaction() as tx:
        found = await tx.execute(select(Event.kind).where(Event.kind.like("orphan.%")).order_by(Event.at, Event.id))
        return list(found.scalars())


@pytest.mark.parametrize("answer", [Answer.DONE, Answer.MISSING, Answer.GONE])
async def test_what_may_be_left_behind_is_deleted_and_the_ledger_says_so(
    world: World, operator: Actor, answer: Answer
) -> None:
    addon = await lost_provision(world)
    orphan = await only(world, operator)
    assert (orphan.addon_id, orphan.service, orphan.plan) == (addon.id, "store", "store:big")
    assert (orphan.price_cents, orphan.state, orphan.reason) == (5000, "open", "provisioning failed: client_error")
    world.provider.will(Reply(answer, 404))
    assert await sweep(world, minutes=1) == 1
    call = world.provider.calls[-1]
    assert isinstance(call, DeprovisionCall)
    assert call.uuid == addon.id
    orphan = await only(world, operator)
    assert (orphan.state, orphan.attempts, orphan.next_attempt_at) == ("deleted", 1, None)
    assert await kinds(world) == ["orphan.recorded", "orphan.deleted"]
    assert await sweep(world, days=1) == 0


async def test_not_there_is_believed_only_when_no_call_can_still_be_on_its_way(world: World, operator: Actor) -> None:
    await lost_provision(world)
    world.provider.will(Reply(Answer.MISSING, 404), Reply(Answer.MISSING, 404))
    assert await sweep(world) == 1
    assert (await only(world, operator)).state == "open"
    assert await sweep(world, minutes=2) == 1
    assert (await only(world, operator)).state == "deleted"


async def test_it_is_tried_for_ever_with_growing_pauses_and_says_what_was_answered(
    world: World, operator: Actor
) -> None:
    await lost_provision(world)
    pauses = []
    for _ in range(20):
        world.provider.will(Reply(Answer.UNAUTHORIZED, 401))
        assert await sweep(world, hours=8) == 1
        orphan = await only(world, operator)
        assert orphan.next_attempt_at is not None
        pauses.append(orphan.next_attempt_at - world.ctx.clock.now())
    assert timedelta(seconds=20) < pauses[0] < timedelta(seconds=40)
    assert all(timedelta(hours=4) < pause <= LONGEST_PAUSE * 1.25 for pause in pauses[10:])
    assert (orphan.state, orphan.attempts, orphan.last_answer) == ("open", 20, "unauthorized 401")
    assert [entry["outcome"] for entry in orphan.history] == ["open"] + ["unauthorized"] * 20


async def test_a_long_history_keeps_its_beginning_and_its_end(world: World, operator: Actor) -> None:
    await lost_provision(world)
    async with world.ctx.database.transaction() as tx:
        padded = [{"step": "recorded"}] + [{"step": "delete", "outcome": str(n)} for n in range(99)]
        await tx.execute(update(Orphan).values(history=padded))
    world.provider.will(FAULT)
    await sweep(world, minutes=1)
    history = (await only(world, operator)).history
    assert (len(history), history[0]["step"], history[1]["outcome"]) == (100, "recorded", "1")
    assert history[-1]["outcome"] == "server_error"


async def test_an_attempt_is_made_once_however_often_its_job_runs(world: World, operator: Actor) -> None:
    await lost_provision(world)
    orphan = await only(world, operator)
    world.provider.will(FAULT)
    calls = len(world.provider.calls)
    for _ in range(3):
        await reap(world.ctx, lambda _: world.provider, orphan.id, 0)
    assert len(world.provider.calls) == calls + 1


async def test_an_attempt_whose_worker_died_is_made_again(world: World, operator: Actor) -> None:
    await lost_provision(world)
    orphan = await only(world, operator)
    with pytest.raises(IndexError):  # the script has no answer: as good as a crash
        await reap(world.ctx, lambda _: world.provider, orphan.id, 0)
    assert await sweep(world, seconds=30) == 0
    world.provider.will(Reply(Answer.DONE, 204))
    assert await sweep(world, minutes=1) == 1
    assert (await only(world, operator)).state == "deleted"


async def test_what_was_imported_is_never_deleted(world: World, operator: Actor) -> None:
    addon = await world.provisioned("store:big")
    async with world.ctx.database.transaction() as tx:
        await tx.execute(update(Addon).where(Addon.id == addon.id).values(ownership=Ownership.IMPORTED))
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    world.provider.will(*[FAULT] * 40)
    for _ in range(30):
        await world.run(hours=1)
    orphan = await only(world, operator)
    assert (orphan.ownership, orphan.next_attempt_at) == ("imported", None)
    calls = len(world.provider.calls)
    assert await sweep(world, days=1) == 0
    with pytest.raises(Conflict, match="imported"):
        await retry_orphan(world.ctx, operator, str(orphan.id))
    await reap(world.ctx, lambda _: world.provider, orphan.id, 0)
    assert len(world.provider.calls) == calls
    assert (await resolve_orphan(world.ctx, operator, str(orphan.id), "handed back")).state == "resolved"


async def test_an_attempt_that_finds_no_place_calls_nobody_and_does_not_count(world: World, operator: Actor) -> None:
    await lost_provision(world)
    orphan, calls = await only(world, operator), len(world.provider.calls)
    limits = replace(USUAL, concurrency=0)
    await reap(world.ctx, lambda _: world.provider, orphan.id, 0, limits)
    orphan = await only(world, operator)
    assert (len(world.provider.calls), orphan.attempts) == (calls, 0)
    assert "waits for its turn" in (orphan.last_answer or "")
    assert orphan.next_attempt_at is not None


async def test_an_operator_has_it_tried_at_once(world: World, operator: Actor) -> None:
    await lost_provision(world)
    world.provider.will(FAULT, Reply(Answer.DONE, 204))
    await sweep(world, minutes=1)
    assert await sweep(world) == 0
    view = await retry_orphan(world.ctx, operator, str((await only(world, operator)).id))
    assert view.next_attempt_at == world.ctx.clock.now()
    assert await sweep(world) == 1
    assert (await only(world, operator)).state == "deleted"


async def test_an_operator_closes_it_with_a_reason_and_it_is_tried_no_more(world: World, operator: Actor) -> None:
    await lost_provision(world)
    orphan = await only(world, operator)
    with pytest.raises(InvalidParams, match="say why"):
        await resolve_orphan(world.ctx, operator, str(orphan.id), "  ")
    view = await resolve_orphan(world.ctx, operator, str(orphan.id), "deleted by hand, ticket 12")
    assert (view.state, view.next_attempt_at, view.history[-1]["note"]) == (
        "resolved",
        None,
        "deleted by hand, ticket 12",
    )
    assert view.history[-1]["by"] == operator.email
    assert await sweep(world, days=1) == 0
    with pytest.raises(Conflict, match="resolved already"):
        await retry_orphan(world.ctx, operator, str(orphan.id))
    assert await kinds(world) == ["orphan.recorded", "orphan.resolved"]


async def test_the_ledger_is_for_operators_and_does_not_exist_for_others(world: World, operator: Actor) -> None:
    await lost_provision(world)
    orphan = await only(world, operator)
    for attempt in (
        list_orphans(world.ctx, world.user),
        read_orphans(world.ctx, world.user, None, Part(5)),
        sum_orphans(world.ctx, world.user),
        get_orphan(world.ctx, world.user, str(orphan.id)),
        retry_orphan(world.ctx, world.user, str(orphan.id)),
        resolve_orphan(world.ctx, world.user, str(orphan.id), "mine"),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert await list_orphans(world.ctx, operator, "deleted") == []
    assert await list_orphans(world.ctx, operator, skip=1) == []
    assert await read_orphans(world.ctx, operator, None, Part(5)) == [orphan]
    assert await read_orphans(world.ctx, operator, "open", Part(5, after=orphan.id)) == []
    assert await sum_orphans(world.ctx, operator, "open") == [OrphanSum("usd", 1, orphan.price_cents)]
    assert await sum_orphans(world.ctx, operator, "resolved") == []
    with pytest.raises(InvalidParams, match="open"):
        await list_orphans(world.ctx, operator, "lost")
    with pytest.raises(NotFound):
        await get_orphan(world.ctx, operator, "no-uuid")


async def test_one_thought_gone_is_opened_again_when_a_late_answer_says_that_it_is_there(
    world: World, operator: Actor
) -> None:
    """The provider deletes nothing for a uuid that it does not know yet, and makes the resource afterwards."""

    addon = await lost_provision(world)
    world.provider.will(Reply(Answer.GONE, 410))
    await sweep(world)
    assert (await only(world, operator)).state == "deleted"
    async with world.ctx.database.transaction() as tx:
        locked = await lock_addon(tx, world.ctx, addon.id)
        assert locked is not None
        await record_orphan(tx, locked, "remote-9", "provisioned after it had been given up", world.ctx.clock.now())
    orphan = await only(world, operator)
    assert (orphan.state, orphan.resource_id) == ("open", "remote-9")
    world.provider.will(Reply(Answer.DONE, 204))
    await sweep(world)
    assert (await only(world, operator)).state == "deleted"


async def test_nothing_that_is_in_use_is_ever_deleted(world: World, operator: Actor) -> None:
    addon = await lost_provision(world)
    async with world.ctx.database.transaction() as tx:
        await tx.execute(update(Addon).where(Addon.id == addon.id).values(state=AddonState.PROVISIONED))
    assert await sweep(world, days=1) == 0
    world.provider.will(done())
    await reap(world.ctx, lambda _: world.provider, (await only(world, operator)).id, 0)
    assert len(world.provider.replies) == 1
