"""What operators are told of everybody's operations, and of all else that waits for them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from broker.addons.attention import look_over
from broker.addons.models import Operation
from broker.addons.operations import LATE, OFTEN, every_operation
from broker.billing.models import BillingAccount, BillingCheck
from broker.kernel.context import Actor
from broker.kernel.errors import InvalidParams, NotFound
from broker.kernel.ids import new_id
from broker.kernel.money import Money
from broker.payouts.models import Payout
from tests.addons.conftest import World, done
from tests.addons.test_orphans import lost_provision
from tests.domain import new_user

ON_TIME, LATER = timedelta(0), -LATE - timedelta(seconds=1)


@pytest.fixture
async def operator(world: World) -> Actor:
    return replace(await new_user(world.ctx, "operator@example.com"), is_operator=True)


@pytest.mark.parametrize(
    ("state", "column", "due", "attempts", "is_stuck"),
    [
        ("pending", "next_at", ON_TIME, 0, False),
        ("pending", "next_at", LATER, 0, True),
        ("pending", "next_at", ON_TIME, OFTEN, True),
        ("running", "lease_until", ON_TIME, 1, False),
        ("running", "lease_until", LATER, 1, True),
        ("waiting", "next_at", LATER, 1, False),
        ("waiting", "deadline_at", LATER, 1, True),
    ],
)
async def test_stuck_is_what_was_due_and_not_done_or_tried_often(
    world: World, operator: Actor, state: str, column: str, due: timedelta, attempts: int, is_stuck: bool
) -> None:
    addon = await world.create()
    changed: dict[str, Any] = {"state": state, "attempts": attempts, column: world.ctx.clock.now() + due}
    async with world.ctx.database.transaction() as tx:
        await tx.execute(update(Operation).values(**changed))
    (found,), more = await every_operation(world.ctx, operator)
    assert (found.addon, found.app, found.service, more) == (addon.name, "shop", "store", False)
    assert found.is_stuck is is_stuck
    assert len((await every_operation(world.ctx, operator, "stuck"))[0]) == is_stuck
    assert (await look_over(world.ctx, operator)).stuck == is_stuck


async def test_operations_are_filtered_and_what_is_over_is_told_as_well(world: World, operator: Actor) -> None:
    first, second = await world.create(), await world.create()
    world.provider.will(done("store://1"), done("store://2"))
    await world.run()
    assert await every_operation(world.ctx, operator) == ([], False)
    over, _ = await every_operation(world.ctx, operator, "succeeded", "store")
    assert [each.addon for each in over] == [second.name, first.name]
    assert await every_operation(world.ctx, operator, "succeeded", "another") == ([], False)
    assert await every_operation(world.ctx, operator, "succeeded", page=2) == ([], False)
    with pytest.raises(InvalidParams, match="state"):
        await every_operation(world.ctx, operator, "odd")
    for asked in (every_operation, look_over):
        with pytest.raises(NotFound):
            await asked(world.ctx, world.user)


async def test_everything_that_waits_for_somebody_is_counted(world: World, operator: Actor) -> None:
    now = world.ctx.clock.now()
    await lost_provision(world)
    late = {"id": world.user.id, "delinquent_at": now, "suspended_at": now, "created_at": now, "updated_at": now}
    check = {"id": new_id(), "checked": 7, "differences": ["one"], "started_at": now, "finished_at": now}
    async with world.ctx.database.transaction() as tx:
        await tx.execute(insert(BillingAccount).values(late))
        await tx.execute(insert(BillingCheck).values(check))
        for currency, state in (("usd", "draft"), ("eur", "draft"), ("usd", "approved"), ("eur", "paid")):
            row = {"id": new_id(), "service": state, "currency": currency, "day": "2026-11-21", "minor": 700}
            await tx.execute(insert(Payout).values(row | {"state": state, "earned_until": now, "created_at": now}))
    found = await look_over(world.ctx, operator)
    assert (found.unfinished, found.orphans, found.orphans_cost) == (0, 1, [Money(5000)])
    assert (found.delinquent, found.suspended, found.reviews, found.failing) == (1, 1, 0, [])
    assert (found.drafts, found.drafts_sum, found.approved) == (2, [Money(700, "eur"), Money(700)], 1)
    assert found.check is not None
    assert (found.check.bills, found.check.differences) == (7, ["one"])
    assert found.chain.head == 0
    assert found.chain.unsealed > 0
    assert [queue.queue for queue in found.queues if queue.due] == ["broker"]
