"""Trials: once per account and service, at no charge; at the end paid by consent, or suspended. Real PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from broker.accounts.authorizations import CreateAuthorization, create_authorization
from broker.addons.billed_names import billed_names
from broker.addons.budgets import SetBudget, set_budget
from broker.addons.callbacks import update_config
from broker.addons.change_plan import change_plan
from broker.addons.destroy import destroy_addon
from broker.addons.handover import accept_app_transfer, agree_to_pay, stop_paying
from broker.addons.models import Suspension
from broker.addons.ports import Answer, Reply
from broker.addons.rename import rename_addon
from broker.addons.resolve import AddonKey
from broker.addons.suspension import resume_addons, suspend_addons
from broker.addons.taken import reserved_names
from broker.addons.terms import terms_of
from broker.addons.transfer import accept_addon, offer_addon
from broker.addons.trial_ends import accept_trial_end, look_at_trials, refuse_trial_end
from broker.addons.trial_views import list_trials
from broker.apps.config_vars import get_config_vars, set_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.payers import ask_payer
from broker.apps.transfers import offer_app
from broker.billing.budgets import ScopeKind
from broker.billing.check import check_some
from broker.billing.close import close_due
from broker.billing.models import InvoiceLine, UsagePeriod
from broker.billing.months import month_of
from broker.catalog.faults import ManifestFaults
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.events.models import Event
from broker.kernel.context import SYSTEM, Actor, Context, Scope
from broker.kernel.errors import Forbidden, NotFound, PaymentRequired
from broker.kernel.secret import Secret
from broker.notices.models import Notice
from tests.addons.conftest import MANIFEST, World, make_world
from tests.addons.test_handover import OPERATOR
from tests.domain import new_user

PRO, PLUS, BIG = "store:pro", "store:plus", "store:big"
TRIED = MANIFEST | {
    "plans": [
        *MANIFEST["plans"],
        {"name": "pro", "price_cents": 3000, "trial_days": 5},
        {"name": "plus", "price_cents": 6000, "trial_days": 30},
    ]
}


@pytest.fixture
async def world(ctx: Context, alice: Actor) -> World:
    made = await make_world(ctx, alice)
    await publish(ctx, parse(TRIED), SYSTEM)
    return made


async def modes(ctx: Context, addon_id: UUID) -> list[tuple[str, int, datetime]]:
    async with ctx.database.transaction() as tx:
        found = select(UsagePeriod.mode, UsagePeriod.price_cents, UsagePeriod.started_at)
        rows = await tx.execute(found.where(UsagePeriod.addon_id == addon_id).order_by(UsagePeriod.started_at))
        return [tuple(row) for row in rows]


async def told(ctx: Context, table: type[Event] | type[Notice], prefix: str) -> list[str]:
    async with ctx.database.transaction() as tx:
        rows = await tx.execute(select(table.kind).where(table.kind.startswith(prefix)).order_by(table.id))
        return list(rows.scalars())


async def gone(world: World, name: str) -> None:
    await destroy_addon(world.ctx, world.user, AddonKey(name))
    world.provider.will(Reply(Answer.DONE, 200))
    await world.run(minutes=1)


def test_a_manifest_says_for_how_long_a_paid_plan_is_tried() -> None:
    plans = {plan.slug: plan.trial_days for plan in parse(TRIED).plans}
    assert plans == {"free": 0, "big": 0, "huge": 0, "pro": 5, "plus": 30}
    for trial in ({"price_cents": 0, "trial_days": 3}, {"price_cents": 5, "trial_days": 400}):
        with pytest.raises(ManifestFaults, match="trial_days"):
            parse(MANIFEST | {"plans": [{"name": "pro", **trial}]})


async def test_a_trial_costs_nothing_until_its_end_and_what_was_agreed_to_from_then_on(
    world: World, ctx: Context, alice: Actor, mallory: Actor
) -> None:
    addon = await world.provisioned(PRO)
    began = ctx.clock.now()
    ends = began + timedelta(days=5)
    assert await modes(ctx, addon.id) == [("trial", 3000, began)]
    assert (await terms_of(ctx, alice, AddonKey(addon.name))).trial.ends_at == ends
    ctx.clock.advance(days=1)
    await look_at_trials(ctx)
    assert await told(ctx, Event, "trial.") == []
    ctx.clock.advance(days=1, hours=1)
    await look_at_trials(ctx)
    await look_at_trials(ctx)
    assert (await told(ctx, Event, "trial."), await told(ctx, Notice, "trial.")) == (["trial.ends"], ["trial.ends"])
    with pytest.raises(NotFound):
        await accept_trial_end(ctx, mallory, AddonKey(addon.name))
    await refuse_trial_end(ctx, alice, AddonKey(addon.name))
    assert (await accept_trial_end(ctx, alice, AddonKey(addon.name))).accepted_at == ctx.clock.now()
    ctx.clock.advance(days=3)
    assert (await look_at_trials(ctx), await look_at_trials(ctx)) == (1, 0)
    assert await modes(ctx, addon.id) == [("trial", 3000, began), ("paid", 3000, ends)]
    assert [(view.outcome, view.addon_id) for view in await list_trials(ctx, alice)] == [("paid", None)]
    ctx.clock._at = datetime(2026, 12, 5, tzinfo=UTC)
    while (await close_due(ctx, billed_names)).more:
        pass
    async with ctx.database.transaction() as tx:
        lines = (await tx.execute(select(InvoiceLine.mode, InvoiceLine.minor).order_by(InvoiceLine.number))).all()
    paid = (datetime(2026, 12, 1, tzinfo=UTC) - ends).total_seconds()
    assert lines == [("paid", round(3000 * paid / (30 * 86400))), ("trial", 0)]
    assert (await check_some(ctx, OPERATOR)).differences == []


async def test_without_consent_or_means_it_is_suspended_and_never_charged_until_somebody_agrees(
    world: World, ctx: Context, alice: Actor
) -> None:
    addon = await world.provisioned(PRO)
    assert await get_config_vars(ctx, alice, "shop") == {"STORE_URL": f"store://{addon.id}"}
    ctx.clock.advance(days=6)
    await look_at_trials(ctx)
    assert await get_config_vars(ctx, alice, "shop") == {}
    assert [mode for mode, _, _ in await modes(ctx, addon.id)] == ["trial", "unbilled"]
    assert (await told(ctx, Notice, "trial."))[-1] == "trial.suspended"
    with pytest.raises(PaymentRequired, match="trials:accept"):
        await change_plan(ctx, alice, AddonKey(addon.name), BIG)
    tight = await set_budget(ctx, alice, SetBudget(ScopeKind.ACCOUNT, None, 1))
    with pytest.raises(PaymentRequired, match="its budget is"):
        await accept_trial_end(ctx, alice, AddonKey(addon.name))
    await look_at_trials(ctx)
    assert [mode for mode, _, _ in await modes(ctx, addon.id)] == ["trial", "unbilled"]
    await set_budget(ctx, alice, SetBudget(ScopeKind.ACCOUNT, None, 10**6))
    assert tight.limit.limit_minor == 1
    agreed = ctx.clock.advance(hours=1)
    assert (await accept_trial_end(ctx, alice, AddonKey(addon.name))).outcome == "paid"
    assert (await modes(ctx, addon.id))[-1] == ("paid", 3000, agreed)
    assert await get_config_vars(ctx, alice, "shop") == {"STORE_URL": f"store://{addon.id}"}


async def test_what_operators_suspend_and_resume_does_not_come_back_from_a_trial_unasked(
    world: World, ctx: Context
) -> None:
    addon = await world.provisioned(PRO)
    ctx.clock.advance(days=6)
    await look_at_trials(ctx)
    assert await suspend_addons(ctx, [addon.id], Suspension.UNBILLED) == 0
    assert await resume_addons(ctx, [addon.id], Suspension.UNBILLED) == 0
    assert (await world.read(addon.id)).suspended_for == "trial"
    assert [mode for mode, _, _ in await modes(ctx, addon.id)] == ["trial", "unbilled"]


async def test_a_budget_that_has_no_room_at_the_end_suspends_whatever_was_agreed_to(
    world: World, ctx: Context, alice: Actor
) -> None:
    addon = await world.provisioned(PRO, accept_trial_end=True)
    await set_budget(ctx, alice, SetBudget(ScopeKind.APP, "shop", 10))
    ctx.clock.advance(days=5)
    await look_at_trials(ctx)
    assert [mode for mode, _, _ in await modes(ctx, addon.id)] == ["trial", "unbilled"]


async def test_the_budget_of_the_token_that_began_a_trial_counts_at_its_end_and_is_told_to_whoever_pays_alone(
    world: World, ctx: Context, alice: Actor
) -> None:
    made = await create_authorization(ctx, alice, CreateAuthorization("ci", [Scope.WRITE_PROTECTED]))
    await set_budget(ctx, alice, SetBudget(ScopeKind.TOKEN, str(made.id), 10))
    world.user = replace(alice, scopes=frozenset({Scope.WRITE_PROTECTED}), authorization_id=made.id)
    addon = await world.provisioned(PRO, accept_trial_end=True)
    ctx.clock.advance(days=5)
    await look_at_trials(ctx)
    assert [mode for mode, _, _ in await modes(ctx, addon.id)] == ["trial", "unbilled"]
    async with ctx.database.transaction() as tx:
        seen = (await tx.execute(select(Event.data).where(Event.kind == "trial.suspended"))).scalar_one()
        noticed = (await tx.execute(select(Notice.facts).where(Notice.kind == "trial.suspended"))).scalar_one()
    assert "its budget is" in noticed["reason"]
    assert seen == {"reason": "With it, a budget of whoever pays for the app would be exceeded."}


async def test_a_dearer_plan_that_is_under_way_at_the_end_needs_its_room_in_the_budget(
    world: World, ctx: Context, alice: Actor
) -> None:
    addon = await world.provisioned(PRO, accept_trial_end=True)
    ctx.clock.advance(days=5)
    rest = (month_of(ctx.clock.now()).end - ctx.clock.now()) / timedelta(days=30)
    await set_budget(ctx, alice, SetBudget(ScopeKind.APP, "shop", int(4500 * rest)))
    await change_plan(ctx, alice, AddonKey(addon.name), PLUS)
    await look_at_trials(ctx)
    assert [mode for mode, _, _ in await modes(ctx, addon.id)] == ["trial", "unbilled"]


async def test_what_an_environment_has_no_room_for_is_paid_for_and_resumed_once_it_has(
    world: World, ctx: Context, alice: Actor
) -> None:
    addon = await world.provisioned(PRO)
    await update_config(ctx, addon.id, {"STORE_URL": Secret("x" * 60_000)})
    ctx.clock.advance(days=6)
    await look_at_trials(ctx)
    await set_config_vars(ctx, alice, "shop", {f"OWN_{n}": "y" * 60_000 for n in range(4)}, reserved_names)
    ctx.clock.advance(hours=1)
    assert (await accept_trial_end(ctx, alice, AddonKey(addon.name))).outcome is None
    assert (await world.read(addon.id)).suspended_for == "trial"
    await set_config_vars(ctx, alice, "shop", {"OWN_1": None}, reserved_names)
    await look_at_trials(ctx)
    assert (await world.read(addon.id)).suspended_for is None
    assert [view.outcome for view in await list_trials(ctx, alice)] == ["paid"]
    assert [mode for mode, _, _ in await modes(ctx, addon.id)] == ["trial", "unbilled", "paid"]


async def test_neither_adding_it_again_nor_another_name_nor_another_account_begins_a_trial_anew(
    world: World, ctx: Context, alice: Actor
) -> None:
    bob, carol = await new_user(ctx, "bob@example.com"), await new_user(ctx, "carol@example.com")
    first = await world.provisioned(PRO)
    ends = ctx.clock.now() + timedelta(days=5)
    second = await world.provisioned(PRO)
    assert [mode for mode, _, _ in await modes(ctx, second.id)] == ["paid"]
    await rename_addon(ctx, alice, AddonKey(first.name), "renamed")
    await gone(world, "renamed")
    await gone(world, second.name)
    ctx.clock.advance(days=1)
    again = await world.provisioned(PRO)
    assert [mode for mode, _, _ in await modes(ctx, again.id)] == ["trial"]
    assert [view.ends_at for view in await list_trials(ctx, alice)] == [ends]

    await create_app(ctx, bob, CreateApp(name="bobs"))
    await offer_addon(ctx, alice, AddonKey(again.name), bob.email)
    ctx.clock.advance(days=1)
    await accept_addon(ctx, bob, again.name, "bobs")
    assert [mode for mode, _, _ in await modes(ctx, again.id)] == ["trial", "trial"]
    assert [view.ends_at for view in await list_trials(ctx, bob)] == [ends]
    ctx.clock.advance(days=4)
    fresh = await world.provisioned(PRO)
    assert [mode for mode, _, _ in await modes(ctx, fresh.id)] == ["paid"], "alice has had hers"

    tried = await new_user(ctx, "dave@example.com")
    world.user, world.app = tried, "daves"
    await create_app(ctx, tried, CreateApp(name="daves"))
    hers = await world.provisioned(PRO)
    ends = ctx.clock.now() + timedelta(days=5)
    await offer_app(ctx, tried, "daves", alice.email)
    given = ctx.clock.advance(hours=1)
    await accept_app_transfer(ctx, alice, "daves")
    assert (await modes(ctx, hers.id))[-1] == ("paid", 3000, given), "alice has had hers, and took it all the same"

    world.user, world.app = carol, "carols"
    await create_app(ctx, carol, CreateApp(name="carols"))
    lent = await world.provisioned(PRO)
    await ask_payer(ctx, carol, "carols", tried.email)
    ctx.clock.advance(hours=1)
    await agree_to_pay(ctx, tried, "carols")
    ctx.clock.advance(hours=1)
    await stop_paying(ctx, tried, "carols")
    assert {mode for mode, _, _ in await modes(ctx, lent.id)} == {"trial"}
    assert [view.ends_at for view in await list_trials(ctx, carol)] == [ends], "the payer's own had less left"


async def test_another_plan_or_price_during_a_trial(world: World, ctx: Context, alice: Actor) -> None:
    addon = await world.provisioned(PRO)
    ends = ctx.clock.now() + timedelta(days=5)
    dearer = [plan | {"price_cents": plan["price_cents"] * 2} for plan in TRIED["plans"]]
    await publish(ctx, parse(TRIED | {"plans": dearer}), SYSTEM)
    world.provider.will(Reply(Answer.DONE, 200), Reply(Answer.DONE, 200))
    ctx.clock.advance(days=1)
    await change_plan(ctx, alice, AddonKey(addon.name), PLUS)
    await world.run()
    assert [(mode, cents) for mode, cents, _ in await modes(ctx, addon.id)] == [("trial", 3000), ("trial", 12000)]
    assert [view.ends_at for view in await list_trials(ctx, alice)] == [ends]
    ctx.clock.advance(days=1)
    await change_plan(ctx, alice, AddonKey(addon.name), BIG)
    await world.run()
    assert (await modes(ctx, addon.id))[-1][:2] == ("paid", 10000)
    ctx.clock.advance(days=9)
    assert await look_at_trials(ctx) == 0


async def test_a_provision_that_fails_is_no_trial(world: World, ctx: Context, alice: Actor) -> None:
    await world.create(PRO)
    world.provider.will(Reply(Answer.REFUSED, 422, message="no"))
    await world.run()
    assert await list_trials(ctx, alice) == []
    bob = await new_user(ctx, "bob@example.com")
    with pytest.raises((NotFound, Forbidden)):
        await accept_trial_end(ctx, bob, AddonKey("nothing"))


async def test_whoever_gets_a_bill_back_is_asked_and_not_charged(world: World, ctx: Context, alice: Actor) -> None:
    bob = await new_user(ctx, "bob@example.com")
    had = await world.provisioned(PRO)
    await gone(world, had.name)
    ctx.clock.advance(days=6)
    await ask_payer(ctx, alice, "shop", bob.email)
    await agree_to_pay(ctx, bob, "shop")
    lent = await world.provisioned(PRO)
    assert [mode for mode, _, _ in await modes(ctx, lent.id)] == ["trial"]
    ctx.clock.advance(hours=1)
    await stop_paying(ctx, alice, "shop")
    await look_at_trials(ctx)
    assert [mode for mode, _, _ in await modes(ctx, lent.id)] == ["trial", "unbilled"]
    assert (await accept_trial_end(ctx, alice, AddonKey(lent.name))).outcome == "paid"
