"""Collection while it is switched off: nobody is charged, warned or suspended, and afterwards nobody has less time than before."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import func, select

from broker.flags.switch import set_flag
from broker.payments.dunning import dun
from broker.payments.models import Payment
from broker.payments.start import collect_issued
from tests.domain import new_user
from tests.payments.debtor import DAYS, Debtor
from tests.payments.debtor import debtor as debtor


async def payments(debtor: Debtor) -> int:
    async with debtor.ctx.database.transaction() as tx:
        return int((await tx.execute(select(func.count()).select_from(Payment))).scalar_one())


async def test_while_collection_is_off_no_step_is_taken_and_what_follows_is_put_off(debtor: Debtor) -> None:
    ctx = debtor.ctx
    operator = replace(await new_user(ctx, "operator@example.com"), is_operator=True)
    await set_flag(ctx, operator, "collection", False, "the gateway is being moved")
    for _ in range(2):
        ctx.clock.advance(days=5)  # type: ignore[attr-defined]  # the clock of the tests
        assert not await dun(ctx, DAYS)
        assert await collect_issued(ctx) == 0
    assert (await payments(debtor), await debtor.state()) == (0, "issued")
    assert await debtor.notices("account.suspends") == []
    await set_flag(ctx, operator, "collection", True, "it is moved")
    await debtor.round()
    assert await payments(debtor) == 1
    account = await debtor.account()
    assert account.suspends_at is not None
    assert account.suspends_at >= ctx.clock.now() + timedelta(days=7)


async def test_nobody_is_suspended_or_deleted_unwarned(debtor: Debtor) -> None:
    """What dunning says is told by mail: while there is none, no step is taken."""
    ctx = debtor.ctx
    operator = replace(await new_user(ctx, "operator@example.com"), is_operator=True)
    await debtor.until_day(1)
    await set_flag(ctx, operator, "notices", False, "the mail server is being moved")
    for _ in range(6):
        ctx.clock.advance(days=10)  # type: ignore[attr-defined]  # the clock of the tests
        assert not await dun(ctx, DAYS)
    assert (await debtor.account()).suspended_at is None
    await set_flag(ctx, operator, "notices", True, "it is moved")
    await debtor.round()
    account = await debtor.account()
    assert account.suspends_at is not None
    assert account.suspends_at >= ctx.clock.now() + timedelta(days=7)
