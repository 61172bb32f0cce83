"""What is less than gateways take is carried to the next invoice, in every currency."""

from dataclasses import replace

import pytest

from broker.billing.bill import facts_of, terms_from
from broker.billing.collectable import collectable_minor
from broker.billing.history import History
from broker.billing.pricing import Terms
from broker.kernel.ids import new_id
from broker.kernel.money import exponent
from tests.billing.test_close import NOVEMBER


@pytest.mark.parametrize(
    ("currency", "least"),
    [("usd", 50), ("gbp", 30), ("jpy", 50), ("huf", 17_500), ("krw", 900), ("kwd", 200), ("cny", 450), ("xxx", 50)],
)
def test_every_currency_has_an_amount_from_which_on_it_is_collected(currency: str, least: int) -> None:
    assert collectable_minor(currency) == least
    assert exponent(currency) < 3 or least % 10 == 0
    history = History(Terms(new_id(), currency), NOVEMBER, ())
    bare = history.statement(currency, at=NOVEMBER.end)
    assert [replace(bare, net_minor=minor).is_collected for minor in (least - 1, least)] == [False, True]


def test_an_old_bill_goes_by_what_held_when_it_was_closed() -> None:
    class Stored:
        account_id, currency, carried_minor = new_id(), "huf", 0
        terms = {"tax": None, "discount_bp": 0, "credits": []}  # noqa: RUF012 - a row, as it was stored before

    agreed, _ = terms_from(Stored)
    again = History(agreed, NOVEMBER, ()).statement("huf", at=NOVEMBER.end)
    assert again.collectable_minor == 50
    assert facts_of(History(agreed, NOVEMBER, ()), again)["terms"] == Stored.terms
    now = History(Terms(new_id(), "huf"), NOVEMBER, ())
    facts = facts_of(now, now.statement("huf", at=NOVEMBER.end))
    assert facts["terms"]["collectable_minor"] == 17_500
