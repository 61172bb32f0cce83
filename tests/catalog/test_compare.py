"""The comparison of plans."""

from broker.catalog.compare import compare
from broker.catalog.queries import list_plans
from broker.catalog.views import ServiceView
from broker.kernel.context import Context


async def test_plans_are_compared_label_by_label(ctx: Context, cache: ServiceView) -> None:
    async with ctx.database.transaction() as tx:
        table = compare(await list_plans(tx, cache.id))
    assert table.labels == ("Memory", "Backups")
    assert [cells for _, cells in table.rows] == [("25 MB", "no"), ("1 GB", "")]
