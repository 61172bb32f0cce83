"""The worker is killed at every single await of provision, plan change and deprovision, in turn; another one takes over.

Not a sample: the loop ends when an operation survives because there was no further await to die at.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from broker.addons.advance import advance
from broker.addons.change_plan import change_plan
from broker.addons.create import CreateAddon, create_addon
from broker.addons.destroy import destroy_addon
from broker.addons.models import AddonState, Operation, Orphan
from broker.addons.ports import Answer, DeprovisionCall, PlanChangeCall, ProvisionCall, Reply
from broker.addons.queries import AddonView
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

    def killed_after(self, awaits: int, operation: UUID) -> bool:
        """Advance the operation in a process that dies; True if it lived."""
        return survives(lambda: advance(self.context(), lambda _: self.provider, operation), awaits)

    def recover(self) -> None:
        """What is left to the other worker, once the lease of the dead one has run out."""
        self.clock.advance(seconds=11)
        self.do(sweep)
        for operation in self.unfinished():
            self.do(lambda ctx, operation=operation: advance(ctx, lambda _: self.provider, operation))
        assert self.unfinished() == []

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


@pytest.fixture
def bench(live_database: str, vault: Vault, tmp_path: Path) -> Iterator[Bench]:
    with asyncio.Runner() as runner:
        clock, database = StoppedClock(), Database(create_async_engine(async_url(live_database), pool_size=1))
        ctx = Context(database, clock, vault, Signals(live_database))
        user = runner.run(new_user(ctx, "alice@example.com"))
        runner.run(publish(ctx, parse(MANIFEST), SYSTEM))
        yield Bench(runner, ctx, live_database, vault, clock, FileProvider(tmp_path), user)
        runner.run(database.close())


def test_a_provision_survives_a_kill_at_every_await(bench: Bench) -> None:
    for awaits in range(1000):
        app = f"shop-{awaits}"
        addon = bench.start(app)
        (operation,) = bench.unfinished()
        lived = bench.killed_after(awaits, operation)
        bench.recover()
        assert bench.view(addon.id).state is AddonState.PROVISIONED
        assert bench.facts(app, addon.id) == {
            "config": {"STORE_URL": f"store://{addon.id}/big"},
            "versions": [1, 2],
            "usage": [(5000, True)],
            "orphans": 0,
            "at_provider": "big",
        }
        if lived:
            assert awaits > 20
            return
    pytest.fail("the operation never came to its end")


def test_a_plan_change_survives_a_kill_at_every_await(bench: Bench) -> None:
    for awaits in range(1000):
        app = f"shop-{awaits}"
        addon = bench.start(app)
        bench.recover()
        bench.clock.advance(hours=1)
        bench.do(change_to_huge(bench.user, addon))
        (operation,) = bench.unfinished()
        lived = bench.killed_after(awaits, operation)
        bench.recover()
        assert bench.view(addon.id).plan.slug == "huge"
        assert bench.facts(app, addon.id) == {
            "config": {"STORE_URL": f"store://{addon.id}/huge"},
            "versions": [1, 2, 3],
            "usage": [(5000, False), (50000, True)],
            "orphans": 0,
            "at_provider": "huge",
        }
        if lived:
            assert awaits > 20
            return
    pytest.fail("the operation never came to its end")


def test_a_deprovision_survives_a_kill_at_every_await(bench: Bench) -> None:
    for awaits in range(1000):
        app = f"shop-{awaits}"
        addon = bench.start(app)
        bench.recover()
        bench.clock.advance(hours=1)
        bench.do(removal(bench.user, addon))
        (operation,) = bench.unfinished()
        lived = bench.killed_after(awaits, operation)
        bench.recover()
        assert bench.view(addon.id).state is AddonState.DEPROVISIONED
        facts = bench.facts(app, addon.id)
        assert facts == {
            "config": {},
            "versions": [1, 2, 3],
            "usage": [(5000, False)],
            "orphans": 0,
            "at_provider": None,
        }
        if lived:
            assert awaits > 10
            return
    pytest.fail("the operation never came to its end")
