"""The documentation text and the comparison of plans."""

from broker.catalog.docs import compare, service_docs
from broker.catalog.publish import publish
from broker.catalog.queries import list_plans
from broker.catalog.views import ServiceView
from broker.kernel.context import SYSTEM, Context
from tests.catalog.samples import parsed, plans


async def test_plans_are_compared_label_by_label(ctx: Context, cache: ServiceView) -> None:
    async with ctx.database.transaction() as tx:
        table = compare(await list_plans(tx, cache.id))
    assert table.labels == ("Memory", "Backups")
    assert [cells for _, cells in table.rows] == [("25 MB", "no"), ("1 GB", "")]


async def test_the_documentation_holds_plans_prices_config_vars_and_the_partners_text(
    ctx: Context, cache: ServiceView
) -> None:
    async with ctx.database.transaction() as tx:
        text = await service_docs(tx, "acme-cache")
    assert text.startswith("# Acme Cache\n\nKeys and values\n\n## Plans\n\n| Plan | Price | Memory | Backups |\n")
    assert "| `acme-cache:large` | $12.50/month | 1 GB |  |" in text
    assert "- `ACME_CACHE_URL`" in text
    assert text.endswith("Read `ACME_CACHE_URL`.\n")


async def test_names_and_features_cannot_break_out_of_their_place(ctx: Context) -> None:
    features = {"a | b": "<script>"}
    await publish(ctx, parsed(name="<b>[x](y)", plans=plans("mini", features=features)), SYSTEM)
    async with ctx.database.transaction() as tx:
        text = await service_docs(tx, "acme-cache")
    assert "# \\<b\\>\\[x\\](y)" in text
    assert "| Plan | Price | a \\| b |" in text
    assert "\\<script>" in text
