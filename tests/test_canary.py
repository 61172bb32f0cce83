"""The canary against providers that answer over HTTP: what is measured, what is left behind, what cannot be reached."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import pytest

from broker import canary
from broker.canary import Perch, run_due
from broker.catalog.canary import RunView, get_canary, list_runs, set_canary
from broker.catalog.canary_runs import LEASE, claim_due, resource_in_flight
from broker.catalog.push import push_manifest
from broker.catalog.queries import get_service
from broker.kernel.context import Actor, Context
from tests.domain import StoppedClock
from tests.testkit.shelf import Item, Shelf, manifest
from tests.testkit.trying import offered

LOOPBACK = (ip_network("127.0.0.0/8"),)
PERCH = Perch(timeout_s=30, within_s=120, allowed=LOOPBACK)


async def ordered(ctx: Context, actor: Actor, origin: str, **api: Any) -> None:
    await push_manifest(ctx, actor, "shelf", manifest(origin, **api), networks=LOOPBACK)
    await set_canary(ctx, actor, "shelf", canary_every())


def canary_every() -> Any:
    from datetime import timedelta

    return timedelta(hours=1)


async def last_run(ctx: Context, actor: Actor) -> RunView:
    return (await list_runs(ctx, actor, "shelf"))[0]


@pytest.mark.parametrize("later", [False, True])
async def test_a_good_provider_passes_and_keeps_nothing(ctx: Context, alice: Actor, *, later: bool) -> None:
    shelf = Shelf(later=later)
    async with offered(shelf) as origin:
        await ordered(ctx, alice, origin)
        assert await run_due(ctx, PERCH) == 1
        assert await run_due(ctx, PERCH) == 0, "the next is due in an hour"
    run = await last_run(ctx, alice)
    assert (run.passed, run.fault, run.plan) == (True, None, "mini")
    assert run.provision_ms is not None
    assert {status for _, status in run.checks} == {"pass"}
    assert [item.gone for item in shelf.items.values()] == [True]
    async with ctx.database.transaction() as tx:
        service = await get_service(tx, "shelf")
        assert service.reliability is not None
        assert (service.reliability.runs, service.reliability.measured) == (1, False)
        assert await resource_in_flight(tx, service.id) is None
