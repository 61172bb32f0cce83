"""The books when money comes and goes at random; and that whatever is wrong in them is found."""

import random
from dataclasses import replace
from typing import Any

from sqlalchemy import text

from broker.billing.collect import record_collected, record_refunded
from broker.billing.credit_notes import TakenBack, write_credit_note
from broker.billing.credits import NewCredit, grant_credit
from broker.billing.invoices import any_document, issue_finalized
from broker.billing.ledger import collected_on, owed_on
from broker.billing.months import month_at
from broker.billing.pricing import CreditKind
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Conflict, InvalidParams
from broker.payouts.draft import draft_payouts
from broker.payouts.move import approve_payouts, fail_payout, mark_paid
from tests.addons.conftest import World
from tests.billing.test_books import billed, damage, differences
from tests.billing.test_close import after, close_all, invoices, ledger, used
from tests.billing.test_collect import collected
from tests.domain import SavepointDatabase, new_user


async def taxed(ctx: Context, user: Actor, rate: str, *, inclusive: bool) -> None:
    tax = f'{{"rate": "{rate}", "inclusive": {str(inclusive).lower()}}}'
    made = (
        "insert into billing_accounts (id, tax, created_at, updated_at) values (:id, cast(:tax as jsonb), now(), now())"
    )
    async with ctx.database.transaction() as tx:
        await tx.execute(text(made), {"id": user.id, "tax": tax})


async def happens(ctx: Context, operator: Actor, chance: random.Random, number: int) -> None:
    """Something to one of the invoices; what is refused changes nothing."""
    bill = chance.choice([each for each in await invoices(ctx) if each.number])
    what, now = chance.choice([0, 1, 1, 2, 2]), ctx.clock.now()
    try:
        if what == 0:
            document = await _document(ctx, bill.number)
            line = chance.choice(document.lines)
            part = TakenBack(line.number, chance.choice([None, chance.randint(0, line.net_minor)]))
            await write_credit_note(ctx, operator, bill.number, "at random", [part])
            return
        async with ctx.database.transaction() as tx:
            if what == 1 and (paid := await collected_on(tx, bill.id)) > 0:
                await record_refunded(tx, bill.id, None, chance.randint(1, paid), f"refund {number}", now)
            elif what > 1 and (owed := await owed_on(tx, bill.id)) > 0:
                minor = chance.choice([owed, chance.randint(1, owed), owed + 7])
                await record_collected(tx, bill.id, minor, f"payment {number}", now, fee_minor=min(minor, 3))
    except (Conflict, InvalidParams):
        pass


async def _document(ctx: Context, number: str) -> Any:
    async with ctx.database.transaction() as tx:
        return await any_document(tx, number)


async def test_the_books_are_right_whatever_comes_and_goes(world: World, operator: Actor, partner: Actor) -> None:
    chance, ctx = random.Random(49), world.ctx
    users = [await new_user(ctx, f"user{number}@example.com") for number in range(8)]
    for number, user in enumerate(users[:6]):
        await taxed(ctx, user, chance.choice(["1/5", "19/100", "77/1000"]), inclusive=number % 2 == 0)
    for _ in range(40):
        more: dict[str, Any] = {
            "after_days": chance.random() * 40,
            "service": chance.choice(["store", "store", "mail"]),
            "currency": chance.choice(["usd", "usd", "eur"]),
        }
        await used(ctx, chance.choice(users), chance.choice([20, 777, 5000]), chance.random() * 30 + 1, **more)
    for user in users[:5]:
        kind, minor = chance.choice(list(CreditKind)), chance.choice([9, 300, 40_000])
        await grant_credit(ctx, operator, NewCredit(user.email, minor, kind, "at random"))
    after(ctx, month_at(2027, 1))
    await close_all(ctx)
    await issue_finalized(ctx)
    for number in range(70):
        await happens(ctx, operator, chance, number)
    assert await differences(ctx, operator) == []
    world.ctx.clock.advance(days=10)
    drafted = (await draft_payouts(ctx, operator)).payouts
    assert len(drafted) > 1
    await approve_payouts(ctx, operator, [str(payout.id) for payout in drafted[1:]])
    await mark_paid(ctx, operator, str(drafted[1].id))
    await fail_payout(ctx, operator, str(drafted[0].id), "at random")
    assert await differences(ctx, operator) == []
    # Everything taken back: the partners keep what the platform gave them of its own accord, and nothing else.
    for bill in [each for each in await invoices(ctx) if each.number]:
        try:
            await write_credit_note(ctx, operator, bill.number, "all of it")
        except Conflict:
            continue
    assert await differences(ctx, operator) == []
    async with ctx.database.transaction() as tx:
        kinds = await tx.execute(text("select kind, count(*) as times from ledger_transactions group by kind"))
        happened = {row.kind: row.times for row in kinds}
    assert min(happened[kind] for kind in ("payment", "refund", "credit_note", "shares")) > 2
    assert (await ledger(ctx))["fees"] > 0


DAMAGES = [
    ("update partner_shares set share_minor = share_minor + 1", "its shares are"),
    ("update partner_shares set minor = 1001", "1001 is collected of 1000"),
    ("update partner_shares set minor = 999, base_minor = 999, share_minor = 699", "999 by its lines"),
    ("update partner_shares set share_minor = 699", "the ledger has shares of 700, the lines sum to 699"),
    ("update invoices set state = 'issued'", "is issued, and 0 of it is owed"),
    ("update payouts set minor = 699", "partners of store in usd: the ledger has 0, shares and payouts come to -1"),
    ("update payouts set state = 'approved'", "payouts of store in usd: the ledger has 0"),
    ("delete from payouts", "shares and payouts come to -700"),
    ("insert into share_agreements select gen_random_uuid(), 'store', 9000, '2026-11-01', id, '', now() from users"
     " limit 1", "and from the history Share(minor=1000, tax_minor=0, base_minor=1000, share_minor=900)"),
]  # fmt: skip
"""What only whoever owns the database can do, and what the check says of it."""


async def test_whatever_is_wrong_with_shares_and_payouts_is_found(
    world: World, operator: Actor, partner: Actor
) -> None:
    ctx = replace(world.ctx, rules=replace(world.ctx.rules, payout_minimum_minor=1))
    assert isinstance(ctx.database, SavepointDatabase)
    await billed(world, 1000)
    await collected(ctx, 1000)
    ctx.clock.advance(days=10)
    await draft_payouts(ctx, operator)
    (payout,) = await approve_payouts(ctx, operator)
    await mark_paid(ctx, operator, str(payout.id))
    assert await differences(ctx, operator) == []
    for change, said in DAMAGES:
        async with ctx.database.undone():
            await damage(ctx, change)
            found = await differences(ctx, operator)
        assert any(said in difference for difference in found), (change, found)
    assert await differences(ctx, operator) == []
