"""What the tests of apps share: attachments that own vars, without the add-ons behind them."""

from collections.abc import Mapping
from uuid import UUID

from broker.apps.releases import ConfigChange, cut_release, lock_app
from broker.kernel.context import SYSTEM, Context
from broker.kernel.db import Tx


async def nothing_reserved(_tx: Tx, _app_id: UUID) -> frozenset[str]:
    return frozenset()


async def give(ctx: Context, app_id: UUID, attachment_id: UUID, values: Mapping[str, str]) -> int:
    """An attachment gives `values` to the app."""
    async with ctx.database.transaction() as tx:
        app = await lock_app(tx, ctx.vault, app_id)
        assert app is not None
        change = ConfigChange(values, attachment_id=attachment_id)
        return await cut_release(tx, app, change, description="Attach", actor=SYSTEM, at=ctx.clock.now())


async def take(ctx: Context, app_id: UUID, attachment_id: UUID, *names: str) -> int:
    """It takes them away again."""
    async with ctx.database.transaction() as tx:
        app = await lock_app(tx, ctx.vault, app_id)
        assert app is not None
        change = ConfigChange(remove=names, attachment_id=attachment_id)
        return await cut_release(tx, app, change, description="Detach", actor=SYSTEM, at=ctx.clock.now())
