from datetime import timedelta

from sqlalchemy import select, text

from broker.addons.gate import USUAL
from broker.addons.models import Operation, OperationState
from broker.addons.ports import Answer, Reply
from broker.addons.sweep import sweep
from broker.addons.work import LEASE, claim
from broker.kernel.jobs import forget_abandoned
from tests.addons.conftest import World


async def forget_jobs(world: World) -> None:
    """As if the queue had lost everything."""
    async with world.ctx.database.transaction() as tx:
        await tx.execute(text("delete from procrastinate_jobs"))


async def jobs(world: World) -> list[str]:
    async with world.ctx.database.transaction() as tx:
        found = await tx.execute(text("select args->>'operation_id' from procrastinate_jobs order by id"))
        return list(found.scalars())


async def test_what_is_driven_or_waits_for_its_time_is_left_alone(world: World) -> None:
    await world.create()
    assert await sweep(world.ctx) == 0
    world.provider.will(Reply(Answer.ACCEPTED, 202))
    await world.run()
    assert await sweep(world.ctx) == 0
    assert len(await jobs(world)) == 1


async def test_a_lost_job_is_deferred_again_once(world: World) -> None:
    await world.create()
    await forget_jobs(world)
    (operation_id,) = await world.unfinished()
    world.ctx.clock.advance(seconds=6)
    assert await sweep(world.ctx) == 1
    assert await sweep(world.ctx) == 0
    assert await jobs(world) == [str(operation_id)]


async def test_the_claim_of_a_dead_worker_is_revived_when_its_lease_is_over(world: World) -> None:
    await world.create()
    (operation_id,) = await world.unfinished()
    assert await claim(world.ctx, operation_id, USUAL)
    await forget_jobs(world)
    assert await sweep(world.ctx) == 0
    world.ctx.clock.advance(seconds=LEASE.total_seconds() + 1)
    assert await sweep(world.ctx) == 1
    again = await claim(world.ctx, operation_id, USUAL)
    assert again is not None
    assert again.attempts == 2


async def test_a_provider_that_never_calls_back_is_remembered_at_its_deadline(world: World) -> None:
    await world.create()
    world.provider.will(Reply(Answer.ACCEPTED, 202))
    await world.run()
    await forget_jobs(world)
    world.ctx.clock.advance(hours=12, seconds=1)
    assert await sweep(world.ctx) == 1
    await world.run()
    async with world.ctx.database.transaction() as tx:
        assert (await tx.execute(select(Operation.state))).scalar_one() == OperationState.FAILED


async def test_a_dead_workers_unknown_call_is_not_forgotten_while_its_service_is_held_back(world: World) -> None:
    """Back in the queue, it must still be known that a resource may exist."""
    await world.create()
    (operation_id,) = await world.unfinished()
    await claim(world.ctx, operation_id, USUAL)
    async with world.ctx.database.transaction() as tx:
        retry_at = world.ctx.clock.now() + timedelta(minutes=1)
        await tx.execute(text("update provider_health set circuit = 'open', retry_at = :at"), {"at": retry_at})
    world.ctx.clock.advance(seconds=LEASE.total_seconds() + 1)
    assert await claim(world.ctx, operation_id, USUAL) is None
    async with world.ctx.database.transaction() as tx:
        row = (await tx.execute(select(Operation.state, Operation.may_exist))).one()
    assert row == (OperationState.PENDING, True)


async def test_jobs_of_dead_workers_are_deleted_and_those_of_living_ones_are_not(world: World) -> None:
    worker = "insert into procrastinate_workers (last_heartbeat) values (now() - cast(:age as interval)) returning id"
    job = (
        "insert into procrastinate_jobs (queue_name, task_name, status, worker_id)"
        " values ('broker', 'x', 'doing', :worker)"
    )
    async with world.ctx.database.transaction() as tx:
        ids = [(await tx.execute(text(worker), {"age": timedelta(seconds=age)})).scalar_one() for age in (5, 120)]
        for worker_id in (*ids, None):
            await tx.execute(text(job), {"worker": worker_id})
        assert await forget_abandoned(tx) == 2
        left = await tx.execute(text("select worker_id from procrastinate_jobs where status = 'doing'"))
        assert left.scalars().all() == [ids[0]]
