import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from broker.addons.advance import advance
from broker.addons.destroy import destroy_addon
from broker.addons.gate import USUAL, Circuit, Limits
from broker.addons.models import AddonState, Operation, ProviderHealth
from broker.addons.ports import Answer, Reply
from broker.addons.resolve import AddonKey
from broker.kernel.context import Context
from tests.addons.conftest import ScriptedProvider, World, done, make_world
from tests.domain import new_user

FAULT = Reply(Answer.LOST, note="ReadTimeout")


async def circuit(world: World) -> str:
    async with world.ctx.database.transaction() as tx:
        return (await tx.execute(select(ProviderHealth.circuit))).scalar_one()


async def reason(world: World) -> str | None:
    async with world.ctx.database.transaction() as tx:
        statement = (
            select(Operation.reason).where(Operation.finished_at.is_(None)).order_by(Operation.created_at.desc())
        )
        return (await tx.execute(statement)).scalars().first()


async def broken(world: World) -> None:
    """Let the provider fail often enough to be left alone."""
    for _ in range(USUAL.faults_to_open):
        await world.create()
        world.provider.will(FAULT)
        *_, newest = await world.unfinished()
        await advance(world.ctx, lambda _: world.provider, newest)
    assert await circuit(world) == Circuit.OPEN


async def test_faults_in_a_row_open_the_circuit_and_an_answer_in_between_does_not(world: World) -> None:
    for reply in (FAULT, FAULT, FAULT, FAULT, Reply(Answer.REFUSED, 422, "No."), FAULT):
        await world.create()
        world.provider.will(reply)
        *_, newest = await world.unfinished()
        await advance(world.ctx, lambda _: world.provider, newest)
    assert await circuit(world) == Circuit.CLOSED


async def test_while_it_is_open_nobody_is_called_and_the_user_is_told_why(world: World) -> None:
    await broken(world)
    calls = len(world.provider.calls)
    addon = await world.create()
    *_, newest = await world.unfinished()
    await advance(world.ctx, lambda _: world.provider, newest)
    assert len(world.provider.calls) == calls
    assert "does not answer; it is asked again at" in (await reason(world) or "")
    assert (await world.read(addon.id)).state is AddonState.PROVISIONING


async def test_a_user_who_waits_gets_an_end_and_a_sentence_within_seconds(world: World) -> None:
    await broken(world)
    addon = await world.create()
    *_, newest = await world.unfinished()
    world.ctx.clock.advance(seconds=15)
    async with world.ctx.database.transaction() as tx:
        await tx.execute(ProviderHealth.__table__.update().values(retry_at=world.ctx.clock.now() + timedelta(hours=1)))
    await advance(world.ctx, lambda _: world.provider, newest)
    view = await world.read(addon.id)
    assert view.state is AddonState.DEPROVISIONED
    assert "can't be reached" in (view.reason or "")


async def test_one_probe_after_the_pause_closes_it_again_and_a_fault_doubles_the_pause(world: World) -> None:
    await broken(world)
    calls = len(world.provider.calls)
    world.provider.will(FAULT)  # one only: a second call would find nothing to answer
    await world.run(seconds=10)
    assert (len(world.provider.calls), await circuit(world)) == (calls + 1, Circuit.OPEN)
    await world.run(seconds=10)
    assert len(world.provider.calls) == calls + 1
    world.provider.will(*[done()] * USUAL.faults_to_open)
    await world.run(seconds=10)
    assert await circuit(world) == Circuit.CLOSED


async def test_when_it_is_back_those_who_queued_go_on(world: World) -> None:
    await broken(world)
    world.provider.will(*[done()] * USUAL.faults_to_open)
    await world.run(seconds=10)
    await world.run(seconds=0)
    assert await world.unfinished() == []


async def test_a_destroy_is_accepted_at_once_whatever_the_circuit_and_is_never_given_up_for_it(world: World) -> None:
    addon = await world.provisioned()
    await broken(world)
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    *_, newest = await world.unfinished()
    world.ctx.clock.advance(hours=2)
    async with world.ctx.database.transaction() as tx:
        await tx.execute(ProviderHealth.__table__.update().values(retry_at=world.ctx.clock.now() + timedelta(hours=1)))
    await advance(world.ctx, lambda _: world.provider, newest)
    assert (await world.read(addon.id)).state is AddonState.DEPROVISIONING


async def test_calls_beyond_the_rate_wait_for_their_time(world: World) -> None:
    limits = replace(USUAL, per_second=1.0, burst=1)
    for _ in range(3):
        await world.create()
        world.provider.will(done())
    for operation in await world.unfinished():
        await advance(world.ctx, lambda _: world.provider, operation, limits)
    assert len(world.provider.calls) == 2
    assert "at most 1 times a second" in (await reason(world) or "")


@pytest.fixture
async def live_world(live_ctx: Context) -> World:
    return await make_world(live_ctx, await new_user(live_ctx, "alice@example.com"))


async def test_one_more_than_the_limit_waits_in_a_queue_and_goes_when_a_call_ends(live_world: World) -> None:
    world, limits = live_world, Limits(concurrency=2)
    provider = world.provider = ScriptedProvider(during=asyncio.Event())
    for _ in range(3):
        await world.create()
        provider.will(done())
    first, second, third = await world.unfinished()
    running = [asyncio.create_task(advance(world.ctx, lambda _: provider, item, limits)) for item in (first, second)]
    while len(provider.calls) < 2:
        provider.entered.clear()
        await provider.entered.wait()
    await advance(world.ctx, lambda _: provider, third, limits)
    assert len(provider.calls) == 2
    assert "waits for its turn" in (await reason(world) or "")
    assert provider.during is not None
    provider.during.set()
    await asyncio.gather(*running)
    await advance(world.ctx, lambda _: provider, third, limits)
    assert len(provider.calls) == 3
    assert await world.unfinished() == []
