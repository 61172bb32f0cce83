"""What must be true when it is quiet again, read from the database and the API, beside the provider's own files."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.chaos.provider import Resources
from tests.chaos.stack import Stack


async def violations(stack: Stack, client: httpx.AsyncClient) -> list[str]:
    """Every broken promise, one sentence each."""
    connection = await asyncpg.connect(stack.database_url)
    try:
        found = [
            *await _operations(connection),
            *await _resources(connection, stack.resources),
            *await _usage(connection),
            *await _releases(connection),
        ]
        apps = [(str(row["id"]), row["name"]) for row in await connection.fetch("select id, name from apps")]
    finally:
        await connection.close()
    for app_id, name in apps:
        found += await _environment(stack, client, app_id, name)
    return [*found, *_secrets_in_logs(stack)]


async def _operations(db: Any) -> list[str]:
    stuck = await db.fetch("select id, state from operations where finished_at is null")
    endless = await db.fetch(
        "select id from operations where finished_at is null and next_at is null and deadline_at is null"
    )
    return [f"operation {row['id']} is still {row['state']}" for row in stuck] + [
        f"operation {row['id']} has neither an end nor a next try" for row in endless
    ]


async def _resources(db: Any, folder: Path) -> list[str]:
    there = Resources(folder).all()
    rows = await db.fetch(
        "select a.id::text as id, a.state, p.slug as plan, o.state as orphan from addons a"
        " join plans p on p.id = a.plan_id left join orphans o on o.addon_id = a.id"
    )
    known = {row["id"]: row for row in rows}
    found: list[str] = []
    for uuid, plan in there.items():
        row = known.get(uuid)
        if row is None:
            found.append(f"resource {uuid} exists and nobody knows it")
        elif (row["state"] == "provisioned") == (row["orphan"] == "open"):
            found.append(f"resource {uuid}: its add-on is {row['state']} and its orphan row is {row['orphan']}")
            found += await _history(db, uuid)
        elif row["state"] == "provisioned" and row["plan"] != plan:
            found.append(f"resource {uuid} is on {plan}, the broker believes {row['plan']}")
    found += [
        f"add-on {row['id']} is provisioned and has no resource"
        for row in rows
        if row["state"] == "provisioned" and row["id"] not in there
    ]
    return found


async def _history(db: Any, addon_id: str) -> list[str]:
    rows = await db.fetch(
        "select kind, history from operations where addon_id = $1::uuid order by created_at", addon_id
    )
    return [f"  {row['kind']}: {row['history']}" for row in rows]


async def _usage(db: Any) -> list[str]:
    wrong = await db.fetch(
        "select a.id, a.state, count(u.id) filter (where u.ended_at is null) as open from addons a"
        " left join usage_periods u on u.addon_id = a.id group by a.id, a.state"
        " having (a.state = 'provisioned') <> (count(u.id) filter (where u.ended_at is null) = 1)"
    )
    overlapping = await db.fetch(
        "select u.addon_id from usage_periods u join usage_periods v on v.addon_id = u.addon_id and v.id <> u.id"
        " and v.started_at < coalesce(u.ended_at, 'infinity') and u.started_at < coalesce(v.ended_at, 'infinity')"
    )
    plan = await db.fetch(
        "select a.id from addons a join usage_periods u on u.addon_id = a.id and u.ended_at is null"
        " where u.plan_id <> a.plan_id or u.price_cents <> a.price_cents"
    )
    return (
        [f"add-on {row['id']} is {row['state']} and has {row['open']} open usage periods" for row in wrong]
        + [f"usage periods of {row['addon_id']} overlap" for row in overlapping]
        + [f"add-on {row['id']} is billed on another plan" for row in plan]
    )


async def _releases(db: Any) -> list[str]:
    gaps = await db.fetch(
        "select p.name, p.version, count(r.id) as n, min(r.version) as low, max(r.version) as high from apps p"
        " join releases r on r.app_id = p.id group by p.id"
        " having count(r.id) <> p.version or max(r.version) <> p.version or min(r.version) <> 1"
    )
    return [f"releases of {row['name']} have gaps: {dict(row)}" for row in gaps]


async def _environment(stack: Stack, client: httpx.AsyncClient, app_id: str, name: str) -> list[str]:
    """The environment is what the attachments give and what is the app's own, and each snapshot opens."""
    url = stack.urls[0]
    config = (await client.get(f"{url}/apps/{app_id}/config-vars")).json()
    attachments = (await client.get(f"{url}/apps/{app_id}/addon-attachments")).json()
    addons = {addon["id"]: addon for addon in (await client.get(f"{url}/addons")).json()}
    expected: Counter[str] = Counter()
    found = []
    for attachment in attachments:
        addon = addons.get(attachment["addon"]["id"])
        if addon is None or addon["state"] != "provisioned":
            found.append(f"{name}: {attachment['name']} is attached to an add-on that is not there")
            continue
        var = f"{attachment['name']}_URL"
        expected[var] += 1
        plan = addon["plan"]["name"].partition(":")[2]
        right = f"{addon['addon_service']['name']}://canary-{addon['id']}/{plan}"
        if config.get(var) != right:
            found.append(f"{name}: {var} is {config.get(var)!r} instead of {right!r}")
    surplus = set(config) - set(expected) - {"OWN"}
    found += [f"{name}: {var} belongs to no attachment" for var in sorted(surplus)]
    releases = (await client.get(f"{url}/apps/{app_id}/releases", headers={"range": "version ..; max=1000"})).json()
    for release in releases:
        answer = await client.get(f"{url}/apps/{app_id}/releases/{release['version']}/config-vars")
        if answer.status_code != 200:
            found.append(f"{name}: the snapshot of v{release['version']} does not open: {answer.text[:100]}")
    if releases and answer.json() != config:
        found.append(f"{name}: the newest release is not the present environment")
    return found


def _secrets_in_logs(stack: Stack) -> list[str]:
    logs = stack.logs()
    leaked = set(re.findall(r"canary-[\w-]+", logs)) | ({"the token"} if stack.token in logs else set())
    return [f"a secret stands in a log: {name[:16]}…" for name in sorted(leaked)]
