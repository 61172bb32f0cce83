"""The providers that come with the broker pass its canary, with their real engines; and what the canary is made of."""

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from broker.canary import Perch, run_due
from broker.catalog.canary import list_runs, set_canary
from broker.catalog.push import push_manifest
from broker.kernel.context import Actor, Context
from broker.testkit.listen import bound, origin_of, served
from broker.testkit.registry import of_canary
from tests.testkit.test_our_providers import application, whole_manifest

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


def test_a_canary_provisions_first_and_deprovisions_last() -> None:
    groups = [check.group for check in of_canary()]
    assert groups[0] == "provision"
    assert groups[-1] == "deprovision"
    assert {"config", "async", "planchange"} < set(groups)
