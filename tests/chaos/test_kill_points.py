"""The worker is killed at every single await of an operation, of a reaping and of a reconcile run; another one takes over.

Not a sample: the loop ends when the work survives because there was no further await to die at.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from broker.addons.advance import advance
from broker.addons.change_plan import change_plan
from broker.addons.create import CreateAddon, create_addon
from broker.addons.destroy import destroy_addon
from broker.addons.forget import forget_addon
from broker.addons.models import AddonState, Operation, Orphan, OrphanState, ReconcileRun
from broker.addons.ports import (
    Answer,
    DeprovisionCall,
    ListCall,
    Listed,
    Listing,
    PlanChangeCall,
    ProvisionCall,
    Reply,
)
from broker.addons.queries import AddonView
from broker.addons.reap import enqueue_orphans, reap
from broker.addons.reconcile import reconcile
from broker.addons.reconcile_runs import enqueue_runs, start_run
from broker.addons.resolve import AddonKey, read_addon
from broker.addons.sweep import sweep
from broker.apps.config_vars import get_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.release_history import list_releases
from broker.billing.models import UsagePeriod
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.db import Database, async_url
from broker.kernel.secret import Secret
from broker.kernel.signals import Signals
from broker.kernel.vault import Vault
from tests.addons.conftest import MANIFEST
from tests.chaos.dying import survives
from tests.domain import StoppedClock, new_user

pytestmark = pytest.mark.timeout(600)


class FileProvider:
    """A provider whose resources are files, so that they outlive the broker's process. Idempotent, as the contract asks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def provision(self, call: ProvisionCall) -> Reply:
        return await self._set(call.uuid, call.plan)

    async def change_plan(self, call: PlanChangeCall) -> Reply:
        return await self._set(call.uuid, call.plan)

    async def deprovision(self, call: DeprovisionCall) -> Reply:
        await asyncio.sleep(0)
        (self._folder / str(call.uuid)).unlink(missing_ok=True)
        await asyncio.sleep(0)
        return Reply(Answer.DONE, 204)

    async def list_resources(self, call: ListCall) -> Listing:
        await asyncio.sleep(0)
        found = tuple(
            Listed(f"r-{path.name}", UUID(path.name), path.read_text(), None) for path in self._folder.iterdir()
        )
        return Listing(Reply(Answer.DONE, 200), found)

    def resurrect(self, uuid: UUID) -> None:
        """As when a backup is restored."""
        (self._folder / str(uuid)).write_text("big")

    async def _set(self, uuid: UUID, plan: str) -> Reply:
        await asyncio.sleep(0)  # a place to die at before the provider has heard of it
        (self._folder / str(uuid)).write_text(plan)
        await asyncio.sleep(0)  # and one when it has done it and nobody knows
        return Reply(Answer.DONE, 200, provider_id=f"r-{uuid}", config={"STORE_URL": Secret(f"store://{uuid}/{plan}")})

    def plan_of(self, uuid: UUID) -> str | None:
        path = self._folder / str(uuid)
        return path.read_text() if path.exists() else None


@dataclass
class Bench:
    """One database, one provider, and the loop of the process that does not die."""

    runner: asyncio.Runner
    living: Context
    url: str
    vault: Vault
    clock: StoppedClock
    provider: FileProvider
    user: Actor

    def context(self) -> Context:
        database = Database(create_async_engine(async_url(self.url), poolclass=NullPool))
        return Context(database, self.clock, self.vault, Signals(self.url))

    def do(self, body: Callable[[Context], Any]) -> Any:
        """Run something in the process that lives, on its one connection."""
        return self.runner.run(body(self.living))

    def start(self, app: str) -> AddonView:
        async def body(ctx: Context) -> AddonView:
            await create_app(ctx, self.user, CreateApp(name=app))
            return await create_addon(ctx, self.user, CreateAddon(app=app, plan="store:big"))

        view: AddonView = self.do(body)
        return view

    def unfinished(self) -> list[UUID]:
        async def body(ctx: Context) -> list[UUID]:
            async with ctx.database.transaction() as tx:
                return list((await tx.execute(select(Operation.id).where(Operation.finished_at.is_(None)))).scalars())

        found: list[UUID] = self.do(body)
        return found

    def killed_after(self, awaits: int, work: Callable[..., Awaitable[None]], subject: UUID, *more: int) -> bool:
        """Do the work of a job in a process that dies; True if it lived."""
        return survives(lambda: work(self.context(), lambda _: self.provider, subject, *more), awaits)

    def recover(self) -> None:
        """What is left to the other worker, once the lease of the dead one has run out."""
        self.clock.advance(seconds=11)
        self.do(sweep)
        for operation in self.unfinished():
            self.do(lambda ctx, operation=operation: advance(ctx, lambda _: self.provider, operation))
        assert self.unfinished() == []

    def ask(self, statement: Select[Any]) -> list[Any]:
        """The rows of a statement."""

        async def body(ctx: Context) -> list[Any]:
            async with ctx.database.transaction() as tx:
                return list((await tx.execute(statement)).all())

        rows: list[Any] = self.do(body)
        return rows

    def removed(self, app: str) -> UUID:
        """An add-on that has been and is no more."""
        addon = self.start(app)
        self.recover()
        self.do(removal(self.user, addon))
        self.recover()
        return addon.id

    def orphan_of(self, app: str) -> tuple[UUID, UUID]:
        """An add-on that was let go while its resource is left; the orphan and the add-on."""
        addon = self.start(app)
        self.recover()
        self.do(lambda ctx: forget_addon(ctx, self.operator, str(addon.id), "its provider is down"))
        return self.ask(select(Orphan.id).where(Orphan.addon_id == addon.id))[0].id, addon.id

    def reap_what_is_due(self, **later: float) -> None:
        """What the sweep of the other worker does."""
        self.clock.advance(**later)
        self.do(enqueue_orphans)
        for orphan in self.ask(select(Orphan.id, Orphan.attempts).where(Orphan.state == OrphanState.OPEN)):
            self.do(lambda ctx, orphan=orphan: reap(ctx, lambda _: self.provider, orphan.id, orphan.attempts))

    @property
    def operator(self) -> Actor:
        return replace(self.user, is_operator=True)

    def view(self, addon_id: UUID) -> AddonView:
        found: AddonView = self.do(lambda ctx: read_addon(ctx, self.user, AddonKey(str(addon_id))))
        return found

    def facts(self, app: str, addon_id: UUID) -> dict[str, Any]:
        """Everything that must be right in the end."""

        async def body(ctx: Context) -> dict[str, Any]:
            config = await get_config_vars(ctx, self.user, app)
            releases = await list_releases(ctx, self.user, app, newest_first=False, limit=50)
            async with ctx.database.transaction() as tx:
                periods = select(UsagePeriod.price_cents, UsagePeriod.ended_at.is_(None))
                used = await tx.execute(
                    periods.where(UsagePeriod.addon_id == addon_id).order_by(UsagePeriod.started_at)
                )
                orphans = await tx.execute(select(Orphan.id).where(Orphan.addon_id == addon_id))
                return {
                    "config": config,
                    "versions": [release.version for release in releases],
                    "usage": [tuple(row) for row in used],
                    "orphans": len(orphans.all()),
                    "at_provider": self.provider.plan_of(addon_id),
                }

        facts: dict[str, Any] = self.do(body)
        return facts


def change_to_huge(user: Actor, addon: AddonView) -> Callable[[Context], Any]:
    return lambda ctx: change_plan(ctx, user, AddonKey(str(addon.id)), "huge")


def removal(user: Actor, addon: AddonView) -> Callable[[Context], Any]:
    return lambda ctx: destroy_addon(ctx, user, AddonKey(str(addon.id)))


def at_every_await(case: Callable[[int], bool]) -> None:
    """Run the case, which tells whether the work lived, with a kill one await later each time, until it does."""
    for awaits in range(1000):
        if case(awaits):
            assert awaits > 10
            return
    pytest.fail("the work never came to its end")


@pytest.fixture
def bench(live_database: str, vault: Vault, tmp_path: Path) -> Iterator[Bench]:
    with asyncio.Runner() as runner:
        clock, database = StoppedClock(), Database(create_async_engine(async_url(live_database), pool_size=1))
        ctx = Context(database, clock, vault, Signals(live_database))
        user = runner.run(new_user(ctx, "alice@example.com"))
        runner.run(publish(ctx, parse(MANIFEST | {"capabilities": ["list"]}), SYSTEM))
        yield Bench(runner, ctx, live_database, vault, clock, FileProvider(tmp_path), user)
        runner.run(database.close())


def test_a_provision_survives_a_kill_at_every_await(bench: Bench) -> None:
    def case(awaits: int) -> bool:
        app = f"shop-{awaits}"
        addon = bench.start(app)
        (operation,) = bench.unfinished()
        lived = bench.killed_after(awaits, advance, operation)
        bench.recover()
        assert bench.view(addon.id).state is AddonState.PROVISIONED
        assert bench.facts(app, addon.id) == {
            "config": {"STORE_URL": f"store://{addon.id}/big"},
            "versions": [1, 2],
            "usage": [(5000, True)],
            "orphans": 0,
            "at_provider": "big",
        }
        return lived

    at_every_await(case)


def test_a_plan_change_survives_a_kill_at_every_await(bench: Bench) -> None:
    def case(awaits: int) -> bool:
        app = f"shop-{awaits}"
        addon = bench.start(app)
        bench.recover()
        bench.clock.advance(hours=1)
        bench.do(change_to_huge(bench.user, addon))
        (operation,) = bench.unfinished()
        lived = bench.killed_after(awaits, advance, operation)
        bench.recover()
        assert bench.view(addon.id).plan.slug == "huge"
        assert bench.facts(app, addon.id) == {
            "config": {"STORE_URL": f"store://{addon.id}/huge"},
            "versions": [1, 2, 3],
            "usage": [(5000, False), (50000, True)],
            "orphans": 0,
            "at_provider": "huge",
        }
        return lived

    at_every_await(case)


def test_a_deprovision_survives_a_kill_at_every_await(bench: Bench) -> None:
    def case(awaits: int) -> bool:
        app = f"shop-{awaits}"
        addon = bench.start(app)
        bench.recover()
        bench.clock.advance(hours=1)
        bench.do(removal(bench.user, addon))
        (operation,) = bench.unfinished()
        lived = bench.killed_after(awaits, advance, operation)
        bench.recover()
        assert bench.view(addon.id).state is AddonState.DEPROVISIONED
        assert bench.facts(app, addon.id) == {
            "config": {},
            "versions": [1, 2, 3],
            "usage": [(5000, False)],
            "orphans": 0,
            "at_provider": None,
        }
        return lived

    at_every_await(case)


def test_the_reaping_of_an_orphan_survives_a_kill_at_every_await(bench: Bench) -> None:
    def case(awaits: int) -> bool:
        orphan_id, addon_id = bench.orphan_of(f"shop-{awaits}")
        lived = bench.killed_after(awaits, reap, orphan_id, 0)
        bench.reap_what_is_due(minutes=2)
        orphan = bench.ask(select(Orphan.state, Orphan.attempts).where(Orphan.id == orphan_id))[0]
        assert orphan.state == OrphanState.DELETED
        assert orphan.attempts <= 2
        assert bench.provider.plan_of(addon_id) is None
        return lived

    at_every_await(case)


def test_a_reconcile_run_that_mends_survives_a_kill_at_every_await(bench: Bench) -> None:
    def case(awaits: int) -> bool:
        addon_id = bench.removed(f"shop-{awaits}")
        bench.clock.advance(hours=1)
        bench.provider.resurrect(addon_id)
        run_id = bench.do(lambda ctx: start_run(ctx, bench.operator, fix=True)).id
        lived = bench.killed_after(awaits, reconcile, run_id)
        bench.clock.advance(minutes=3)
        bench.do(enqueue_runs)
        bench.do(lambda ctx: reconcile(ctx, lambda _: bench.provider, run_id))
        assert bench.ask(select(ReconcileRun.state).where(ReconcileRun.id == run_id))[0].state == "finished"
        assert [row.state for row in bench.ask(select(Orphan.state).where(Orphan.addon_id == addon_id))] == ["open"]
        bench.reap_what_is_due(minutes=2)
        assert bench.provider.plan_of(addon_id) is None
        return lived

    at_every_await(case)
