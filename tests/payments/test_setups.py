"""Adding a payment method on the gateway's page, and what an account may have because of it."""

from dataclasses import replace

import pytest
from sqlalchemy import select, text

from broker.addons.change_plan import change_plan
from broker.addons.create import CreateAddon, create_addon
from broker.addons.handover import accept_app_transfer
from broker.addons.resolve import AddonKey
from broker.apps.create import CreateApp, create_app
from broker.apps.transfers import offer_app
from broker.kernel.context import Context, Rules
from broker.kernel.errors import Conflict, NotFound, Unverified
from broker.payments.methods import list_methods, remove_method
from broker.payments.models import PaymentSetup
from broker.payments.news import take_news
from broker.payments.ports import MethodFacts, SetupDone, SetupOver
from broker.payments.setups import begin_setup, get_setup
from broker.payments.standing import standing_of
from broker.payments.transfers import verify_account
from tests.addons.conftest import World, make_world
from tests.billing.test_books import billed
from tests.domain import new_user
from tests.payments.fake import FakeGateway, kinds, later, news, states_of, work

CARD = MethodFacts("pm_1", "visa", "4242", 12, 2040)


@pytest.fixture
async def world(ctx: Context) -> World:
    ctx = replace(ctx, rules=Rules(paid_plans_need_verification=True, public_url="https://broker.test"))
    return await make_world(ctx, await new_user(ctx, "alice@example.com"))


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


async def opened(world: World, gateway: FakeGateway) -> str:
    """The id of a setup whose page is there."""
    setup_id = await begin_setup(world.ctx, world.user)
    await work(world.ctx, gateway)
    return str(setup_id)


async def test_a_card_is_added_by_its_user_and_pays_what_was_left_unpaid(world: World, gateway: FakeGateway) -> None:
    ctx = world.ctx
    await billed(world, 1000)
    setup = await opened(world, gateway)
    shown = await get_setup(ctx, world.user, setup)
    assert (shown.state, shown.url) == ("open", f"https://gateway.test/pay/{setup}")
    with pytest.raises(NotFound):
        await get_setup(ctx, await new_user(ctx, "mallory@example.com"), setup)
    gateway.setups[f"cs_{setup}"] = SetupDone(CARD)
    assert await take_news(ctx, "fake", news(f"cs_{setup}"))
    await work(ctx, gateway)
    done = await get_setup(ctx, world.user, setup, look=True)
    (method,) = await list_methods(ctx, world.user)
    assert (done.state, done.method_id) == ("done", method.id)
    assert (method.brand, method.last4, method.is_default) == ("visa", "4242", True)
    await work(ctx, gateway)
    assert await states_of(ctx, world.user) == [(1, "succeeded")]
    assert await kinds(ctx) == ["payment_method.added", "payment.succeeded"]
    await remove_method(ctx, world.user, str(method.id))
    await work(ctx, gateway)
    assert gateway.forgotten == ["pm_1"]


async def test_a_page_that_nobody_uses_is_over(world: World, gateway: FakeGateway) -> None:
    ctx = world.ctx
    setup = await opened(world, gateway)
    later(ctx, minutes=2)
    await work(ctx, gateway)
    assert (await get_setup(ctx, world.user, setup)).state == "open"
    gateway.setups[f"cs_{setup}"] = SetupOver()
    later(ctx, minutes=2)
    await work(ctx, gateway)
    assert (await get_setup(ctx, world.user, setup)).state == "over"
    assert await list_methods(ctx, world.user) == []


async def test_pages_are_not_opened_without_end_nor_without_a_gateway(world: World) -> None:
    ctx = world.ctx
    with pytest.raises(Conflict, match="No payment gateway"):
        await begin_setup(replace(ctx, rules=Rules()), world.user)
    for _ in range(20):
        await begin_setup(ctx, world.user)
    with pytest.raises(Conflict, match="Too many"):
        await begin_setup(ctx, world.user)
    async with ctx.database.transaction() as tx:
        assert len((await tx.execute(select(PaymentSetup.id))).all()) == 20


async def test_paid_plans_need_a_payment_method_or_the_word_of_an_operator(
    world: World, gateway: FakeGateway, ctx: Context
) -> None:
    operator = replace(await new_user(ctx, "olga@example.com"), is_operator=True)
    await world.provisioned("store:free")

    async def add() -> None:
        await create_addon(world.ctx, world.user, CreateAddon("shop", "store:big"))

    async def verified() -> bool:
        async with ctx.database.transaction() as tx:
            return (await standing_of(tx, world.user.id)).is_verified

    with pytest.raises(Unverified, match=r"https://broker\.test/account/payment"):
        await add()
    assert not await verified()
    await verify_account(ctx, operator, "Alice@Example.com")
    assert await verified()
    await add()
    await verify_account(ctx, operator, "alice@example.com", exempt=False)
    with pytest.raises(Unverified):
        await add()
    setup = await opened(world, gateway)
    gateway.setups[f"cs_{setup}"] = SetupDone(CARD)
    later(ctx, seconds=10)
    await work(ctx, gateway)
    await add()
    for somebody, email in ((world.user, "alice@example.com"), (operator, "nobody@example.com")):
        with pytest.raises(NotFound):
            await verify_account(ctx, somebody, email)


async def test_a_paid_plan_is_not_changed_to_without_a_payment_method(world: World) -> None:
    addon = await world.provisioned("store:free")
    with pytest.raises(Unverified):
        await change_plan(world.ctx, world.user, AddonKey(addon.name), "store:big")


async def test_an_account_stays_in_the_currency_of_its_first_invoice(world: World) -> None:
    ctx = replace(world.ctx, rules=Rules())
    async with ctx.database.transaction() as tx:
        await tx.execute(text("update plans set currency = 'eur' where slug = 'huge'"))
    await billed(world, 1000)
    mine = World(ctx, world.user, world.provider)
    with pytest.raises(Conflict, match="priced in EUR, and the account that pays is billed in USD"):
        await mine.create("store:huge")
    addon = await mine.provisioned("store:big")
    with pytest.raises(Conflict, match="billed in USD"):
        await change_plan(ctx, world.user, AddonKey(addon.name), "store:huge")
    mallory = await new_user(ctx, "mallory@example.com")
    await create_app(ctx, mallory, CreateApp(name="abroad"))
    await World(ctx, mallory, world.provider, "abroad").provisioned("store:huge")
    await offer_app(ctx, mallory, "abroad", world.user.email)
    with pytest.raises(Conflict, match="billed in USD"):
        await accept_app_transfer(ctx, world.user, "abroad")
