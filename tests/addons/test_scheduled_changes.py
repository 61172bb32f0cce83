"""Plan changes at the month's end: one at most, forgotten by an immediate one, checked again when their time has come."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from broker.accounts.team_roles import TeamRole
from broker.accounts.teams import create_team
from broker.addons.budgets import SetBudget, set_budget
from broker.addons.change_plan import change_plan
from broker.addons.destroy import destroy_addon
from broker.addons.handover import accept_app_transfer
from broker.addons.ports import Answer, Reply
from broker.addons.resolve import AddonKey
from broker.addons.scheduled_changes import begin_scheduled, schedule_plan_change, unschedule_plan_change
from broker.addons.teams import give_app_away
from broker.addons.terms import terms_of
from broker.apps.collaborators import add_collaborator
from broker.apps.team_members import put_team_member, remove_team_member
from broker.apps.transfers import offer_app
from broker.billing.budgets import ScopeKind
from broker.billing.models import UsagePeriod
from broker.events.models import Event
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Forbidden, InvalidParams, NotFound
from broker.notices.models import Notice
from tests.addons.conftest import World
from tests.domain import new_user

BIG, HUGE, FREE = "store:big", "store:huge", "store:free"
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


async def scheduled(world: World, name: str) -> str | None:
    found = (await terms_of(world.ctx, world.user, AddonKey(name))).scheduled
    return None if found is None else f"{found.plan} {found.effective_at:%Y-%m-%d}"


async def test_a_downgrade_waits_for_the_end_of_the_month_and_the_provider_then_cuts_the_bill(
    world: World, ctx: Context, alice: Actor
) -> None:
    addon = await world.provisioned(HUGE)
    key = AddonKey(addon.name)
    with pytest.raises(InvalidParams, match="already"):
        await schedule_plan_change(ctx, alice, key, HUGE)
    await schedule_plan_change(ctx, alice, key, FREE)
    assert (await schedule_plan_change(ctx, alice, key, BIG)).effective_at == DECEMBER
    assert await scheduled(world, addon.name) == "store:big 2026-12-01"
    assert (await begin_scheduled(ctx), await world.unfinished()) == (0, [])
    world.provider.will(Reply(Answer.DONE, 200))
    ctx.clock._at = DECEMBER.replace(second=3)
    assert (await begin_scheduled(ctx), await begin_scheduled(ctx)) == (1, 0)
    await world.run()
    assert await scheduled(world, addon.name) is None
    async with ctx.database.transaction() as tx:
        rows = await tx.execute(select(UsagePeriod.plan, UsagePeriod.started_at).order_by(UsagePeriod.started_at))
        assert rows.all()[1:] == [("big", DECEMBER.replace(second=3))], "at the instant of the provider's confirmation"


async def test_what_is_done_at_once_taken_back_or_destroyed_is_scheduled_no_more(
    world: World, ctx: Context, alice: Actor
) -> None:
    addon = await world.provisioned(HUGE)
    key = AddonKey(addon.name)
    bob = await new_user(ctx, "bob@example.com")
    await add_collaborator(ctx, alice, "shop", bob.email)
    await schedule_plan_change(ctx, alice, key, FREE)
    for deed in (schedule_plan_change(ctx, bob, key, BIG), unschedule_plan_change(ctx, bob, key)):
        with pytest.raises(Forbidden):
            await deed
    await change_plan(ctx, alice, key, BIG)
    assert await scheduled(world, addon.name) is None
    with pytest.raises(NotFound):
        await unschedule_plan_change(ctx, alice, key)
    world.provider.will(Reply(Answer.DONE, 200))
    await world.run()
    await schedule_plan_change(ctx, alice, key, FREE)
    assert (await unschedule_plan_change(ctx, alice, key)).plan == FREE
    await schedule_plan_change(ctx, alice, key, FREE)
    await destroy_addon(ctx, alice, key)
    ctx.clock._at = DECEMBER
    assert await begin_scheduled(ctx) == 0


async def test_it_waits_for_another_change_and_is_given_up_with_a_notice_when_a_budget_forbids_it(
    world: World, ctx: Context, alice: Actor
) -> None:
    addon = await world.provisioned(FREE)
    await schedule_plan_change(ctx, alice, AddonKey(addon.name), HUGE)
    await set_budget(ctx, alice, SetBudget(ScopeKind.ACCOUNT, None, 100))
    ctx.clock._at = DECEMBER
    await begin_scheduled(ctx)
    assert (await scheduled(world, addon.name), await world.unfinished()) == (None, [])
    async with ctx.database.transaction() as tx:
        told = (await tx.execute(select(Event.data).where(Event.kind == "addon.plan_change_failed"))).scalar_one()
        assert (await tx.execute(select(Notice.kind))).scalars().all() == ["plan_change.refused"]
    assert told["reason"].startswith("The scheduled change to store:huge was not made: With it, the whole account")


async def test_who_is_given_an_app_is_not_brought_to_a_dearer_plan_that_the_giver_scheduled(
    world: World, ctx: Context, alice: Actor
) -> None:
    dearer, cheaper = await world.provisioned(BIG), await world.provisioned(HUGE)
    await schedule_plan_change(ctx, alice, AddonKey(dearer.name), HUGE)
    await schedule_plan_change(ctx, alice, AddonKey(cheaper.name), BIG)
    bob = await new_user(ctx, "bob@example.com")
    await offer_app(ctx, alice, "shop", bob.email)
    await accept_app_transfer(ctx, bob, "shop")
    ctx.clock._at = DECEMBER
    world.provider.will(Reply(Answer.DONE, 200))
    await begin_scheduled(ctx)
    await world.run()
    world.user = bob
    plans = [(await world.read(each.id)).plan.name for each in (dearer, cheaper)]
    assert plans == [BIG, BIG]
    async with ctx.database.transaction() as tx:
        told = (await tx.execute(select(Notice.user_id).where(Notice.kind == "plan_change.refused"))).scalars().all()
    assert told == [bob.id]


async def test_what_those_who_run_a_team_schedule_is_done_if_they_still_run_it(
    world: World, ctx: Context, alice: Actor
) -> None:
    by_alice, by_admin = await world.provisioned(BIG), await world.provisioned(BIG)
    admin = await new_user(ctx, "admin@example.com")
    await create_team(ctx, alice, "acme")
    await put_team_member(ctx, alice, "acme", admin.email, TeamRole.ADMIN)
    await give_app_away(ctx, alice, "shop", "acme")
    await schedule_plan_change(ctx, alice, AddonKey(by_alice.name), HUGE)
    await schedule_plan_change(ctx, admin, AddonKey(by_admin.name), HUGE)
    await remove_team_member(ctx, alice, "acme", admin.email)
    ctx.clock._at = DECEMBER
    world.provider.will(Reply(Answer.DONE, 200))
    await begin_scheduled(ctx)
    await world.run()
    assert [(await world.read(each.id)).plan.name for each in (by_alice, by_admin)] == [HUGE, BIG]
