"""Tags of apps and accounts: what they may be, who sets them, and that bills keep those of their close."""

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from broker.addons.billed_names import billed_names
from broker.addons.costs import account_costs
from broker.apps.collaborators import add_collaborator
from broker.apps.tags import account_tags, app_tags, change_account_tags, change_app_tags
from broker.billing.close import close_due
from broker.billing.exports import Format, own_export
from broker.billing.models import InvoiceLine
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import Forbidden, InvalidParams, NotFound
from tests.addons.conftest import World, make_world
from tests.domain import new_user, with_scopes


@pytest.fixture
async def world(ctx: Context, alice: Actor) -> World:
    return await make_world(ctx, alice)


async def test_tags_are_set_and_removed_by_those_who_work_on_the_app(
    world: World, ctx: Context, alice: Actor, mallory: Actor
) -> None:
    bob = await new_user(ctx, "bob@example.com")
    await add_collaborator(ctx, alice, "shop", bob.email)
    assert await change_app_tags(ctx, bob, "shop", {"team": "growth", "cost.centre": "4711"}) == {
        "cost.centre": "4711",
        "team": "growth",
    }
    assert await change_app_tags(ctx, alice, "shop", {"team": None, "nothing": None}) == {"cost.centre": "4711"}
    assert await app_tags(ctx, bob, "shop") == {"cost.centre": "4711"}
    with pytest.raises(NotFound):
        await change_app_tags(ctx, mallory, "shop", {"team": "x"})
    with pytest.raises(Forbidden):
        await change_account_tags(ctx, with_scopes(alice, Scope.WRITE_PROTECTED), {"team": "x"})
    for wrong in ({"Team": "x"}, {"": "x"}, {"app": "x"}, {"team": ""}, {"team": "a\nb"}, {"team": "x" * 257}):
        with pytest.raises(InvalidParams):
            await change_app_tags(ctx, alice, "shop", wrong)
    with pytest.raises(InvalidParams, match="At most 50"):
        await change_app_tags(ctx, alice, "shop", {f"t{number}": "x" for number in range(51)})


async def test_costs_have_the_tags_of_now_and_bills_those_of_their_close(
    world: World, ctx: Context, alice: Actor
) -> None:
    await world.provisioned("store:big")
    await change_account_tags(ctx, alice, {"team": "all", "country": "nz"})
    await change_app_tags(ctx, alice, "shop", {"team": "growth"})
    (costs,) = await account_costs(ctx, alice)
    assert [line.tags for line in costs.lines] == [{"team": "growth", "country": "nz"}]
    ctx.clock._at = datetime(2026, 12, 5, tzinfo=UTC)  # type: ignore[attr-defined]
    while (await close_due(ctx, billed_names)).more:
        pass
    await change_app_tags(ctx, alice, "shop", {"team": "other"})
    assert await account_tags(ctx, alice) == {"country": "nz", "team": "all"}
    async with ctx.database.transaction() as tx:
        assert (await tx.execute(select(InvoiceLine.tags))).scalars().all() == [{"team": "growth", "country": "nz"}]
    written = [row async for row in own_export(ctx, alice, Format.FOCUS, "2026-11")]
    told = dict(zip(written[0], written[1], strict=True))["Tags"]
    assert json.loads(told) == {"team": "growth", "country": "nz", "app": "shop", "plan": "store:big"}
