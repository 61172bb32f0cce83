"""Suspending what an account pays for, and bringing it back, whatever happens in between."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from broker.addons.attach import AttachAddon, attach
from broker.addons.callbacks import report_provisioned, update_config
from broker.addons.change_plan import change_plan
from broker.addons.credentials import DEFAULT, reveal_credential
from broker.addons.destroy import destroy_addon
from broker.addons.follow_account import MAY_COST, follow_account, follow_accounts
from broker.addons.models import Addon, AddonState, Suspension
from broker.addons.ports import Answer, Reply
from broker.addons.resolve import AddonKey
from broker.addons.sso import sign_on
from broker.addons.suspension import groups, resume_addons, suspend_addons
from broker.addons.taken import reserved_names
from broker.addons.tickets import Visit
from broker.apps.config_vars import get_config_vars, set_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.release_history import list_releases
from broker.billing.accrual import accrued
from broker.billing.models import BillingAccount, UsagePeriod
from broker.catalog.faults import ManifestFaults
from broker.catalog.manifest import parse
from broker.catalog.manifest_meters import is_priced
from broker.catalog.models import Plan
from broker.catalog.publish import publish
from broker.events.models import Event
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.errors import InvalidParams, PaymentRequired
from broker.kernel.secret import Secret
from tests.addons.conftest import MANIFEST, ScriptedProvider, World, done
from tests.domain import new_user


async def set_account(ctx: Context, user: Actor, **columns: datetime | None) -> None:
    """Put the account where dunning would."""
    now = ctx.clock.now()
    made = insert(BillingAccount).values(id=user.id, created_at=now, updated_at=now, **columns)
    async with ctx.database.transaction() as tx:
        await tx.execute(made.on_conflict_do_update(index_elements=["id"], set_=columns))


async def suspend(world: World) -> None:
    world.ctx.clock.advance(hours=1)
    await set_account(world.ctx, world.user, suspended_at=world.ctx.clock.now())
    await follow_account(world.ctx, world.user.id)


async def resume(world: World) -> None:
    world.ctx.clock.advance(hours=1)
    await set_account(world.ctx, world.user, suspended_at=None, deleting_at=None)
    await follow_account(world.ctx, world.user.id)


async def env(world: World, app: str = "shop") -> dict[str, str]:
    return await get_config_vars(world.ctx, world.user, app)


async def periods(ctx: Context, addon_id: UUID) -> list[tuple[str, bool]]:
    statement = select(UsagePeriod.mode, UsagePeriod.ended_at).where(UsagePeriod.addon_id == addon_id)
    async with ctx.database.transaction() as tx:
        rows = await tx.execute(statement.order_by(UsagePeriod.started_at))
        return [(mode, ended is None) for mode, ended in rows]


async def releases(world: World, app: str = "shop") -> list[str]:
    found = await list_releases(world.ctx, world.user, app, newest_first=False, limit=100)
    return [view.description for view in found]


async def kinds(ctx: Context, addon_id: UUID) -> list[str]:
    async with ctx.database.transaction() as tx:
        found = await tx.execute(select(Event.kind).where(Event.addon_id == addon_id).order_by(Event.at, Event.id))
        return list(found.scalars())


async def test_paid_addons_are_suspended_in_one_release_per_app_and_come_back_with_what_is_new(world: World) -> None:
    one, two = await world.provisioned("store:big", attachment_name="ONE"), await world.provisioned("store:huge")
    free = await world.provisioned(attachment_name="FREE")
    await create_app(world.ctx, world.user, CreateApp(name="side"))
    await attach(world.ctx, world.user, AttachAddon(AddonKey(one.name), "side", "BORROWED"))
    await set_config_vars(world.ctx, world.user, "shop", {"OWN": "1"}, reserved_names)
    before, first = await env(world), await releases(world)

    await suspend(world)

    assert sorted(await env(world)) == ["FREE_URL", "OWN"]
    assert await env(world, "side") == {}
    assert len(await releases(world)) == len(first) + 1
    assert [item for item in await releases(world) if item not in first] == ["Suspend ONE, STORE (unpaid)"]
    assert await periods(world.ctx, one.id) == [("paid", False), ("suspended", True)]
    assert await periods(world.ctx, free.id) == [("paid", True)]
    assert (await world.read(free.id)).suspended_at is None
    with pytest.raises(InvalidParams, match="Cannot overwrite attachment values"):
        await set_config_vars(world.ctx, world.user, "shop", {"ONE_URL": "mine"}, reserved_names)

    await follow_account(world.ctx, world.user.id)  # again: nothing to do
    await update_config(world.ctx, one.id, {"STORE_URL": Secret("store://new")})
    assert sorted(await env(world)) == ["FREE_URL", "OWN"]
    await resume(world)

    assert await env(world) == {**before, "ONE_URL": "store://new"}
    assert await env(world, "side") == {"BORROWED_URL": "store://new"}
    assert len(await releases(world)) == len(first) + 2
    assert await periods(world.ctx, one.id) == [("paid", False), ("suspended", False), ("paid", True)]
    assert (await world.read(two.id)).suspended_at is None
    assert (await kinds(world.ctx, two.id))[-2:] == ["addon.suspended", "addon.resumed"]


async def test_a_suspended_addon_refuses_with_what_to_do_and_still_gives_its_data_and_goes(world: World) -> None:
    addon = await world.provisioned("store:big")
    await create_app(world.ctx, world.user, CreateApp(name="side"))
    await suspend(world)
    visit = Visit(world.user.id, addon.id, addon.app_id)

    for refused in (
        change_plan(world.ctx, world.user, AddonKey(addon.name), "huge"),
        attach(world.ctx, world.user, AttachAddon(AddonKey(addon.name), "side")),
        sign_on(world.ctx, visit, "http://broker.test"),
    ):
        with pytest.raises(PaymentRequired, match="broker billing:status"):
            await refused
    assert "addon.open_refused" in await kinds(world.ctx, addon.id)
    values = await reveal_credential(world.ctx, world.user, AddonKey(addon.name), DEFAULT)
    assert values["STORE_URL"].reveal() == f"store://{addon.id}"
    assert (await kinds(world.ctx, addon.id))[-1] == "credential.revealed"

    count = len(await releases(world))
    world.ctx.clock.advance(hours=1)
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    world.provider.will(Reply(Answer.DONE, 204))
    await world.run()

    assert (await world.read(addon.id)).state is AddonState.DEPROVISIONED
    assert len(await releases(world)) == count  # its config vars had gone before
    await resume(world)
    assert await periods(world.ctx, addon.id) == [("paid", False), ("suspended", False)]


@pytest.mark.parametrize("by_callback", [False, True])
async def test_what_is_provisioned_while_the_account_is_suspended_comes_up_suspended(
    world: World, by_callback: bool
) -> None:
    addon, free = await world.create("store:big"), await world.create()
    await suspend(world)
    world.provider.will(Reply(Answer.ACCEPTED, 202) if by_callback else done("store://late"), done("store://free"))
    await world.run()
    if by_callback:
        await update_config(world.ctx, addon.id, {"STORE_URL": Secret("store://late")})
        await report_provisioned(world.ctx, addon.id)

    assert list((await env(world)).values()) == ["store://free"]
    assert await periods(world.ctx, addon.id) == [("suspended", True)]
    assert (await kinds(world.ctx, addon.id))[-1] == "addon.suspended"
    assert await periods(world.ctx, free.id) == [("paid", True)]
    await resume(world)
    assert sorted((await env(world)).values()) == ["store://free", "store://late"]


async def test_a_plan_change_that_ends_while_suspended_changes_the_plan_and_gives_nothing_out(world: World) -> None:
    addon, free = await world.provisioned("store:big"), await world.provisioned()
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "huge")
    await change_plan(world.ctx, world.user, AddonKey(free.name), "big")
    await suspend(world)
    world.provider.will(done("store://huge"), done("store://big"))
    await world.run(minutes=1)

    assert (await world.read(addon.id)).plan.slug == "huge"
    assert list((await env(world)).values()) == ["store://big"]
    assert await periods(world.ctx, addon.id) == [("paid", False), ("suspended", False), ("suspended", True)]
    await follow_accounts(world.ctx)  # what was free costs something now
    assert await env(world) == {}
    await resume(world)
    assert sorted((await env(world)).values()) == ["store://big", "store://huge"]


async def test_what_becomes_free_while_it_is_suspended_comes_back(world: World) -> None:
    addon = await world.provisioned("store:big")
    await change_plan(world.ctx, world.user, AddonKey(addon.name), "free")
    await suspend(world)
    world.provider.will(done("store://small"))
    await world.run()
    assert await env(world) == {}

    await follow_accounts(world.ctx)

    assert list((await env(world)).values()) == ["store://small"]
    assert (await world.read(addon.id)).suspended_for is None


async def test_an_environment_without_room_keeps_it_suspended_with_the_reason_until_there_is_room(world: World) -> None:
    addon = await world.provisioned("store:big")
    await suspend(world)
    await update_config(world.ctx, addon.id, {"STORE_URL": Secret("x" * 60_000)})
    full = {f"OWN_{number}": "y" * 60_000 for number in range(4)}
    await set_config_vars(world.ctx, world.user, "shop", full, reserved_names)
    await resume(world)

    view = await world.read(addon.id)
    assert view.suspended_for == "unpaid"
    assert view.reason is not None
    assert "256 KiB" in view.reason
    await set_config_vars(world.ctx, world.user, "shop", {"OWN_0": None}, reserved_names)
    assert await follow_accounts(world.ctx) == 1
    view = await world.read(addon.id)
    assert (view.suspended_for, view.reason) == (None, None)
    assert await follow_accounts(world.ctx) == 0


async def test_an_environment_without_room_holds_up_no_other_app(world: World) -> None:
    ctx = world.ctx
    names = ("shop", "blog", "wiki")
    for name in names[1:]:
        await create_app(ctx, world.user, CreateApp(name=name))
    held = {name: await replace(world, app=name).provisioned("store:big") for name in names}
    await suspend(world)
    for name in names[:2]:
        await update_config(ctx, held[name].id, {"STORE_URL": Secret("x" * 60_000)})
        full = {f"OWN_{number}": "y" * 60_000 for number in range(4)}
        await set_config_vars(ctx, world.user, name, full, reserved_names)
    await resume(world)
    seen = {name: await world.read(held[name].id) for name in names}
    assert [seen[name].suspended_for for name in names] == ["unpaid", "unpaid", None]
    assert ["256 KiB" in (seen[name].reason or "") for name in names] == [True, True, False], "each is told why"


async def test_what_can_not_be_resumed_keeps_nobody_else_waiting(world: World) -> None:
    ctx = world.ctx
    bob = replace(world, user=await new_user(ctx, "bob@example.com"), app="blog")
    await create_app(ctx, bob.user, CreateApp(name="blog"))
    first, second = sorted((world, bob), key=lambda each: each.user.id)
    full, waits = await first.provisioned("store:big"), await second.provisioned("store:big")
    await suspend(world)
    await suspend(bob)
    await update_config(ctx, full.id, {"STORE_URL": Secret("x" * 60_000)})
    taken = {f"OWN_{number}": "y" * 60_000 for number in range(4)}
    await set_config_vars(ctx, first.user, first.app, taken, reserved_names)
    for each in (first, second):
        await set_account(ctx, each.user, suspended_at=None)
    assert await follow_accounts(ctx, at_once=1) == 2
    assert (await first.read(full.id)).suspended_for == "unpaid"
    assert (await second.read(waits.id)).suspended_for is None


async def test_meters_without_a_price_leave_nothing_to_be_suspended(world: World) -> None:
    """What the sweep looks for is what can be done: otherwise it would find it again for ever."""
    tiers = [{"up_to": 5, "unit_price": "0"}, {"flat_price": 3}]
    priced: list[dict[str, object]] = [
        {},
        {"unit_price": "0"},
        {"unit_price": 0},
        {"unit_price": "0.1"},
        {"unit_price": 2},
    ]
    priced.append({"model": "volume", "tiers": tiers})
    meters = [[]] + [[{"name": "calls"}, {"name": "mails"} | price] for price in priced]
    plans = [{"name": f"p{place}", "price_cents": 0, "meters": each} for place, each in enumerate(meters)]
    manifest = MANIFEST | {"capabilities": ["usage"], "plans": [*MANIFEST["plans"], *plans]}
    await publish(world.ctx, parse(manifest), SYSTEM)
    addon = await world.provisioned("store:p1")
    async with world.ctx.database.transaction() as tx:
        found = select(Plan.meters, MAY_COST).join(Addon, Addon.id == addon.id).where(Plan.slug.like("%p_"))
        rows = (await tx.execute(found)).all()
    assert len(rows) == len(plans)
    for declared, costs in rows:
        assert costs == any(map(is_priced, declared)), declared
    assert sum(costs for _, costs in rows) == 4
    await set_account(world.ctx, world.user, suspended_at=world.ctx.clock.now())
    assert await follow_accounts(world.ctx) == 0


async def test_suspension_through_no_fault_of_the_user_is_not_billed_and_not_ended_by_paying(world: World) -> None:
    addon = await world.provisioned("store:big")
    await suspend(world)

    world.ctx.clock.advance(hours=1)
    assert await suspend_addons(world.ctx, [addon.id], Suspension.UNBILLED) == 1
    await resume(world)
    assert (await world.read(addon.id)).suspended_for == "unbilled"
    await resume_addons(world.ctx, [addon.id], Suspension.UNBILLED)

    modes = [mode for mode, _ in await periods(world.ctx, addon.id)]
    assert modes == ["paid", "suspended", "unbilled", "paid"]
    assert list((await env(world)).values()) == [f"store://{addon.id}"]


async def test_deleting_takes_what_is_suspended_and_nothing_else_and_not_after_payment(world: World) -> None:
    paid, free = await world.provisioned("store:big"), await world.provisioned()
    other = World(world.ctx, await new_user(world.ctx, "bob@example.com"), world.provider, "bobs")
    await create_app(world.ctx, other.user, CreateApp(name="bobs"))
    theirs = await other.provisioned("store:huge")
    await suspend(world)
    await set_account(world.ctx, world.user, deleting_at=world.ctx.clock.now())
    await follow_account(world.ctx, world.user.id)

    states = {each.id: (await other.read(each.id) if each is theirs else await world.read(each.id)).state
              for each in (paid, free, theirs)}  # fmt: skip
    assert states == {
        paid.id: AddonState.DEPROVISIONING, free.id: AddonState.PROVISIONED, theirs.id: AddonState.PROVISIONED,
    }  # fmt: skip
    assert await env(other, "bobs") == {"STORE_URL": f"store://{theirs.id}"}
    assert (await kinds(world.ctx, paid.id))[-1] == "addon.destroy_requested"


async def test_suspended_time_costs_the_price_of_suspension_and_unbilled_time_nothing(
    ctx: Context, alice: Actor
) -> None:
    big = {"name": "big", "price_cents": 30_000, "suspended_price_cents": 3000}
    await publish(ctx, parse({**MANIFEST, "plans": [big]}), SYSTEM)
    await create_app(ctx, alice, CreateApp(name="shop"))
    world = World(ctx, alice, ScriptedProvider())
    ctx.clock.advance(days=10)  # to the first day of December
    addon = await world.provisioned("store:big")
    ctx.clock.advance(days=3)
    await suspend(world)
    ctx.clock.advance(days=3)
    await suspend_addons(ctx, [addon.id], Suspension.UNBILLED)
    ctx.clock.advance(days=3)
    (found,) = await accrued(ctx, alice)
    days = {line.mode.value: (line.seconds / 86_400, line.minor) for line in found.now.lines}
    december = 31
    paid, halted = 3 + 1 / 24, 3
    assert days == {
        "paid": (pytest.approx(paid, abs=1e-3), pytest.approx(30_000 * paid / december, abs=1)),
        "suspended": (halted, pytest.approx(3000 * halted / december, abs=1)),
    }


def test_a_price_of_suspension_is_no_more_than_the_price() -> None:
    dear = {"name": "big", "price_cents": 100, "suspended_price_cents": 101}
    with pytest.raises(ManifestFaults, match="must not cost more"):
        parse({**MANIFEST, "plans": [dear]})


def test_addons_that_meet_on_an_app_are_one_group() -> None:
    a, b, c, d = (UUID(int=number) for number in range(1, 5))
    x, y, z = (UUID(int=number) for number in range(11, 14))
    found = groups({a: [x], b: [y], c: [x, y], d: [z]})
    assert {group.addons: group.apps for group in found} == {(a, b, c): (x, y), (d,): (z,)}


async def test_who_has_got_another_payer_meanwhile_is_not_suspended_with_the_former_one(world: World) -> None:
    addon = await world.provisioned("store:big")
    former = await new_user(world.ctx, "former@example.com")
    await set_account(world.ctx, former, suspended_at=world.ctx.clock.now())
    assert await suspend_addons(world.ctx, [addon.id], Suspension.UNPAID, account_id=former.id) == 0
    assert (await world.read(addon.id)).suspended_at is None
