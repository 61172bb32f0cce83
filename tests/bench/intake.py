"""Usage as providers report it: batches over HTTP, beside what PostgreSQL carries of the same rows."""

from __future__ import annotations

import base64
import itertools
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from broker.billing.intake import MOST_REPORTS
from broker.kernel.clock import rfc3339
from tests.bench import books, cpu
from tests.bench.driving import BenchFailed, Measured, Size, drive, per_request_us, request
from tests.bench.floors import pgbench
from tests.bench.programs import Programs
from tests.bench.provider import METER, PASSWORD, SLUG
from tests.bench.world import World

CLIENTS = 4
"""Each sends batch after batch."""
_PERIODS = 2000
_BASIC = "Basic " + base64.b64encode(f"{SLUG}:{PASSWORD}".encode()).decode()

# The least that storing a batch asks of the database: the same rows in one statement, in one transaction.
_INSERT = f"""
insert into usage_events (source, id, addon_id, meter, quantity, at, subject, digest, received_at)
 select '{SLUG}', gen_random_uuid(), addon_id, '{METER}', 12.5, now() - number * interval '1 second', '',
  sha256(addon_id::text::bytea), now()
 from (select addon_id, row_number() over () as number from floor_addons, generate_series(1, {{each}})) reported;
"""


def floor(world: World, url: str, seconds: float) -> Measured:
    """pgbench inserting batches of as many rows, one thread for all its clients."""
    books.fill(world, url, _PERIODS)
    world.execute(url, f"create table floor_addons as {_ADDONS}")
    each = MOST_REPORTS // world.count(url, "select count(*) from floor_addons")
    script = world.folder / "insert.sql"
    script.write_text(_INSERT.format(each=each), encoding="utf-8")
    stored = world.count(url, "select count(*) from usage_events")
    before = cpu.used_s([world.postgres_pid])
    rate, batches, own_s = pgbench(url, script, seconds, CLIENTS)
    after = cpu.used_s([world.postgres_pid])
    count = world.count(url, "select count(*) from usage_events") - stored
    used = {"server": own_s / count * 1e6, "postgres": per_request_us(before, after, count)}
    return Measured(rate * count / batches, count, used)


_ADDONS = "select addon_id from usage_periods where terms <> '{}' and ended_at is null"


def reported(world: World, programs: Programs, size: Size) -> Measured:
    """`POST /api/v3/addons/{slug}/usage_batches`, a thousand reports at a time, each about one of some fifty add-ons."""
    url = world.database("reported")
    books.fill(world, url, _PERIODS)
    stored = world.count(url, "select count(*) from usage_events")
    addons = world.column(url, _ADDONS)
    warm_up = CLIENTS * 2
    requests = [_batch(addons) for _ in range(size.batches + warm_up + CLIENTS)]
    with programs.brokers(world.environment(url), size.processes) as servers:
        watched = {"server": servers.pids, "postgres": [world.postgres_pid]}
        patient = replace(size, seconds=120, warm_up=warm_up)
        batches = drive(servers.ports, requests, watched, patient, clients=CLIENTS, count=size.batches)
    found = world.count(url, "select count(*) from usage_events") - stored
    if not 0 <= found - (batches.count + warm_up) * MOST_REPORTS <= CLIENTS * MOST_REPORTS:
        raise BenchFailed(f"{batches.count} batches and the warm-up left {found} reports")
    return _each(batches)


def _batch(addons: Sequence[str]) -> str:
    now = datetime.now(UTC)
    usages = [
        {
            "id": str(uuid.uuid4()),
            "resource": addon,
            "unit": METER,
            "quantity": "12.5",
            "at": rfc3339(now - timedelta(seconds=number)),
        }
        for number, addon in zip(range(MOST_REPORTS), itertools.cycle(addons), strict=False)
    ]
    return request("POST", f"/api/v3/addons/{SLUG}/usage_batches", _BASIC, {"usages": usages})


def _each(batches: Measured) -> Measured:
    """The same per report; latencies stay those of a batch."""
    used: Mapping[str, float | None] = {
        name: None if each is None else each / MOST_REPORTS for name, each in batches.cpu_us.items()
    }
    return Measured(batches.rate * MOST_REPORTS, batches.count * MOST_REPORTS, used, batches.took_ms)
