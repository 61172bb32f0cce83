"""The real worker closes months by itself, hands invoices out and checks the books."""

from typing import Any

from sqlalchemy import text

from tests.billing.test_close import used
from tests.waiting import until
from tests.worker.test_worker import Live, live, working

__all__ = ["live"]


async def test_a_worker_closes_what_is_due_and_proves_it(live: Live) -> None:
    await used(live.world.ctx, live.world.user, 1000, 30)
    async with live.world.ctx.database.transaction() as tx:  # the worker's clock is the machine's
        when = "started_at = now() - interval '100 days', ended_at = now() - interval '60 days'"
        await tx.execute(text(f"update usage_periods set {when}"))

    async def told(query: str) -> Any:
        return await live.one(text(query))

    async def done() -> bool:
        """A round hands out what a batch made and checks it; only the next one finds that the month has no more."""
        facts = (
            "invoices where state = 'issued'",
            "billing_checks where finished_at is not null",
            "month_closes where closed_at is not null",
        )
        return all([await told(f"select count(*) from {fact}") for fact in facts])

    async with working(live.wiring):
        await until(done, within_s=60)
    assert await told("select number from invoices where number is not null order by number limit 1") is not None
    assert await told("select jsonb_array_length(differences) from billing_checks") == 0
