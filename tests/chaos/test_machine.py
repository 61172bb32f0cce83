"""Any order of what users, providers and time can do to add-ons, against a small model: hypothesis looks for the order that
breaks it. Few examples in the check; `HYPOTHESIS_EXAMPLES=500` looks longer.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from broker.addons.advance import advance
from broker.addons.attach import AttachAddon, attach
from broker.addons.callbacks import report_deprovisioned, report_provisioned, update_config
from broker.addons.change_plan import change_plan
from broker.addons.create import CreateAddon, create_addon
from broker.addons.destroy import destroy_addon
from broker.addons.detach import detach
from broker.addons.models import AddonState, Operation, Orphan
from broker.addons.ports import Answer, Reply
from broker.addons.queries import list_addons, list_attachments
from broker.addons.resolve import AddonKey
from broker.apps.config_vars import get_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.models import App
from broker.apps.release_history import list_releases
from broker.billing.models import UsagePeriod
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.db import async_url
from broker.kernel.errors import BrokerError
from broker.kernel.secret import Secret
from broker.kernel.signals import Signals
from broker.kernel.vault import Vault
from tests.addons.conftest import MANIFEST, ScriptedProvider
from tests.domain import SavepointDatabase, StoppedClock, new_user

APPS = ("first", "second")
REPLIES = {
    "done": Reply(Answer.DONE, 200, provider_id="r", config={"STORE_URL": Secret("store://done")}),
    "accepted": Reply(Answer.ACCEPTED, 202),
    "refused": Reply(Answer.REFUSED, 422, "No."),
    "lost": Reply(Answer.LOST),
    "not_sent": Reply(Answer.NOT_SENT),
    "error": Reply(Answer.SERVER_ERROR, 500),
    "gone": Reply(Answer.GONE, 410),
    "unauthorized": Reply(Answer.UNAUTHORIZED, 401),
}


@dataclass
class Ground:
    """What the machines stand on: the loop and the migrated database."""

    runner: asyncio.Runner
    url: str
    vault: Vault


class Machine(RuleBasedStateMachine):
    """Users, one provider and the clock. Refusals are legal answers; broken promises are not."""

    ground: ClassVar[Ground]
    addons = Bundle("addons")

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.provider = StoppedClock(), ScriptedProvider()
        self._do(self._begin)

    def _do(self, body: Callable[[], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            return await body()

        return self.ground.runner.run(whole())

    def _try(self, body: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return self._do(body)
        except BrokerError:
            return None

    async def _begin(self) -> None:
        self.engine = create_async_engine(async_url(self.ground.url), poolclass=NullPool)
        self.connection = await self.engine.connect()
        self.outer = await self.connection.begin()
        database = SavepointDatabase(self.connection)
        self.ctx = Context(database, self.clock, self.ground.vault, Signals(self.ground.url))
        self.user: Actor = await new_user(self.ctx, "machine@example.com")
        await publish(self.ctx, parse(MANIFEST), SYSTEM)
        for app in APPS:
            await create_app(self.ctx, self.user, CreateApp(name=app))

    def teardown(self) -> None:
        async def end() -> None:
            await self.outer.rollback()
            await self.connection.close()
            await self.engine.dispose()

        self._do(end)

    @rule(target=addons, app=st.sampled_from(APPS), plan=st.sampled_from(["free", "big"]))
    def add(self, app: str, plan: str) -> UUID:
        view = self._do(lambda: create_addon(self.ctx, self.user, CreateAddon(app=app, plan=f"store:{plan}")))
        added: UUID = view.id
        return added

    @rule(addon=addons)
    def destroy(self, addon: UUID) -> None:
        self._try(lambda: destroy_addon(self.ctx, self.user, AddonKey(str(addon)), force=True))

    @rule(addon=addons, plan=st.sampled_from(["free", "big", "huge"]))
    def change(self, addon: UUID, plan: str) -> None:
        self._try(lambda: change_plan(self.ctx, self.user, AddonKey(str(addon)), plan))

    @rule(addon=addons, app=st.sampled_from(APPS))
    def attach(self, addon: UUID, app: str) -> None:
        self._try(lambda: attach(self.ctx, self.user, AttachAddon(AddonKey(str(addon)), app)))

    @rule(app=st.sampled_from(APPS), place=st.integers(0, 3))
    def detach(self, app: str, place: int) -> None:
        views = [view for view in self._do(self._attachments) if view.app_name == app]
        if place < len(views):
            self._try(lambda: detach(self.ctx, self.user, str(views[place].id)))

    @rule(reply=st.sampled_from(sorted(REPLIES)), later=st.integers(0, 120))
    def work(self, reply: str, later: int) -> None:
        """The worker runs the oldest operation that is due; the provider answers somehow."""
        self.clock.advance(seconds=later)
        for operation in self._do(self._unfinished)[:1]:
            self.provider.replies.clear()
            self.provider.will(REPLIES[reply])
            self._do(partial(advance, self.ctx, lambda _: self.provider, operation))

    @rule(addon=addons)
    def provider_reports_provisioned(self, addon: UUID) -> None:
        self._try(lambda: report_provisioned(self.ctx, addon))

    @rule(addon=addons)
    def provider_reports_deprovisioned(self, addon: UUID) -> None:
        self._try(lambda: report_deprovisioned(self.ctx, addon))

    @rule(addon=addons, value=st.sampled_from([None, "store://new", "store://other"]))
    def provider_sends_config(self, addon: UUID, value: str | None) -> None:
        self._try(lambda: update_config(self.ctx, addon, {"STORE_URL": Secret(value) if value else None}))

    @rule(addon=consumes(addons))
    def a_day_passes(self, addon: UUID) -> None:
        """Deadlines come; the add-on is not touched by users any more."""
        self.clock.advance(days=1)

    async def _unfinished(self) -> list[UUID]:
        async with self.ctx.database.transaction() as tx:
            statement = select(Operation.id).where(Operation.finished_at.is_(None)).order_by(Operation.next_at)
            return list((await tx.execute(statement)).scalars())

    async def _attachments(self) -> Any:
        return await list_attachments(self.ctx, self.user)

    @invariant()
    def every_promise_holds(self) -> None:
        self._do(self._check)

    async def _check(self) -> None:
        views = await list_addons(self.ctx, self.user)
        attachments = await self._attachments()
        states = {view.id: view.state for view in views}
        for app in APPS:
            given = {
                name
                for item in attachments
                if item.app_name == app and states.get(item.addon_id) is AddonState.PROVISIONED
                for name in item.config_vars
            }
            assert set(await get_config_vars(self.ctx, self.user, app)) <= given
            releases = await list_releases(self.ctx, self.user, app, newest_first=False, limit=1000)
            assert [release.version for release in releases] == list(range(1, len(releases) + 1))
        await self._check_rows(states)

    async def _check_rows(self, states: dict[UUID, AddonState]) -> None:
        provisioned = {addon for addon, state in states.items() if state is AddonState.PROVISIONED}
        pending = {
            addon for addon, state in states.items() if state in (AddonState.PROVISIONING, AddonState.DEPROVISIONING)
        }
        async with self.ctx.database.transaction() as tx:
            billed = (await tx.execute(select(UsagePeriod.addon_id).where(UsagePeriod.ended_at.is_(None)))).scalars()
            assert sorted(billed) == sorted(provisioned)
            rows = await tx.execute(
                select(Operation.addon_id, Operation.next_at, Operation.deadline_at, Operation.state).where(
                    Operation.finished_at.is_(None)
                )
            )
            unfinished = {row.addon_id: row for row in rows}
            assert pending <= set(unfinished)
            assert all(row.next_at or row.state in ("waiting", "running") for row in unfinished.values())
            orphans = (await tx.execute(select(Orphan.addon_id).where(Orphan.state == "open"))).scalars()
            assert not set(orphans) & (provisioned | pending)
            assert (await tx.execute(select(func.count()).select_from(App))).scalar() == len(APPS)


@pytest.fixture
def ground(migrated_database: str, vault: Vault) -> Iterator[Ground]:
    with asyncio.Runner() as runner:
        yield Ground(runner, migrated_database, vault)


def test_no_order_of_events_breaks_a_promise(ground: Ground) -> None:
    Machine.ground = ground
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "15")),
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
