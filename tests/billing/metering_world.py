"""A world whose store has metered plans, and short ways to report usage there."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from broker.billing.accrual import accrued
from broker.billing.intake import Report, Result, Status, take_in
from broker.billing.pricing import Line
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor, Context
from tests.addons.conftest import MANIFEST, World, make_world

METERS: list[dict[str, Any]] = [
    {"name": "rows", "label": "Rows written", "unit_price": "0.5"},
    {"name": "total", "kind": "cumulative", "unit_price": "1"},
    {"name": "seats", "kind": "unique", "unit_price": "100"},
    {"name": "memory", "kind": "average", "unit_price": "10"},
    {"name": "errors"},
]
METERED = MANIFEST | {
    "capabilities": ["usage"],
    "plans": [
        *MANIFEST["plans"],  # type: ignore[misc]  # it is a list
        {"name": "payg", "price_cents": 0, "meters": METERS},
        {"name": "payg-plus", "price_cents": 900, "meters": [METERS[0] | {"unit_price": "0.1"}]},
    ],
}


async def metering_world(ctx: Context, user: Actor) -> World:
    world = await make_world(ctx, user)
    await publish(ctx, parse(METERED), SYSTEM)
    return world


def report(
    addon_id: UUID, id: str, quantity: str = "1", at: datetime | None = None, meter: str = "rows", **more: Any
) -> Report:
    return Report(more.pop("source", ""), id, addon_id, meter, Decimal(quantity), at, **more)


async def sent(ctx: Context, *reports: Report) -> list[Result]:
    return await take_in(ctx, "store", reports)


async def statuses(ctx: Context, *reports: Report) -> list[Status]:
    return [result.status for result in await sent(ctx, *reports)]


async def refusals(ctx: Context, *reports: Report) -> list[str | None]:
    results = await sent(ctx, *reports)
    assert {result.status for result in results} <= {Status.REFUSED, Status.CONFLICT}, results
    return [result.reason for result in results]


async def metered_line(world: World, meter: str = "rows", month: str | None = None) -> Line:
    (found,) = await accrued(world.ctx, world.user, month)
    (line,) = [line for line in found.now.lines if line.meter is not None and line.meter.meter == meter]
    return line
