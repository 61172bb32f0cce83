"""What releases changed, by name; and names without values."""

import pytest
from sqlalchemy import func, select

from broker.addons.taken import reserved_names
from broker.apps.config_vars import list_var_names, set_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.release_changes import list_changes
from broker.events.models import Event
from broker.kernel.context import Actor, Context
from broker.kernel.errors import NotFound


async def test_each_release_tells_what_it_added_changed_and_removed_and_nobody_reads_a_value(
    ctx: Context, alice: Actor, mallory: Actor
) -> None:
    await create_app(ctx, alice, CreateApp(name="shop"))
    for changes in ({"A": "1", "B": "2"}, {"A": "3", "B": None, "C": "4"}, {"C": None}):
        await set_config_vars(ctx, alice, "shop", changes, reserved_names)
    told = await list_changes(ctx, alice, "shop", limit=10)
    assert [(each.release.version, each.added, each.changed, each.removed) for each in told] == [
        (4, [], [], ["C"]),
        (3, ["C"], ["A"], ["B"]),
        (2, ["A", "B"], [], []),
        (1, [], [], []),
    ]
    assert await list_changes(ctx, alice, "shop", limit=2, before=4) == told[1:3]
    assert [(each.name, each.attachment_id, each.version) for each in await list_var_names(ctx, alice, "shop")] == [
        ("A", None, 3)
    ]
    async with ctx.database.transaction() as tx:
        read = select(func.count()).select_from(Event).where(Event.kind == "config_vars.read")
        assert (await tx.execute(read)).scalar_one() == 0
    for use_case in (list_var_names(ctx, mallory, "shop"), list_changes(ctx, mallory, "shop", limit=1)):
        with pytest.raises(NotFound):
            await use_case
