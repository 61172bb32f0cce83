"""What the add-ons of an app cost a month, at a glance."""

from dataclasses import replace

from broker.addons.estimates import monthly_estimate
from broker.addons.models import AddonState, Suspension
from broker.kernel.ids import new_id
from broker.kernel.money import Money
from tests.addons.conftest import World


async def test_what_is_billed_to_the_app_is_summed_up_by_currency(world: World) -> None:
    big = await world.create("store:big")
    again = [replace(big, currency="eur"), replace(big, price_cents=7, currency="eur")]
    going, elsewhere = replace(big, state=AddonState.DEPROVISIONING), replace(big, app_id=new_id())
    told = monthly_estimate([big, *again, going, elsewhere], big.app_id)
    assert told == (Money(5007, "eur"), Money(5000, "usd"))
    assert monthly_estimate([], big.app_id) == ()


async def test_what_is_suspended_costs_what_that_costs(world: World) -> None:
    big = await world.create("store:big")
    unpaid = replace(big, plan=replace(big.plan, suspended_cents=300), suspended_for=Suspension.UNPAID)
    assert monthly_estimate([unpaid], big.app_id) == (Money(300, "usd"),)
    unbilled = replace(unpaid, suspended_for=Suspension.UNBILLED)
    assert monthly_estimate([unbilled], big.app_id) == (Money(0, "usd"),)
