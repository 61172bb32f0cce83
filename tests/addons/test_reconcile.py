from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, insert, select, text, update

from broker.addons.change_plan import change_plan
from broker.addons.destroy import destroy_addon
from broker.addons.forget import forget_addon
from broker.addons.models import Addon, AddonState, Ownership, ReconcileRun
from broker.addons.orphans import list_orphans, resolve_orphan
from broker.addons.ports import Answer, ListCall, Listed, Listing, Reply
from broker.addons.queries import AddonView
from broker.addons.reconcile import MOST_TRIES, reconcile
from broker.addons.reconcile_runs import enqueue_runs, get_run, list_runs, start_run
from broker.addons.resolve import AddonKey
from broker.billing.models import UsagePeriod
from broker.catalog.canary import set_canary
from broker.catalog.canary_runs import begin, claim_due
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor
from broker.kernel.errors import NotFound
from broker.kernel.ids import new_id
from tests.addons.conftest import MANIFEST, World
from tests.domain import new_user

GONE = Reply(Answer.DONE, 204)


@pytest.fixture
async def world(world: World) -> World:
    await publish(world.ctx, parse({**MANIFEST, "capabilities": ["list"]}), SYSTEM)
    return world


@pytest.fixture
async def operator(world: World) -> Actor:
    return replace(await new_user(world.ctx, "operator@example.com"), is_operator=True)


def entry(addon_id: UUID, plan: str = "big", state: str = "active") -> Listed:
    return Listed(str(addon_id), addon_id, plan, state)


def lists(world: World, *entries: Listed) -> None:
    world.provider.listing = Listing(Reply(Answer.DONE, 200), entries)


async def report(world: World, operator: Actor, *, fix: bool = False) -> dict[str, Any]:
    """The report of a run, made when everything before has been quiet for a while."""
    world.ctx.clock.advance(minutes=5)
    run = await start_run(world.ctx, operator, fix=fix)
    await reconcile(world.ctx, lambda _: world.provider, run.id)
    done = await get_run(world.ctx, operator, str(run.id))
    assert done.state == "finished"
    return dict(done.report or {})


async def drifts(world: World, operator: Actor, *, fix: bool = False) -> list[tuple[str, str | None, int, bool]]:
    found = (await report(world, operator, fix=fix))["drifts"]
    return [(item["kind"], item["addon"], item["price_cents"], item["fixed"]) for item in found]


async def destroyed(world: World) -> AddonView:
    addon = await world.provisioned("store:big")
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    world.provider.will(GONE)
    await world.run()
    return addon


async def test_where_everything_agrees_there_is_no_drift(world: World, operator: Actor) -> None:
    addon = await world.provisioned("store:big")
    lists(world, entry(addon.id))
    assert await report(world, operator) == {
        "services": [{"service": "store", "in_use": 1, "listed": 1, "note": None}],
        "drifts": [],
        "not_shown": 0,
        "money": [],
    }
    assert isinstance(world.provider.calls[-1], ListCall)


async def test_a_resource_that_we_never_made_is_reported_and_never_touched(world: World, operator: Actor) -> None:
    stranger = uuid4()
    lists(world, entry(stranger), Listed("only-an-id", None, "huge", None))
    found = await report(world, operator, fix=True)
    assert [(item["kind"], item["resource_id"], item["fix"]) for item in found["drifts"]] == [
        ("unknown_resource", str(stranger), None),
        ("unknown_resource", "only-an-id", None),
    ]
    assert found["money"] == [{"currency": "usd", "unpaid_cents": 55000, "overbilled_cents": 0}]
    assert await list_orphans(world.ctx, operator) == []


async def test_what_a_canary_is_making_is_no_drift(world: World, operator: Actor) -> None:
    await set_canary(world.ctx, operator, "store", timedelta(hours=1))
    claim = await claim_due(world.ctx)
    assert claim is not None
    tried = await begin(world.ctx, claim)
    assert tried is not None
    lists(world, entry(tried))
    assert await drifts(world, operator) == []


async def test_what_is_left_of_ours_becomes_an_orphan_with_fix_and_not_without(world: World, operator: Actor) -> None:
    addon = await destroyed(world)
    lists(world, entry(addon.id))
    assert await drifts(world, operator) == [("leftover", addon.name, 5000, False)]
    assert await list_orphans(world.ctx, operator) == []
    assert await drifts(world, operator, fix=True) == [("leftover", addon.name, 5000, True)]
    (orphan,) = await list_orphans(world.ctx, operator)
    assert (orphan.addon_id, orphan.state, orphan.reason) == (addon.id, "open", "found in the provider's list")
    assert await drifts(world, operator, fix=True) == [("orphan_remains", addon.name, 5000, False)]
    await resolve_orphan(world.ctx, operator, str(orphan.id), "kept for the auditors")
    assert await drifts(world, operator, fix=True) == [("leftover", addon.name, 5000, False)]


async def test_what_was_imported_is_left_where_it_is(world: World, operator: Actor) -> None:
    addon = await destroyed(world)
    async with world.ctx.database.transaction() as tx:
        await tx.execute(update(Addon).values(ownership=Ownership.IMPORTED))
    lists(world, entry(addon.id))
    assert await drifts(world, operator, fix=True) == [("leftover", addon.name, 5000, False)]
    assert await list_orphans(world.ctx, operator) == []


async def test_an_orphan_that_is_gone_is_closed_with_fix(world: World, operator: Actor) -> None:
    addon = await world.provisioned("store:big")
    await forget_addon(world.ctx, operator, addon.name, "no answer")
    assert await drifts(world, operator) == [("orphan_gone", addon.name, 0, False)]
    assert await drifts(world, operator, fix=True) == [("orphan_gone", addon.name, 0, True)]
    (orphan,) = await list_orphans(world.ctx, operator)
    assert (orphan.state, orphan.history[-1]["note"]) == ("deleted", "not in the provider's list")
    assert await drifts(world, operator) == []


async def test_an_add_on_in_use_without_a_resource_is_money_taken_for_nothing(world: World, operator: Actor) -> None:
    addon = await world.provisioned("store:big")
    found = await report(world, operator, fix=True)
    (drift,) = found["drifts"]
    assert (drift["kind"], drift["addon"], drift["fix"], drift["fixed"]) == ("missing", addon.name, None, False)
    assert "addons:forget" in drift["explanation"]
    assert found["money"] == [{"currency": "usd", "unpaid_cents": 0, "overbilled_cents": 5000}]
    assert (await world.read(addon.id)).state is AddonState.PROVISIONED


async def test_another_plan_over_there_is_reported_with_the_difference(world: World, operator: Actor) -> None:
    addon = await world.provisioned("store:big")
    lists(world, entry(addon.id, "huge"))
    assert await drifts(world, operator) == [("plan_differs", addon.name, 45000, False)]
    lists(world, entry(addon.id, "store:big"))
    assert await drifts(world, operator) == []


async def test_billing_that_went_on_ends_at_the_request_to_destroy(world: World, operator: Actor) -> None:
    addon = await world.provisioned("store:big")
    begin = world.ctx.clock.now()
    world.ctx.clock.advance(hours=3)
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    world.provider.will(GONE)
    await world.run(hours=5)
    async with world.ctx.database.transaction() as tx:
        await tx.execute(update(UsagePeriod).values(ended_at=None))
    assert await drifts(world, operator, fix=True) == [("billed_not_provisioned", addon.name, 5000, True)]
    async with world.ctx.database.transaction() as tx:
        assert (await tx.execute(select(UsagePeriod.ended_at))).scalar_one() == begin + timedelta(hours=3)
    assert await drifts(world, operator) == []


async def test_what_is_used_and_not_billed_is_reported_if_it_costs_anything(world: World, operator: Actor) -> None:
    paid, free = await world.provisioned("store:big"), await world.provisioned("store:free")
    lists(world, entry(paid.id), entry(free.id, "free"))
    async with world.ctx.database.transaction() as tx:
        await tx.execute(delete(UsagePeriod))
    assert await drifts(world, operator, fix=True) == [("provisioned_not_billed", paid.name, 5000, False)]


async def test_what_is_under_way_is_no_drift(world: World, operator: Actor) -> None:
    changing, going = await world.provisioned("store:big"), await world.provisioned()
    coming = await world.create()
    await change_plan(world.ctx, world.user, AddonKey(changing.name), "huge")
    await destroy_addon(world.ctx, world.user, AddonKey(going.name))
    lists(world, entry(changing.id, "huge"), entry(coming.id, "free"))
    assert await drifts(world, operator) == []


async def test_what_changed_while_the_provider_was_asked_is_no_drift(world: World, operator: Actor) -> None:
    await world.provisioned("store:big")
    run = await start_run(world.ctx, operator)
    await reconcile(world.ctx, lambda _: world.provider, run.id)
    assert ((await get_run(world.ctx, operator, str(run.id))).report or {})["drifts"] == []


async def test_a_provider_that_knows_resources_by_its_own_ids_is_understood(world: World, operator: Actor) -> None:
    addon = await world.provisioned("store:big")
    lists(world, Listed("remote-1", None, "big", "active"), Listed("remote-0", None, "big", "deleted"))
    assert (await world.read(addon.id)).provider_id == "remote-1"
    assert await drifts(world, operator) == []


@pytest.mark.parametrize("answer", [Answer.LOST, Answer.MALFORMED, Answer.UNAUTHORIZED])
async def test_without_a_list_nothing_is_concluded_from_its_absence(
    world: World, operator: Actor, answer: Answer
) -> None:
    addon = await world.provisioned("store:big")
    await forget_addon(world.ctx, operator, addon.name, "no answer")
    await world.provisioned("store:big")
    world.provider.listing = Listing(Reply(answer, note="broken"))
    found = await report(world, operator, fix=True)
    assert found["drifts"] == []
    assert found["services"] == [
        {"service": "store", "in_use": 1, "listed": None, "note": f"gave no list: {answer}: broken"}
    ]


async def test_a_service_without_the_capability_is_not_asked(world: World, operator: Actor) -> None:
    await publish(world.ctx, parse(MANIFEST), SYSTEM)
    found = await report(world, operator)
    assert found["services"][0]["listed"] is None
    assert "no capability" in found["services"][0]["note"]
    assert world.provider.calls == []


async def test_a_run_is_done_once_and_by_another_worker_when_its_own_has_died(world: World, operator: Actor) -> None:
    run = await start_run(world.ctx, operator, service="store")
    async with world.ctx.database.transaction() as tx:
        now = world.ctx.clock.now()
        await tx.execute(
            update(ReconcileRun).values(state="running", fencing=1, lease_until=now + timedelta(minutes=2))
        )
    await reconcile(world.ctx, lambda _: world.provider, run.id)
    assert (await get_run(world.ctx, operator, str(run.id))).state == "running"
    world.ctx.clock.advance(minutes=2)
    assert await enqueue_runs(world.ctx) == 1
    for _ in range(2):
        await reconcile(world.ctx, lambda _: world.provider, run.id)
    assert len(world.provider.calls) == 1
    (view,) = await list_runs(world.ctx, operator)
    assert (view.state, view.service, view.requested_by) == ("finished", "store", operator.email)


async def test_a_run_that_no_worker_finishes_fails_instead_of_going_on_for_ever(world: World, operator: Actor) -> None:
    await world.provisioned("store:big")
    run = await start_run(world.ctx, operator)
    for _ in range(MOST_TRIES):
        with pytest.raises(ZeroDivisionError):
            await reconcile(world.ctx, lambda _: 1 // 0, run.id)
        world.ctx.clock.advance(minutes=3)
    await reconcile(world.ctx, lambda _: 1 // 0, run.id)
    assert (await get_run(world.ctx, operator, str(run.id))).state == "failed"
    world.ctx.clock.advance(minutes=3)
    assert await enqueue_runs(world.ctx) == 0


async def test_a_provider_that_lists_far_too_much_is_counted_and_not_shown_whole(world: World, operator: Actor) -> None:
    addon = await world.provisioned("store:big")
    lists(world, entry(addon.id), *(Listed(f"r-{n}", None, "free", None) for n in range(40_000)))
    found = await report(world, operator)
    assert (len(found["drifts"]), found["not_shown"]) == (1000, 39_000)
    assert {item["kind"] for item in found["drifts"]} == {"unknown_resource"}


async def test_a_run_is_made_every_hour_once_there_is_something_to_compare(world: World, operator: Actor) -> None:
    async with world.ctx.database.transaction() as tx:
        old = {"state": "finished", "fix": False, "actor_id": operator.id, "actor_email": "x", "fencing": 1}
        begun = world.ctx.clock.now() - timedelta(days=31)
        await tx.execute(insert(ReconcileRun).values(id=new_id(), created_at=begun, finished_at=begun, **old))
    world.ctx.clock.advance(hours=9)
    assert await enqueue_runs(world.ctx) == 0
    await world.create()
    assert await enqueue_runs(world.ctx) == 0
    world.ctx.clock.advance(hours=1)
    assert await enqueue_runs(world.ctx) == 1
    assert await enqueue_runs(world.ctx) == 0
    async with world.ctx.database.transaction() as tx:
        jobs = text("select args ->> 'run_id' from procrastinate_jobs where task_name = 'broker.reconcile'")
        (run_id,) = (await tx.execute(jobs)).scalars()
    await reconcile(world.ctx, lambda _: world.provider, UUID(run_id))
    world.ctx.clock.advance(minutes=59)
    assert await enqueue_runs(world.ctx) == 0
    world.ctx.clock.advance(minutes=1)
    assert await enqueue_runs(world.ctx) == 1
    assert [(view.fix, view.requested_by) for view in await list_runs(world.ctx, operator)] == [
        (False, SYSTEM.email)
    ] * 2


async def test_reconciling_is_for_operators(world: World, operator: Actor) -> None:
    run = await start_run(world.ctx, operator)
    for attempt in (
        start_run(world.ctx, world.user),
        get_run(world.ctx, world.user, str(run.id)),
        list_runs(world.ctx, world.user),
        start_run(world.ctx, operator, service="nothing"),
        get_run(world.ctx, operator, "nothing"),
    ):
        with pytest.raises(NotFound):
            await attempt
