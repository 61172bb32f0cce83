"""What a provider may have sent again, what not and why, and that nothing is ever made twice by it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from broker.addons.models import AddonState, OperationKind, OperationState, OrphanState, Ownership
from broker.addons.outcomes import RETRIES
from broker.addons.ports import Answer, DeprovisionCall, PlanChangeCall, ProvisionCall, Reply
from broker.addons.replay import Replay, Standing, decide_replay, replay_operation
from broker.addons.service_trail import TrailEntry, list_trail
from broker.catalog.members import Role, set_member
from broker.events.models import Event
from broker.kernel.context import Actor
from broker.kernel.errors import Conflict, Forbidden, NotFound
from broker.kernel.ids import new_id
from tests.addons.conftest import World
from tests.addons.test_change_plan import lost_and_refused
from tests.addons.test_orphans import FAULT, lost_provision, sweep
from tests.domain import START, new_user

LATER = START + timedelta(minutes=5)
FAILED = Standing(
    OperationKind.PROVISION,
    OperationState.FAILED,
    5,
    None,
    AddonState.DEPROVISIONED,
    Ownership.CREATED,
    True,
    None,
    None,
)
PENDING = replace(FAILED, state=OperationState.PENDING, next_at=LATER, attempts=1)
LEFT = replace(FAILED, orphan_state=OrphanState.OPEN)
RESTORE = replace(FAILED, kind=OperationKind.PLAN_RESTORE, addon_state=AddonState.PROVISIONED)


@pytest.fixture
async def paula(world: World) -> Actor:
    """An owner of the service."""
    paula = await new_user(world.ctx, "paula@example.com")
    await set_member(world.ctx, replace(paula, is_operator=True), "store", paula.email, Role.OWNER)
    return paula


async def newest(world: World, paula: Actor) -> TrailEntry:
    return (await list_trail(world.ctx, paula, "store"))[0]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (PENDING, Replay.NOW),
        (replace(PENDING, kind=OperationKind.DEPROVISION), Replay.NOW),
        (replace(PENDING, kind=OperationKind.DEPROVISION, attempts=0), "no earlier call can arrive"),
        (replace(PENDING, next_at=START), "It is due"),
        (replace(PENDING, state=OperationState.RUNNING), "under way"),
        (replace(PENDING, state=OperationState.WAITING), "waits for the provider's word"),
        (replace(FAILED, state=OperationState.SUCCEEDED), "It succeeded"),
        (FAILED, "could make a second resource"),
        (LEFT, Replay.REMOVAL),
        (replace(LEFT, kind=OperationKind.DEPROVISION), Replay.REMOVAL),
        (replace(LEFT, ownership=Ownership.IMPORTED), "was imported"),
        (replace(LEFT, addon_state=AddonState.PROVISIONED), "in use"),
        (replace(LEFT, orphan_busy_until=LATER), "under way"),
        (replace(LEFT, orphan_state=OrphanState.DELETED), "removed by now"),
        (replace(LEFT, orphan_state=OrphanState.RESOLVED), "operators have dealt"),
        (replace(FAILED, kind=OperationKind.PLAN_CHANGE), "the plan stays"),
        (replace(FAILED, kind=OperationKind.ROTATE), "ask for new ones"),
        (RESTORE, Replay.AGAIN),
        (replace(RESTORE, is_newest=False), "moved on"),
        (replace(RESTORE, kind=OperationKind.REFRESH), Replay.AGAIN),
        (replace(RESTORE, kind=OperationKind.REFRESH, addon_state=AddonState.DEPROVISIONING), "moved on"),
    ],
)
def test_what_may_be_sent_is_decided_by_what_it_could_do(found: Standing, said: str | Replay) -> None:
    decided = decide_replay(found, START)
    assert (decided is said) if isinstance(said, Replay) else (said in decided)


def test_no_provision_that_was_given_up_is_ever_sent_again() -> None:
    """Whatever else is the case."""
    for addon_state in AddonState:
        for orphan in (None, *OrphanState):
            for is_newest in (True, False):
                found = replace(FAILED, addon_state=addon_state, orphan_state=orphan, is_newest=is_newest)
                assert decide_replay(found, START) not in (Replay.NOW, Replay.AGAIN)


async def test_a_pending_call_goes_out_at_once_as_one_of_its_attempts(world: World, paula: Actor) -> None:
    addon = await world.create()
    world.provider.will(Reply(Answer.SERVER_ERROR, 500, retry_after_s=600))
    await world.run()
    entry = await newest(world, paula)
    assert (entry.state, entry.replay) == ("pending", Replay.NOW)
    await world.run()
    assert len(world.provider.calls) == 1, "it is not its time"
    assert await replay_operation(world.ctx, paula, "store", str(entry.id)) is Replay.NOW
    with pytest.raises(Conflict, match="It is due"):
        await replay_operation(world.ctx, paula, "store", str(entry.id))
    world.provider.will(Reply(Answer.DONE, 200, provider_id="remote-1"))
    await world.run()
    first, second = world.provider.calls
    assert isinstance(first, ProvisionCall)
    assert isinstance(second, ProvisionCall)
    assert first.uuid == second.uuid == addon.id, "the provider knows it by the same uuid"
    assert (await world.read(addon.id)).state is AddonState.PROVISIONED
    async with world.ctx.database.transaction() as tx:
        event = (await tx.execute(select(Event).where(Event.kind == "operation.replayed"))).one()
        facts = (event.actor_email, event.app_id, event.addon_id, event.data["sent"])
    assert facts == (paula.email, None, addon.id, "now")


async def test_hurrying_gives_no_provision_more_attempts_than_it_has(world: World, paula: Actor) -> None:
    await world.create()
    for _ in range(RETRIES[OperationKind.PROVISION].attempts):
        world.provider.will(Reply(Answer.NOT_SENT, retry_after_s=600))
        await world.run()
        entry = await newest(world, paula)
        if entry.replay:
            await replay_operation(world.ctx, paula, "store", str(entry.id))
    assert (entry.state, entry.replay, "second resource" in entry.kept_back) == ("failed", None, True)
    with pytest.raises(Conflict, match="second resource"):
        await replay_operation(world.ctx, paula, "store", str(entry.id))
    assert await world.unfinished() == []


async def test_what_was_left_by_a_provision_is_removed_and_not_made_again(world: World, paula: Actor) -> None:
    lost = await lost_provision(world)
    world.provider.will(FAULT)
    assert await sweep(world, minutes=1) == 1
    entry = await newest(world, paula)
    assert (entry.addon_id, entry.kind, entry.replay) == (lost.id, "provision", Replay.REMOVAL)
    assert await sweep(world) == 0
    assert await replay_operation(world.ctx, paula, "store", str(entry.id)) is Replay.REMOVAL
    world.provider.will(Reply(Answer.DONE, 200))
    assert await sweep(world) == 1
    assert isinstance(world.provider.calls[-1], DeprovisionCall)
    assert "removed by now" in (await newest(world, paula)).kept_back


async def test_a_restore_that_was_given_up_brings_the_provider_to_the_plan_that_is_billed(
    world: World, paula: Actor
) -> None:
    addon = await lost_and_refused(world)
    world.provider.will(Reply(Answer.GONE, 410))
    await world.run(minutes=1)
    entry = await newest(world, paula)
    assert (entry.kind, entry.state, entry.replay) == ("plan_restore", "failed", Replay.AGAIN)
    await replay_operation(world.ctx, paula, "store", str(entry.id))
    with pytest.raises(Conflict, match="moved on"):
        await replay_operation(world.ctx, paula, "store", str(entry.id))
    world.provider.will(Reply(Answer.DONE, 200))
    await world.run(minutes=1)
    last = world.provider.calls[-1]
    assert isinstance(last, PlanChangeCall)
    assert (last.plan, (await world.read(addon.id)).plan.slug) == ("big", "big")
    assert (await newest(world, paula)).state == "succeeded"


async def test_only_owners_and_admins_of_the_very_service_have_anything_sent(world: World, paula: Actor) -> None:
    await world.create()
    world.provider.will(FAULT)
    await world.run()
    key = str((await newest(world, paula)).id)
    dora = await new_user(world.ctx, "dora@example.com")
    await set_member(world.ctx, replace(dora, is_operator=True), "store", dora.email, Role.DEVELOPER)
    with pytest.raises(Forbidden):
        await replay_operation(world.ctx, dora, "store", key)
    for actor, slug, operation in [(world.user, "store", key), (paula, "stor", key), (paula, "store", str(new_id()))]:
        with pytest.raises(NotFound):
            await replay_operation(world.ctx, actor, slug, operation)
    for nonsense in ("", "x", "0"):
        with pytest.raises(NotFound):
            await replay_operation(world.ctx, paula, "store", nonsense)
