"""Budgets that hold: checked before any provider is called, under a lock, as far as the month's end."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import func, select, update

from broker.accounts.authorizations import CreateAuthorization, create_authorization
from broker.accounts.models import Authorization
from broker.addons.budget_notices import look_at_budgets
from broker.addons.budget_requests import RequestState, decide_request, get_request, list_requests
from broker.addons.budget_views import BudgetView
from broker.addons.budgets import (
    SetBudget,
    change_budget,
    get_budget,
    list_budgets,
    list_notices,
    remove_budget,
    set_budget,
)
from broker.addons.change_plan import change_plan
from broker.addons.create import CreateAddon, create_addon
from broker.addons.destroy import destroy_addon
from broker.addons.models import Addon, AddonState
from broker.addons.ports import Answer, Reply
from broker.addons.queries import AddonView
from broker.addons.resolve import AddonKey
from broker.apps.create import CreateApp, create_app
from broker.billing.budgets import Policy, ScopeKind
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.events.models import Event
from broker.kernel.context import SYSTEM, Actor, Context, Scope
from broker.kernel.errors import BudgetExceeded, Conflict, Forbidden, InvalidParams, NotFound
from tests.addons.conftest import MANIFEST, World, done, make_world
from tests.domain import new_user

# It is the 21st of November, 09:54:07: of 50.00 a month, about 15.98 are left to pay, of 500.00 about 159.79.
BIG, HUGE = "store:big", "store:huge"


@pytest.fixture
async def world(ctx: Context) -> World:
    return await make_world(ctx, await new_user(ctx, "alice@example.com"))


@pytest.fixture
async def live(live_ctx: Context) -> World:
    return await make_world(live_ctx, await new_user(live_ctx, "alice@example.com"))


async def budget(
    world: World, limit: int, kind: ScopeKind = ScopeKind.ACCOUNT, scope: str | None = None, **more: object
) -> BudgetView:
    return await set_budget(world.ctx, world.user, SetBudget(kind, scope, limit, **more))


async def agent(world: World) -> Actor:
    """A token with a budget in view: one that may change add-ons, and not the account."""
    made = await create_authorization(world.ctx, world.user, CreateAuthorization("ci", [Scope.WRITE_PROTECTED]))
    return replace(world.user, scopes=frozenset({Scope.WRITE_PROTECTED}), authorization_id=made.id)


async def create(world: World, plan: str, actor: Actor | None = None, **more: object) -> AddonView:
    return await create_addon(world.ctx, actor or world.user, CreateAddon(world.app, plan, **more))


async def there(world: World) -> int:
    async with world.ctx.database.transaction() as tx:
        return (await tx.execute(select(func.count()).select_from(Addon))).scalar_one()


async def events(world: World, kind: str) -> list[dict[str, object]]:
    async with world.ctx.database.transaction() as tx:
        return list((await tx.execute(select(Event.data).where(Event.kind == kind).order_by(Event.id))).scalars())


async def test_what_would_exceed_a_budget_is_refused_before_the_provider_hears_of_it(world: World) -> None:
    await budget(world, 3000)
    await world.provisioned(BIG)
    with pytest.raises(BudgetExceeded) as refused:
        await world.create(BIG)
    assert refused.value.message == (
        "With it, the whole account would come to 31.96 USD in 2026-11, and its budget is 30.00 USD. Choose a smaller plan,"
        " raise the limit with `broker budgets:set`, or ask for approval with --request."
    )
    assert (refused.value.fields["used_minor"], refused.value.fields["amount_minor"]) == (3196, 1598)
    assert (await there(world), len(world.provider.calls)) == (1, 1)


async def test_a_month_is_counted_to_its_end_and_not_at_its_list_price(world: World) -> None:
    await budget(world, 1600)
    await world.provisioned(BIG)
    (found,) = await list_budgets(world.ctx, world.user)
    assert (found.used_minor, found.month) == (1598, "2026-11")


async def test_what_is_still_being_provisioned_counts(world: World) -> None:
    await budget(world, 3000)
    await world.create(BIG)
    with pytest.raises(BudgetExceeded):
        await world.create(BIG)


async def test_what_could_not_be_provisioned_does_not_count_any_more(world: World) -> None:
    await budget(world, 3000)
    await world.create(BIG)
    world.provider.will(Reply(Answer.REFUSED, 422, "No."))
    await world.run()
    await world.create(BIG)


async def test_two_that_fit_singly_but_not_together_are_not_both_let_in(live: World) -> None:
    """On connections of their own, five times as many as fit."""
    await budget(live, 3000)
    results = await asyncio.gather(*(create(live, BIG) for _ in range(5)), return_exceptions=True)
    kinds = sorted(type(result).__name__ for result in results)
    assert kinds == ["AddonView", *["BudgetExceeded"] * 4]
    assert await there(live) == 1


async def test_an_add_and_an_upgrade_at_the_same_moment_are_not_both_let_in(live: World) -> None:
    addon = await live.provisioned("store:free")
    await budget(live, 3000)
    both = (create(live, BIG), change_plan(live.ctx, live.user, AddonKey(addon.name), BIG))
    results = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["AddonView", "BudgetExceeded"]


async def test_an_upgrade_counts_from_now_on_and_a_downgrade_is_always_allowed(world: World) -> None:
    addon = await world.provisioned(BIG)
    found = await budget(world, 5000)
    key = AddonKey(addon.name)
    with pytest.raises(BudgetExceeded, match=r"159.79 USD"):
        await change_plan(world.ctx, world.user, key, HUGE)
    await change_budget(world.ctx, world.user, str(found.limit.id), limit_minor=20_000)
    await change_plan(world.ctx, world.user, key, HUGE)
    world.provider.will(done())
    await world.run()
    await change_budget(world.ctx, world.user, str(found.limit.id), limit_minor=100)
    await change_plan(world.ctx, world.user, key, BIG)


async def test_an_upgrade_that_is_under_way_counts(world: World) -> None:
    addon = await world.provisioned(BIG)
    await budget(world, 17_000)
    await change_plan(world.ctx, world.user, AddonKey(addon.name), HUGE)
    with pytest.raises(BudgetExceeded):
        await world.create(BIG)


async def test_a_limit_below_what_is_spent_keeps_new_cost_out_and_deletes_nothing(world: World) -> None:
    addon = await world.provisioned(BIG)
    found = await budget(world, 5000)
    await change_budget(world.ctx, world.user, str(found.limit.id), limit_minor=1)
    with pytest.raises(BudgetExceeded):
        await world.create(BIG)
    await look_at_budgets(world.ctx)
    assert (await world.read(addon.id)).state is AddonState.PROVISIONED
    await world.create("store:free")


async def test_what_is_destroyed_makes_room(world: World) -> None:
    addon = await world.provisioned(BIG)
    await budget(world, 3000)
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    await world.create(BIG)


async def test_the_smallest_of_the_budgets_that_apply_decides(world: World) -> None:
    await budget(world, 100_000)
    await budget(world, 50_000, ScopeKind.SERVICE, "store")
    await budget(world, 1000, ScopeKind.APP, "shop")
    with pytest.raises(BudgetExceeded, match=r"the app shop would come to 15.98 USD .* budget is 10.00 USD"):
        await create(world, BIG)
    await create_app(world.ctx, world.user, CreateApp(name="other"))
    await create_addon(world.ctx, world.user, CreateAddon("other", BIG))


async def test_the_budget_of_a_service_counts_what_is_of_it_on_all_apps(world: World) -> None:
    await create_app(world.ctx, world.user, CreateApp(name="other"))
    await create_addon(world.ctx, world.user, CreateAddon("other", BIG))
    await budget(world, 3000, ScopeKind.SERVICE, "store")
    with pytest.raises(BudgetExceeded, match=r"the service store would come to 31.96 USD"):
        await create(world, BIG)


async def test_a_token_is_kept_within_its_own_budget_below_that_of_the_app(world: World) -> None:
    limited = await agent(world)
    await budget(world, 10_000, ScopeKind.APP, "shop")
    await budget(world, 2000, ScopeKind.TOKEN, str(limited.authorization_id))
    await create(world, BIG)
    await create(world, BIG, limited)
    with pytest.raises(BudgetExceeded, match=r"the token ci would come to 31.96 USD"):
        await create(world, BIG, limited)
    await create(world, BIG)


async def test_a_token_that_was_narrowed_stays_within_the_budget_of_the_one_that_it_is_from(world: World) -> None:
    limited, narrower = await agent(world), await agent(world)
    narrowed = update(Authorization).where(Authorization.id == narrower.authorization_id)
    async with world.ctx.database.transaction() as tx:
        await tx.execute(narrowed.values(parent_id=limited.authorization_id))
    await budget(world, 2000, ScopeKind.TOKEN, str(limited.authorization_id))
    await create(world, BIG, narrower)
    for token in (limited, narrower):
        with pytest.raises(BudgetExceeded, match="the token ci"):
            await create(world, BIG, token)


async def test_a_token_without_room_can_still_bring_others_add_ons_to_cheaper_plans(world: World) -> None:
    addon = await world.provisioned(HUGE)
    limited = await agent(world)
    await budget(world, 1, ScopeKind.TOKEN, str(limited.authorization_id))
    await change_plan(world.ctx, limited, AddonKey(addon.name), BIG)


async def test_what_is_metered_is_not_begun_at_the_limit_and_can_be_changed_there(world: World) -> None:
    meter = {"name": "reads", "unit": "reads", "kind": "counter", "model": "unit", "unit_price": "0.1"}
    plans = [{"name": name, "human_name": name, "price_cents": 0, "meters": [meter]} for name in ("payg", "payg-too")]
    metered = {**MANIFEST, "capabilities": ["usage"], "plans": [*MANIFEST["plans"], *plans]}
    await publish(world.ctx, parse(metered), SYSTEM)
    addon = await world.provisioned("store:payg")
    await budget(world, 0)
    with pytest.raises(BudgetExceeded, match=r"would come to 0\.00 USD"):
        await create(world, "store:payg")
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "store:payg-too")


async def test_who_is_limited_can_not_lift_the_limit(world: World) -> None:
    limited = await agent(world)
    found = await budget(world, 2000, ScopeKind.TOKEN, str(limited.authorization_id))
    with pytest.raises(Forbidden, match=r"global"):
        await change_budget(world.ctx, limited, str(found.limit.id), limit_minor=10**6)
    with pytest.raises(Forbidden, match=r"global"):
        await remove_budget(world.ctx, limited, str(found.limit.id))
    with pytest.raises(Forbidden, match=r"global"):
        await set_budget(world.ctx, limited, SetBudget(ScopeKind.ACCOUNT, None, 10**6))


async def test_a_token_that_can_make_others_gets_no_budget(world: World) -> None:
    made = await create_authorization(world.ctx, world.user, CreateAuthorization("all", None))
    with pytest.raises(InvalidParams, match=r"further tokens"):
        await budget(world, 2000, ScopeKind.TOKEN, str(made.id))


async def test_a_budget_that_only_tells_refuses_nothing(world: World) -> None:
    await budget(world, 100, policy=Policy.NOTIFY)
    await world.provisioned(BIG)
    assert await look_at_budgets(world.ctx) == 3


async def test_what_is_priced_in_another_currency_does_not_slip_past(world: World) -> None:
    await budget(world, 10_000, currency="eur")
    with pytest.raises(BudgetExceeded, match=r"priced in USD, which the budget in EUR"):
        await create(world, BIG)
    await budget(world, 10_000, currency="usd")
    await create(world, BIG)


async def test_a_token_for_some_apps_is_not_told_what_the_whole_account_spends(world: World) -> None:
    addon = await world.provisioned(BIG)
    limited = replace(world.user, only_apps=frozenset({addon.app_id}))
    await budget(world, 3000)
    with pytest.raises(BudgetExceeded, match=r"the whole account would exceed its budget in 2026-11\.") as refused:
        await create(world, BIG, limited)
    assert refused.value.fields == {"amount_minor": 1598}
    await budget(world, 2000, ScopeKind.APP, "shop")
    with pytest.raises(BudgetExceeded, match=r"the app shop would come to 31\.96 USD"):
        await create(world, BIG, limited)


async def test_each_step_is_told_once_a_month(world: World) -> None:
    found = await budget(world, 3000)
    assert await look_at_budgets(world.ctx) == 0
    await world.provisioned(BIG)
    assert [await look_at_budgets(world.ctx) for _ in range(3)] == [1, 0, 0]
    await change_budget(world.ctx, world.user, str(found.limit.id), limit_minor=1598)
    assert await look_at_budgets(world.ctx) == 2
    told = [(notice.month, notice.step) for notice in await list_notices(world.ctx, world.user, str(found.limit.id))]
    assert told == [("2026-11", 100), ("2026-11", 80), ("2026-11", 50)]
    assert [event["step"] for event in await events(world, "budget.reached")] == [50, 80, 100]
    world.ctx.clock.advance(days=12)
    assert await look_at_budgets(world.ctx) == 3, "December is another month"


async def test_two_workers_tell_each_step_once(live: World) -> None:
    await live.provisioned(BIG)
    await budget(live, 1000)
    assert sorted(await asyncio.gather(*(look_at_budgets(live.ctx) for _ in range(4)))) == [0, 0, 0, 3]


async def test_what_is_approved_is_good_for_that_one_operation(world: World) -> None:
    limited = await agent(world)
    await budget(world, 100)
    with pytest.raises(BudgetExceeded, match=r"Approval was asked for: request .* repeat the same command") as refused:
        await create(world, BIG, limited, ask=True)
    with pytest.raises(BudgetExceeded):
        await create(world, BIG, limited, ask=True)
    (request,) = await list_requests(world.ctx, world.user)
    assert (str(request.id), request.what, request.amount_minor) == (
        refused.value.fields["request"], "store:big on shop", 1598,
    )  # fmt: skip
    with pytest.raises(Forbidden, match=r"global"):
        await decide_request(world.ctx, limited, str(request.id), RequestState.APPROVED)
    await decide_request(world.ctx, world.user, str(request.id), RequestState.APPROVED)
    with pytest.raises(BudgetExceeded):
        await create(world, HUGE, limited)
    await create(world, BIG, limited)
    assert (await get_request(world.ctx, world.user, str(request.id))).used_at is not None
    with pytest.raises(BudgetExceeded):
        await create(world, BIG, limited)


async def test_an_upgrade_can_be_approved_too(world: World) -> None:
    addon = await world.provisioned(BIG)
    await budget(world, 2000)
    key = AddonKey(addon.name)
    with pytest.raises(BudgetExceeded, match=r"request"):
        await change_plan(world.ctx, world.user, key, "huge", ask=True)
    (request,) = await list_requests(world.ctx, world.user)
    await decide_request(world.ctx, world.user, str(request.id), RequestState.APPROVED)
    with pytest.raises(BudgetExceeded):
        await create(world, HUGE)
    await change_plan(world.ctx, world.user, key, "huge")


async def test_a_request_that_is_refused_or_too_old_helps_nobody(world: World) -> None:
    await budget(world, 100)
    for decision, days in ((RequestState.REFUSED, 0.0), (RequestState.APPROVED, 8.0)):
        with pytest.raises(BudgetExceeded):
            await create(world, BIG, ask=True)
        request = (await list_requests(world.ctx, world.user))[0]
        await decide_request(world.ctx, world.user, str(request.id), decision)
        world.ctx.clock.advance(days=days, seconds=1)
        with pytest.raises(BudgetExceeded):
            await create(world, BIG)
    with pytest.raises(Conflict, match=r"asked for anew"):
        await decide_request(world.ctx, world.user, str(request.id), RequestState.APPROVED)


async def test_setting_a_budget_again_changes_it(world: World) -> None:
    first = await budget(world, 100, ScopeKind.APP, "shop")
    second = await budget(world, 200, ScopeKind.APP, "shop", policy=Policy.NOTIFY)
    assert (second.limit.id, second.limit.limit_minor, second.limit.policy) == (first.limit.id, 200, Policy.NOTIFY)
    removed = await remove_budget(world.ctx, world.user, str(first.limit.id))
    assert (removed.title, await list_budgets(world.ctx, world.user)) == ("the app shop", [])


async def test_the_budgets_of_others_are_not_there(world: World) -> None:
    found = await budget(world, 100)
    mallory = await new_user(world.ctx, "mallory@example.com")
    for deed in (get_budget, list_notices, remove_budget):
        with pytest.raises(NotFound):
            await deed(world.ctx, mallory, str(found.limit.id))
    with pytest.raises(NotFound):
        await set_budget(world.ctx, mallory, SetBudget(ScopeKind.APP, "shop", 1))
    assert await list_budgets(world.ctx, mallory) == []


@pytest.mark.parametrize(
    ("kind", "scope", "limit", "currency"),
    [
        (ScopeKind.ACCOUNT, None, -1, "usd"),
        (ScopeKind.ACCOUNT, None, 1, "dollars"),
        (ScopeKind.APP, None, 1, "usd"),
        (ScopeKind.ACCOUNT, None, 10**12 + 1, "usd"),
    ],
)
async def test_what_is_no_budget_is_refused(
    world: World, kind: ScopeKind, scope: str | None, limit: int, currency: str
) -> None:
    with pytest.raises(InvalidParams):
        await budget(world, limit, kind, scope, currency=currency)
