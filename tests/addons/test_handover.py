"""Who pays from which instant on: payers in the owner's place, apps given away, add-ons billed elsewhere. Real PostgreSQL."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import select

from broker.addons.billed_names import billed_names
from broker.addons.budgets import SetBudget, set_budget
from broker.addons.change_plan import change_plan
from broker.addons.costs import account_costs
from broker.addons.destroy import destroy_addon, destroy_app_with_addons
from broker.addons.handover import accept_app_transfer, agree_to_pay, stop_paying
from broker.addons.locks import lock_addon
from broker.addons.models import Addon
from broker.addons.ports import Answer, Reply
from broker.addons.resolve import AddonKey, read_addon
from broker.addons.taken import reserved_names
from broker.addons.transfer import accept_addon, list_addon_transfers, move_addon, offer_addon
from broker.apps.collaborators import add_collaborator, list_collaborators
from broker.apps.config_vars import get_config_vars, set_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.offers import TransferState
from broker.apps.payers import PayerState, ask_payer, decline_payer, list_payers, payer_of_app
from broker.apps.queries import get_app
from broker.apps.transfers import list_transfers, offer_app
from broker.billing.budgets import ScopeKind
from broker.billing.check import check_some
from broker.billing.close import close_due
from broker.billing.models import Invoice, InvoiceLine, UsagePeriod
from broker.kernel.context import Actor, Context
from broker.kernel.errors import BrokerError, BudgetExceeded, Conflict, Forbidden, InvalidParams, NotFound
from tests.addons.conftest import World, done, make_world
from tests.domain import new_user

BIG, HUGE = "store:big", "store:huge"
OPERATOR = Actor(UUID(int=1), "olga@example.com", frozenset({"global"}), is_operator=True)  # type: ignore[arg-type]


@pytest.fixture
async def bob(ctx: Context) -> Actor:
    return await new_user(ctx, "bob@example.com")


async def periods(ctx: Context, addon_id: UUID) -> list[tuple[UUID, datetime, datetime | None]]:
    async with ctx.database.transaction() as tx:
        found = select(UsagePeriod.payer_id, UsagePeriod.started_at, UsagePeriod.ended_at)
        rows = await tx.execute(found.where(UsagePeriod.addon_id == addon_id).order_by(UsagePeriod.started_at))
        return [tuple(row) for row in rows]


async def pays(ctx: Context, payer: Actor, asker: Actor, app: str = "shop") -> None:
    await ask_payer(ctx, asker, app, payer.email)
    await agree_to_pay(ctx, payer, app)


async def bills(ctx: Context) -> dict[str, list[tuple[str, str, str, int]]]:
    """Closes November; the lines by the e-mail address of whoever owes them."""
    ctx.clock._at = datetime(2026, 12, 5, tzinfo=UTC)
    while (await close_due(ctx, billed_names)).more:
        pass
    checked = await check_some(ctx, OPERATOR)
    assert checked.differences == []
    async with ctx.database.transaction() as tx:
        lines = select(Invoice.email, InvoiceLine.app, InvoiceLine.addon, InvoiceLine.plan, InvoiceLine.minor)
        found: dict[str, list[tuple[str, str, str, int]]] = {}
        for email, *line in await tx.execute(
            lines.join(Invoice, Invoice.id == InvoiceLine.invoice_id).order_by(Invoice.email, InvoiceLine.number)
        ):
            found.setdefault(email, []).append(tuple(line))
        return found


async def test_whoever_agreed_to_pay_is_billed_from_that_instant_and_sees_costs_and_no_app(
    world: World, ctx: Context, alice: Actor, bob: Actor, mallory: Actor
) -> None:
    addon = await world.provisioned(BIG)
    asked = await ask_payer(ctx, alice, "shop", "BOB@example.com")
    assert (asked.state, asked.payer_email, asked.owner_email) == (PayerState.PENDING, bob.email, alice.email)
    with pytest.raises(Conflict, match="asked already"):
        await ask_payer(ctx, alice, "shop", mallory.email)
    with pytest.raises(NotFound):
        await agree_to_pay(ctx, mallory, "shop")
    with pytest.raises(Forbidden):
        await agree_to_pay(ctx, alice, "shop")
    begun = ctx.clock.now()
    agreed = ctx.clock.advance(days=2)
    assert (await agree_to_pay(ctx, bob, "shop")).state is PayerState.ACCEPTED
    with pytest.raises(Conflict, match="accepted already"):
        await agree_to_pay(ctx, bob, "shop")
    assert await periods(ctx, addon.id) == [(alice.id, begun, agreed), (bob.id, agreed, None)]
    with pytest.raises(NotFound):
        await get_app(ctx, bob, "shop")
    with pytest.raises(NotFound):
        await get_config_vars(ctx, bob, "shop")
    (seen,) = await account_costs(ctx, bob, app="shop")
    assert [(line.app_name, line.addon_name, line.forecast.price.plan) for line in seen.lines] == [
        ("shop", addon.name, "big")
    ]
    assert (await payer_of_app(ctx, alice, "shop")).payer_email == bob.email
    ended = ctx.clock.advance(days=1)
    assert (await stop_paying(ctx, bob, "shop")).state is PayerState.ENDED
    assert await periods(ctx, addon.id) == [
        (alice.id, begun, agreed),
        (bob.id, agreed, ended),
        (alice.id, ended, None),
    ]
    assert [view.state for view in await list_payers(ctx, alice)] == [PayerState.ENDED]
    found = await bills(ctx)
    assert {email: [line[:3] for line in lines] for email, lines in found.items()} == {
        alice.email: [("shop", addon.name, "big")],
        bob.email: [("shop", addon.name, "big")],
    }
    whole = 5000 * int((datetime(2026, 12, 1, tzinfo=UTC) - begun).total_seconds()) / (30 * 86400)
    assert abs(found[alice.email][0][3] + found[bob.email][0][3] - whole) <= 0.5


async def test_what_is_refused_or_taken_back_changes_nothing_and_the_payers_budget_decides(
    world: World, ctx: Context, alice: Actor, bob: Actor
) -> None:
    await ask_payer(ctx, alice, "shop", bob.email)
    assert (await decline_payer(ctx, bob, "shop")).state is PayerState.DECLINED
    await ask_payer(ctx, alice, "shop", bob.email)
    assert (await stop_paying(ctx, alice, "shop")).state is PayerState.WITHDRAWN
    with pytest.raises(InvalidParams):
        await ask_payer(ctx, alice, "shop", alice.email)
    await set_budget(ctx, bob, SetBudget(ScopeKind.ACCOUNT, None, 2000))
    addon = await world.provisioned(HUGE)
    await ask_payer(ctx, alice, "shop", bob.email)
    with pytest.raises(BudgetExceeded, match="the whole account would come to"):
        await agree_to_pay(ctx, bob, "shop")
    assert [payer for payer, _, _ in await periods(ctx, addon.id)] == [alice.id]
    await destroy_addon(ctx, alice, AddonKey(addon.name))
    await agree_to_pay(ctx, bob, "shop")
    with pytest.raises(BudgetExceeded, match=r"a budget of whoever pays .* would be exceeded in 2026-11\. Choose"):
        await world.create(HUGE)
    await world.create(BIG)
    with pytest.raises(Forbidden, match=r"bob@example\.com pays"):
        await set_budget(ctx, alice, SetBudget(ScopeKind.APP, "shop", 100))
    mine = await set_budget(ctx, bob, SetBudget(ScopeKind.APP, "shop", 100))
    assert mine.scope_name == "shop"


async def test_an_app_given_away_takes_its_add_ons_and_their_bill_along_and_its_former_owner_sees_nothing(
    world: World, ctx: Context, alice: Actor, bob: Actor, mallory: Actor
) -> None:
    addon = await world.provisioned(BIG)
    coming = await world.create(BIG)
    await add_collaborator(ctx, alice, "shop", bob.email)
    await add_collaborator(ctx, alice, "shop", mallory.email)
    await pays(ctx, mallory, alice)
    offer = await offer_app(ctx, alice, "shop", bob.email)
    with pytest.raises(Conflict, match="offered to somebody already"):
        await offer_app(ctx, alice, "shop", mallory.email)
    with pytest.raises(Forbidden):
        await accept_app_transfer(ctx, alice, str(offer.id))
    taken = ctx.clock.advance(days=3)
    assert (await accept_app_transfer(ctx, bob, "shop")).state is TransferState.ACCEPTED
    with pytest.raises(Conflict, match="accepted already"):
        await accept_app_transfer(ctx, bob, str(offer.id))
    with pytest.raises(NotFound):
        await get_app(ctx, alice, "shop")
    with pytest.raises(NotFound):
        await read_addon(ctx, alice, AddonKey(addon.name))
    assert [(one.email, one.role.value) for one in await list_collaborators(ctx, bob, "shop")] == [
        (bob.email, "owner"),
        (mallory.email, "collaborator"),
    ]
    assert await set_config_vars(ctx, bob, "shop", {"A": "b"}, reserved_names) == {
        "STORE_URL": f"store://{addon.id}",
        "A": "b",
    }
    assert [payer for payer, _, _ in await periods(ctx, addon.id)][-1] == bob.id
    world.provider.will(done(f"store://{coming.id}"))
    await world.run()
    assert await periods(ctx, coming.id) == [(bob.id, taken, None)]
    assert [view.state for view in await list_transfers(ctx, alice)] == [TransferState.ACCEPTED]
    assert [view.state for view in await list_payers(ctx, mallory)] == [PayerState.ENDED]
    with pytest.raises(NotFound):
        await destroy_app_with_addons(ctx, alice, "shop")


async def test_an_add_on_is_billed_to_another_app_from_the_instant_on_and_keeps_its_values_and_attachments(
    world: World, ctx: Context, alice: Actor, bob: Actor
) -> None:
    addon = await world.provisioned(BIG)
    await create_app(ctx, alice, CreateApp(name="second"))
    await create_app(ctx, bob, CreateApp(name="bobs"))
    moved_at = ctx.clock.advance(days=1)
    assert (await move_addon(ctx, alice, AddonKey(addon.name), "second")).app_name == "second"
    for app in ("shop", "second"):
        assert (await get_config_vars(ctx, alice, app))["STORE_URL"] == f"store://{addon.id}"
    await offer_addon(ctx, alice, AddonKey(addon.name), bob.email)
    world.provider.will(Reply(Answer.DONE, 200))
    await change_plan(ctx, alice, AddonKey(addon.name), HUGE)
    with pytest.raises(Conflict, match="under way"):
        await accept_addon(ctx, bob, addon.name, "bobs")
    changed = ctx.clock.advance(days=1)
    await world.run()
    with pytest.raises(Forbidden):
        await accept_addon(ctx, alice, addon.name, "second")
    given = ctx.clock.advance(days=1)
    assert (await accept_addon(ctx, bob, addon.name, "bobs")).state is TransferState.ACCEPTED
    assert (await get_config_vars(ctx, bob, "bobs"))["STORE_URL"] == f"store://{addon.id}"
    assert [(payer, start) for payer, start, _ in await periods(ctx, addon.id)][1:] == [
        (alice.id, moved_at),
        (alice.id, changed),
        (bob.id, given),
    ]
    async with ctx.database.transaction() as tx:
        locked = await lock_addon(tx, ctx, addon.id)
    assert locked is not None
    assert (locked.payer_id, len(locked.apps)) == (bob.id, 3)
    with pytest.raises(Forbidden):
        await destroy_addon(ctx, alice, AddonKey(addon.name), force=True)
    assert [view.state for view in await list_addon_transfers(ctx, bob)] == [TransferState.ACCEPTED]
    found = await bills(ctx)
    assert {email: {line[0] for line in lines} for email, lines in found.items()} == {
        alice.email: {"second"},
        bob.email: {"bobs"},
    }


async def raced(*deeds: object) -> list[object]:
    return [
        result if isinstance(result, BrokerError) else "done"
        for result in await asyncio.gather(*deeds, return_exceptions=True)  # type: ignore[call-overload]
    ]


async def test_of_what_happens_at_once_each_is_before_or_after_the_transfer(live_ctx: Context) -> None:
    ctx = live_ctx
    alice, bob = await new_user(ctx, "alice@example.com"), await new_user(ctx, "bob@example.com")
    world = await make_world(ctx, alice)
    addon = await world.provisioned(BIG)
    offer = await offer_app(ctx, alice, "shop", bob.email)
    ctx.clock.advance(days=1)
    took = await raced(*(accept_app_transfer(ctx, bob, str(offer.id)) for _ in range(4)))
    assert sorted(map(str, map(type, took))) == sorted(map(str, map(type, ["done", *[Conflict("")] * 3])))
    assert [payer for payer, _, _ in await periods(ctx, addon.id)] == [alice.id, bob.id]

    await offer_app(ctx, bob, "shop", alice.email)
    ctx.clock.advance(days=1)
    took = await raced(
        accept_app_transfer(ctx, alice, "shop"),
        change_plan(ctx, bob, AddonKey(addon.name), HUGE),
        set_config_vars(ctx, bob, "shop", {"MINE": "no"}, reserved_names),
    )
    assert took[0] == "done"
    assert all(isinstance(each, NotFound | Forbidden) or each == "done" for each in took[1:])
    world.provider.will(Reply(Answer.DONE, 200))
    await world.run(seconds=1)
    (*_, last) = await periods(ctx, addon.id)
    assert (last[0], last[2]) == (alice.id, None)

    await offer_app(ctx, alice, "shop", bob.email)
    ctx.clock.advance(days=1)
    took = await raced(accept_app_transfer(ctx, bob, "shop"), destroy_app_with_addons(ctx, alice, "shop"))
    assert sum(each == "done" for each in took) == 1
    (*_, last) = await periods(ctx, addon.id)
    assert (last[0], last[2]) == ((bob.id, None) if took[0] == "done" else (alice.id, ctx.clock.now()))


async def test_an_add_on_that_moves_while_it_is_changed_or_destroyed_ends_in_one_place(live_ctx: Context) -> None:
    ctx = live_ctx
    alice = await new_user(ctx, "alice@example.com")
    world = await make_world(ctx, alice)
    await create_app(ctx, alice, CreateApp(name="second"))
    await create_app(ctx, alice, CreateApp(name="third"))
    addon = await world.provisioned(BIG)
    key = AddonKey(addon.name)
    ctx.clock.advance(days=1)
    took = await raced(
        move_addon(ctx, alice, key, "second"), change_plan(ctx, alice, key, HUGE), move_addon(ctx, alice, key, "third")
    )
    assert all(each == "done" or isinstance(each, Conflict) for each in took), took
    world.provider.will(Reply(Answer.DONE, 200, config=done("store://2").config))
    await world.run(seconds=1)
    here = (await read_addon(ctx, alice, key)).app_name
    given = (await get_config_vars(ctx, alice, here))["STORE_URL"]
    assert given == ("store://2" if took[1] == "done" else f"store://{addon.id}")
    async with ctx.database.transaction() as tx:
        open_now = select(UsagePeriod.app_id, UsagePeriod.plan).where(UsagePeriod.ended_at.is_(None))
        ((app_id, plan),) = (await tx.execute(open_now)).all()
        assert app_id == (await tx.execute(select(Addon.app_id).where(Addon.id == addon.id))).scalar_one()
    assert plan == ("huge" if took[1] == "done" else "big")
    ctx.clock.advance(days=1)
    other = "second" if here != "second" else "third"
    took = await raced(destroy_addon(ctx, alice, key, force=True), move_addon(ctx, alice, key, other))
    assert took[0] == "done"
    assert (await periods(ctx, addon.id))[-1][2] == ctx.clock.now()
    async with ctx.database.transaction() as tx:
        assert (await tx.execute(open_now)).all() == []
