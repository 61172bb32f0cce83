"""The real worker on the real queue. Only the clock of the database and of the machine tell the time here."""

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select, text, update

from broker import worker
from broker.addons.advance import advance
from broker.addons.create import CreateAddon, create_addon
from broker.addons.destroy import destroy_addon
from broker.addons.models import AddonState, Operation, OperationState
from broker.addons.ports import Answer, Provisioner, Reply
from broker.addons.queries import AddonView
from broker.addons.resolve import AddonKey
from broker.addons.wait import NO_WAIT
from broker.addons.work import Call
from broker.apps.config_vars import get_config_vars
from broker.apps.release_history import list_releases
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.clock import SystemClock
from broker.kernel.context import SYSTEM, Context
from broker.kernel.db import connect
from broker.kernel.errors import NameTaken, ProviderRefused, ProviderUnavailable
from broker.kernel.vault import KeyRing, Vault
from broker.outbound.registry import Registry
from broker.settings import Settings
from broker.wiring import Wiring, wired
from tests.addons.conftest import MANIFEST, ScriptedProvider, World, done, make_world
from tests.domain import new_user
from tests.events.receivers import nobody
from tests.outbound.wire import http, listening
from tests.waiting import until

KEY = base64.urlsafe_b64encode(os.urandom(32)).decode()
BRISK = worker.Pace(sweep_s=0.2, poll_s=0.2, drain_s=0.2, lease_s=1.0)
SOON = timedelta(seconds=10)
END = (
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = "
)
END_WORKERS = END + "'broker-worker'"
END_POOL = END + "'broker'"


class Scripted(Registry):
    """Chooses the scripted provider for every call."""

    def __init__(self, provider: ScriptedProvider) -> None:
        self._provider = provider

    def provisioner_for(self, call: Call) -> Provisioner:
        return self._provider


@dataclass
class Live:
    """A world whose operations are run by nobody but real workers."""

    world: World
    wiring: Wiring

    @property
    def provider(self) -> ScriptedProvider:
        return self.world.provider

    async def add(self, wait: timedelta = SOON, **more: Any) -> AddonView:
        return await create_addon(self.world.ctx, self.world.user, CreateAddon("shop", "store:free", **more), wait=wait)

    async def one(self, statement: Any) -> Any:
        async with self.world.ctx.database.transaction() as tx:
            return (await tx.execute(statement)).scalar_one()

    async def jobs(self) -> int:
        return int(await self.one(text("select count(*) from procrastinate_jobs")))

    async def no_jobs(self) -> bool:
        return await self.jobs() == 0


@pytest_asyncio.fixture
async def live(live_ctx: Context, live_database: str) -> Live:
    ctx = replace(live_ctx, clock=SystemClock(), vault=Vault(KeyRing(lambda: [base64.urlsafe_b64decode(KEY)])))
    world = await make_world(ctx, await new_user(ctx, "alice@example.com"))
    settings = Settings(DATABASE_URL=live_database, secret_key=KEY)
    return Live(world, Wiring(settings, ctx, Scripted(world.provider), nobody))


@asynccontextmanager
async def working(wiring: Wiring, pace: worker.Pace = BRISK) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(worker.run(wiring, pace))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_add_on_arrives_in_a_release_and_whoever_waits_is_told(live: Live) -> None:
    live.provider.will(done("store://secret"))
    async with working(live.wiring):
        addon = await live.add(name="my-store")
        assert addon.state is AddonState.PROVISIONED
        world = live.world
        assert await get_config_vars(world.ctx, world.user, "shop") == {"STORE_URL": "store://secret"}
        newest, *_ = await list_releases(world.ctx, world.user, "shop", newest_first=True, limit=1)
        assert newest.description == "Attach STORE (my-store)"
        live.provider.will(Reply(Answer.DONE, 204))
        gone = await destroy_addon(world.ctx, world.user, AddonKey("my-store"), wait=SOON)
        assert gone.state is AddonState.DEPROVISIONED
        await until(live.no_jobs)


async def test_whoever_waits_gets_the_providers_own_words_when_it_refuses(live: Live) -> None:
    live.provider.will(Reply(Answer.REFUSED, 422, "No room in the inn."), Reply(Answer.UNAUTHORIZED, 401))
    async with working(live.wiring):
        with pytest.raises(ProviderRefused, match=r"No room in the inn\."):
            await live.add()
        with pytest.raises(ProviderUnavailable, match="not set up correctly"):
            await live.add()


async def test_whoever_waits_is_told_of_an_accepted_provision_at_once(live: Live) -> None:
    live.provider.will(Reply(Answer.ACCEPTED, 202, "Brewing."))
    async with working(live.wiring):
        addon = await live.add()
    assert (addon.state, addon.provision_message) == (AddonState.PROVISIONING, "Brewing.")


async def test_who_does_not_wait_is_answered_at_once_and_a_worker_that_comes_later_does_it(live: Live) -> None:
    world = live.world
    addon = await live.add(NO_WAIT)
    assert addon.state is AddonState.PROVISIONING
    live.provider.will(done())

    async def provisioned() -> bool:
        return (await world.read(addon.id)).state is AddonState.PROVISIONED

    async with working(live.wiring):
        await until(provisioned)


async def test_an_intent_that_was_rolled_back_leaves_no_job(live: Live) -> None:
    await live.add(NO_WAIT, name="taken")
    before = await live.jobs()
    with pytest.raises(NameTaken):
        await live.add(NO_WAIT, name="taken")
    assert await live.jobs() == before == 1


async def test_an_unknown_outcome_is_repeated_at_the_time_that_was_noted(live: Live) -> None:
    live.provider.will(Reply(Answer.LOST), done())
    async with working(live.wiring):
        addon = await live.add()
        assert addon.state is AddonState.PROVISIONED
        await until(live.no_jobs)
    history = await live.one(select(Operation.history))
    assert [entry["outcome"] for entry in history] == ["recorded", "started", "lost", "started", "done"]
    assert len({call.uuid for call in live.provider.calls}) == 1


async def test_two_workers_share_the_work_and_nothing_is_done_twice(live: Live) -> None:
    live.provider.will(*[done(f"store://{number}") for number in range(12)])
    patient = replace(BRISK, lease_s=60)
    async with working(live.wiring, patient), working(live.wiring, patient):
        addons = await asyncio.gather(*[live.add() for _ in range(12)])
        await until(live.no_jobs)
    assert {addon.state for addon in addons} == {AddonState.PROVISIONED}
    assert sorted(call.uuid for call in live.provider.calls) == sorted(addon.id for addon in addons)


async def test_a_worker_that_ends_in_the_middle_of_a_call_is_replaced_by_the_next(live: Live) -> None:
    live.provider.during = asyncio.Event()
    async with working(live.wiring):
        addon = await live.add(NO_WAIT)
        await live.provider.entered.wait()
    assert await live.one(select(Operation.state)) == OperationState.RUNNING
    live.provider.during.set()
    live.provider.will(done())

    async def provisioned() -> bool:
        return (await live.world.read(addon.id)).state is AddonState.PROVISIONED

    async with working(live.wiring):
        await until(provisioned)
        await until(live.no_jobs)
    assert len(live.provider.calls) == 2
    assert await live.one(text("select count(*) from releases where description like 'Attach%'")) == 1


async def test_a_long_call_keeps_its_claim_and_nobody_repeats_it(live: Live) -> None:
    lease = timedelta(seconds=0.3)
    live.provider.during = asyncio.Event()
    await live.add(NO_WAIT)
    (operation_id,) = await live.world.unfinished()
    ctx = live.world.ctx
    calling = asyncio.create_task(advance(ctx, lambda _: live.provider, operation_id, lease=lease))
    await live.provider.entered.wait()
    first = await live.one(select(Operation.lease_until))

    async def two_leases_later() -> bool:
        return bool(await live.one(select(Operation.lease_until)) > first + 2 * lease)

    await until(two_leases_later)
    await advance(ctx, lambda _: live.provider, operation_id, lease=lease)
    assert len(live.provider.calls) == 1
    live.provider.will(done())
    live.provider.during.set()
    await calling
    assert await live.one(select(Operation.state)) == OperationState.SUCCEEDED


async def test_an_answer_is_not_lost_because_the_database_was_busy_during_the_call(
    live: Live, live_database: str
) -> None:
    narrow = connect(live_database, pool_size=1, pool_timeout_s=0.05)
    ctx = replace(live.world.ctx, database=narrow)
    live.provider.during = asyncio.Event()
    await live.add(NO_WAIT)
    (operation_id,) = await live.world.unfinished()
    calling = asyncio.create_task(advance(ctx, lambda _: live.provider, operation_id, lease=timedelta(seconds=0.3)))
    await live.provider.entered.wait()
    async with narrow.transaction():
        await asyncio.sleep(0.3)  # two beats find no connection
    live.provider.will(done())
    live.provider.during.set()
    await calling
    assert await live.one(select(Operation.state)) == OperationState.SUCCEEDED
    await narrow.close()


async def test_an_answer_is_not_lost_because_connections_were_lost_during_the_call(
    live: Live, live_database: str
) -> None:
    own = connect(live_database, pool_size=2, pool_timeout_s=1)
    ctx = replace(live.world.ctx, database=own)
    live.provider.during = asyncio.Event()
    await live.add(NO_WAIT)
    (operation_id,) = await live.world.unfinished()
    calling = asyncio.create_task(advance(ctx, lambda _: live.provider, operation_id))
    await live.provider.entered.wait()
    async with live.world.ctx.database.transaction() as tx:
        assert (await tx.execute(text(END_POOL))).all()
    live.provider.will(done())
    live.provider.during.set()
    await calling
    assert await live.one(select(Operation.state)) == OperationState.SUCCEEDED
    assert len(live.provider.calls) == 1
    await own.close()


async def test_a_worker_killed_in_the_middle_of_a_call_loses_and_doubles_nothing(
    live: Live, live_database: str
) -> None:
    """A process of its own, a provider behind real HTTP, and SIGKILL."""
    hanging = asyncio.Event()

    async def hang(_writer: asyncio.StreamWriter) -> None:
        hanging.set()
        await asyncio.Event().wait()

    answer = http(200, json.dumps({"id": "r-1", "config": {"STORE_URL": "store://once"}}))
    async with listening(hang, answer) as wire:
        world = live.world
        urls = {"base_url": wire.url, "sso_url": wire.url}
        api = {**MANIFEST["api"], "test": urls, "production": urls}
        await publish(world.ctx, parse({**MANIFEST, "api": api}, allow_insecure=True), SYSTEM)
        addon = await live.add(NO_WAIT)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("BROKER_")},
            "DATABASE_URL": live_database,
            "BROKER_SECRET_KEY": KEY,
            "BROKER_OUTBOUND_ALLOW": "127.0.0.0/8",
        }
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "broker", "worker", env=environment)
        async with asyncio.timeout(60):
            await hanging.wait()
        process.kill()
        await process.wait()
        await time_passes(live)
        settings = Settings(DATABASE_URL=live_database, secret_key=KEY, outbound_allow="127.0.0.0/8")

        async def provisioned() -> bool:
            return (await world.read(addon.id)).state is AddonState.PROVISIONED

        async with wired(settings) as wiring, working(wiring):
            await until(provisioned)
            await until(live.no_jobs)
    assert [json.loads(request.body)["uuid"] for request in wire.requests] == [str(addon.id)] * 2
    assert await get_config_vars(world.ctx, world.user, "shop") == {"STORE_URL": "store://once"}
    assert await live.one(text("select count(*) from releases where description like 'Attach%'")) == 1
    assert await live.one(text("select count(*) from usage_periods")) == 1


async def time_passes(live: Live) -> None:
    """As much as makes a dead worker's claim and heartbeat old."""
    async with live.world.ctx.database.transaction() as tx:
        await tx.execute(update(Operation).values(lease_until=Operation.lease_until - timedelta(minutes=2)))
        await tx.execute(text("update procrastinate_workers set last_heartbeat = now() - interval '2 minutes'"))


async def test_lost_connections_do_not_end_the_worker(live: Live, live_database: str) -> None:
    live.provider.will(done(), done())
    async with working(live.wiring) as task:
        await live.add()
        async with live.world.ctx.database.transaction() as tx:
            ended = await tx.execute(text(END_WORKERS))
            assert len(ended.all()) > 1
        addon = await live.add()
        assert addon.state is AddonState.PROVISIONED
        assert not task.done()
