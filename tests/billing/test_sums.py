"""Readings that the database sums up come to what they come to one by one."""

import random
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, text

from broker.billing.history import account_of, history_of
from broker.billing.models import UsageEvent, UsagePeriod
from broker.billing.months import month_at
from broker.kernel.context import Context
from broker.kernel.ids import new_id
from tests.addons.conftest import make_world
from tests.domain import new_user

NOVEMBER = month_at(2026, 11)
KINDS = ["counter", "maximum", "unique", "last", "average", "cumulative"]
ADDONS = 120


def random_moments(chance: random.Random, count: int) -> list[Any]:
    """Instants from a week before the month to a week after it; many of them are the same."""
    days = chance.choices([-7, -1, 0, 0.5, 1, 10, 10, 20, 29, 30, 31], k=count)
    return [NOVEMBER.start + timedelta(days=day, seconds=chance.choice([0, 0, 1, 40_000])) for day in days]


def random_history(chance: random.Random) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The periods of one add-on with meters of one kind or of changing kinds, and what was reported of it."""
    addon_id, kinds = new_id(), chance.choice([KINDS[:3], KINDS[:1], ["average"], ["cumulative"], KINDS])
    moments = sorted(set(random_moments(chance, chance.randint(2, 5))))
    if len(moments) < 2:
        return [], []
    kind_of = dict.fromkeys(("rows", "other"), "")
    periods = []
    for start, end in zip(moments, [*moments[1:-1], chance.choice([None, moments[-1]])], strict=False):
        if not kind_of["rows"] or chance.random() < 0.3:
            kind_of = {name: chance.choice(kinds) for name in kind_of}
        meters = [{"name": name, "kind": kind, "unit_price": "7.3"} for name, kind in kind_of.items()]
        mode = chance.choice(["paid", "paid", "paid", "trial", "unbilled"])
        more = {"terms": {"meters": meters}, "mode": mode, "plan": chance.choice("ab")}
        periods.append({"id": new_id(), "addon_id": addon_id, "started_at": start, "ended_at": end} | more)
    events: list[dict[str, Any]] = [
        {
            "id": f"{addon_id} {number}",
            "addon_id": addon_id,
            "meter": chance.choice(["rows", "rows", "other", "unknown"]),
            "quantity": chance.choice(["0.000000000001", "3", "12.5", "-4" if kinds == KINDS[:1] else "4"]),
            "at": at,
            "subject": chance.choice(["", "a", "b"]),
            "source": chance.choice(["store", "store B", "store a"]),
            "voids": None,
        }
        for number, at in enumerate(random_moments(chance, chance.randint(0, 25)))
    ]
    if events and chance.random() < 0.2:
        gone = chance.choice(events)
        events.append(gone | {"id": f"{addon_id} void", "meter": "", "quantity": "0", "voids": gone["id"]})
    return periods, events


async def test_a_statement_of_sums_is_the_statement_of_every_reading(ctx: Context) -> None:
    alice = await new_user(ctx, "alice@example.com")
    await make_world(ctx, alice)
    chance = random.Random(20261121)
    until = NOVEMBER.start + timedelta(days=10, seconds=1, milliseconds=500)
    async with ctx.database.transaction() as tx:
        plan_id = (await tx.execute(text("select id from plans limit 1"))).scalar_one()
        usual = {"app_id": new_id(), "payer_id": alice.id, "plan_id": plan_id, "price_cents": 900, "currency": "usd"}
        told = {"digest": b"", "received_at": NOVEMBER.start}
        for _ in range(ADDONS):
            periods, events = random_history(chance)
            if periods:
                await tx.execute(insert(UsagePeriod), [usual | {"service": "store"} | period for period in periods])
            if events:
                await tx.execute(insert(UsageEvent), [told | event for event in events])
        terms, _ = await account_of(tx, alice.id)
        every = await history_of(tx, terms, NOVEMBER)
        summed = await history_of(tx, terms, NOVEMBER, ends=[until])
    for at in (until, NOVEMBER.end):
        assert summed.statement("usd", at=at) == every.statement("usd", at=at)
    metered = [line for line in every.statement("usd", at=NOVEMBER.end).lines if line.meter and line.quantity]
    assert {line.meter.kind for line in metered if line.meter} == set(KINDS)
    assert len(summed.readings) < len(every.readings) * 0.7
