"""What real add-ons say of a provider, beside its canary."""

from dataclasses import replace

import pytest

from broker.addons.ports import Answer, Reply
from broker.addons.provision_record import get_record, weeks_of
from broker.catalog.members import Role, set_member
from broker.catalog.reliability import ENOUGH_RUNS
from broker.kernel.errors import NotFound
from tests.addons.conftest import World
from tests.domain import new_user


async def test_what_the_provider_broke_counts_and_what_it_refused_does_not(world: World) -> None:
    for _ in range(ENOUGH_RUNS - 1):
        await world.create()
    world.provider.will(*[Reply(Answer.DONE, 200, provider_id="1")] * (ENOUGH_RUNS - 1))
    await world.run(seconds=2)
    await world.create()
    world.provider.will(Reply(Answer.REFUSED, 422, "Not with these options."))
    await world.run()
    assert not (await get_record(world.ctx, world.user, "store")).provisions.measured, "too few are none"

    await world.create()
    world.provider.will(Reply(Answer.UNAUTHORIZED, 401))
    await world.run()
    record = await get_record(world.ctx, world.user, "store")
    assert (record.canary, record.provisions.succeeded_percent) == (None, 95)
    assert record.provisions.median_ms is not None
    # They were ordered a second apart, and finished two seconds after the last.
    assert (record.provisions.median_ms, record.provisions.p95_ms) == (11_000, 20_000)

    paula = await new_user(world.ctx, "paula@example.com")
    await set_member(world.ctx, replace(paula, is_operator=True), "store", paula.email, Role.OWNER)
    (week,) = await weeks_of(world.ctx, paula, "store")
    assert (week.begins.isoformat(), week.total, week.good) == ("2026-11-16", ENOUGH_RUNS, ENOUGH_RUNS - 1)
    assert (week.median_ms, week.p95_ms) == (11_000, 20_000)
    with pytest.raises(NotFound):
        await weeks_of(world.ctx, world.user, "store")
    world.ctx.clock.advance(days=7)
    await world.provisioned()
    assert [week.total for week in await weeks_of(world.ctx, paula, "store")] == [1, ENOUGH_RUNS]

    world.ctx.clock.advance(days=31)
    assert not (await get_record(world.ctx, world.user, "store")).provisions.measured
    with pytest.raises(NotFound):
        await get_record(world.ctx, world.user, "no-such-service")
