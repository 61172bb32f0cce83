"""The providers that come with the broker pass its canary, with their real engines; and what the canary is made of."""

import asyncio
import base64
import os
import sys
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from broker.canary import Perch, run_due
from broker.catalog.canary import list_runs, set_canary
from broker.catalog.push import push_manifest
from broker.kernel.clock import SystemClock
from broker.kernel.context import Actor, Context
from broker.kernel.vault import KeyRing, Vault
from broker.testkit.listen import bound, origin_of, served
from broker.testkit.registry import of_canary
from tests.domain import new_user
from tests.testkit.shelf import Shelf, manifest
from tests.testkit.test_our_providers import application, whole_manifest
from tests.testkit.trying import offered

LOOPBACK = (ip_network("127.0.0.0/8"),)
PERCH = Perch(timeout_s=60, within_s=240, allowed=LOOPBACK)
HOURLY = timedelta(hours=1)


@pytest.mark.parametrize("slug", ["postgres", "redis", "mail"])
async def test_our_providers_pass(slug: str, ctx: Context, alice: Actor, tmp_path: Path, postgres_url: str) -> None:
    listener = bound()
    whole = whole_manifest(slug, origin_of(listener))
    app = application(slug, tmp_path, whole, postgres_url)
    await push_manifest(ctx, alice, slug, whole, networks=LOOPBACK)
    await set_canary(ctx, alice, slug, HOURLY)
    async with app.router.lifespan_context(app), served(app, listener):
        assert await run_due(ctx, PERCH) == 1
    run = (await list_runs(ctx, alice, slug))[0]
    assert run.fault is None
    assert ("The addresses in config work: a connection can be made to each.", "pass") in run.checks


async def test_the_program_makes_the_runs_that_are_due_and_says_where_it_cannot_listen(
    live_ctx: Context, live_database: str
) -> None:
    key, shelf = os.urandom(32), Shelf(later=True)
    ctx = replace(live_ctx, vault=Vault(KeyRing(lambda: [key])), clock=SystemClock())
    partner = await new_user(ctx, "partner@example.com")
    with bound() as taken:
        async with offered(shelf) as origin:
            await push_manifest(ctx, partner, "shelf", manifest(origin), networks=LOOPBACK)
            await set_canary(ctx, partner, "shelf", HOURLY)
            told = await program(live_database, key)
            refused = await program(live_database, key, "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
    assert told == (0, "1 tried.")
    assert refused[0] == 1
    assert refused[1].startswith("Error: Cannot listen on 127.0.0.1:")
    (run,) = await list_runs(ctx, partner, "shelf")
    assert run.fault is None
    assert [item.gone for item in shelf.items.values()] == [True]


async def program(database: str, key: bytes, *more: str) -> tuple[int | None, str]:
    """`broker canary --once`: how it ended, and the last line that it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "broker", "canary", "--once", *more,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("BROKER_")},
            "DATABASE_URL": database,
            "BROKER_SECRET_KEY": base64.urlsafe_b64encode(key).decode(),
            "BROKER_OUTBOUND_ALLOW": "127.0.0.0/8",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode, said.decode().splitlines()[-1]


def test_a_canary_provisions_first_and_deprovisions_last() -> None:
    groups = [check.group for check in of_canary()]
    assert groups[0] == "provision"
    assert groups[-1] == "deprovision"
    assert {"config", "async", "planchange"} < set(groups)
