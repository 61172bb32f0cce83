"""What was spent over the months: billed, accrued, taken back; by whom it was paid."""

from dataclasses import replace

from broker.addons.spend_history import Spent, months_until, spend_history
from broker.apps.tags import change_app_tags
from broker.billing.credit_notes import TakenBack, write_credit_note
from broker.kernel.context import Actor
from tests.addons.conftest import World
from tests.billing.test_books import billed
from tests.billing.test_close import after, close_all
from tests.domain import new_user


def minor(spent: Spent) -> tuple[str, str, int, int]:
    return spent.month, spent.service, spent.minor, spent.coming_minor


async def test_months_are_what_was_billed_and_the_present_one_what_has_accrued(world: World, alice: Actor) -> None:
    ctx = world.ctx
    await world.provisioned("store:big")
    (so_far,) = (await spend_history(ctx, alice, 3)).spent
    assert (so_far.month, so_far.app, so_far.minor) == ("2026-11", "shop", 0)
    number = await billed(world, 1000)
    found = await spend_history(ctx, alice, 3)
    assert found.months == ["2026-10", "2026-11", "2026-12"]
    november = [each for each in found.spent if each.month == "2026-11"]
    whole = sum(each.minor for each in november)
    assert whole == so_far.coming_minor + 1000
    (december,) = [each for each in found.spent if each.month == "2026-12"]
    assert december.minor + december.coming_minor == 5000
    assert 0 < december.minor < 1000
    operator = replace(await new_user(ctx, "olga@example.com"), is_operator=True)
    await write_credit_note(ctx, operator, number, "too slow", [TakenBack(1, 300)])
    found = await spend_history(ctx, alice, 2)
    assert sum(each.minor for each in found.spent if each.month == "2026-11") == whole - 300
    assert (await spend_history(ctx, await new_user(ctx, "zoe@example.com"))).spent == []


async def test_a_month_that_is_over_but_not_closed_is_there_too(world: World, alice: Actor) -> None:
    await world.provisioned("store:big")
    await change_app_tags(world.ctx, alice, "shop", {"team": "growth"})
    after(world.ctx)
    open_ = await spend_history(world.ctx, alice, 2)
    await close_all(world.ctx)
    closed = await spend_history(world.ctx, alice, 2)
    await change_app_tags(world.ctx, alice, "shop", {"team": "core"})
    assert [minor(each) for each in open_.spent] == [minor(each) for each in closed.spent]
    assert [each.tags for each in closed.spent] == [{"team": "growth"}] * 2, "a bill keeps its own"
    assert [each.month for each in closed.spent] == ["2026-11", "2026-12"]


def test_months_go_on_over_the_year_s_end() -> None:
    assert months_until("2027-02", 4) == ["2026-11", "2026-12", "2027-01", "2027-02"]
