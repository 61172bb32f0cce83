"""What is measured of the broker itself, each on a database of its own, over real HTTP."""

from __future__ import annotations

import itertools
import json
import statistics
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tests.bench.driving import BenchFailed, Measured, Size, drive, request
from tests.bench.programs import Group, Programs
from tests.bench.provider import SLUGS
from tests.bench.world import BEARER, World


@dataclass(frozen=True)
class Latency:
    """Units: milliseconds, the provider's own time taken off."""

    median_ms: float
    p95_ms: float
    provider_ms: float
    count: int


def _creations(world: World) -> list[str]:
    bodies = [{"attachment": {}, "config": {}, "plan": {"name": f"{slug}:free"}} for slug in SLUGS]
    wanted = zip(range(world.apps), itertools.cycle(bodies), strict=False)
    return [request("POST", f"/apps/bench-{number}/addons", BEARER, body) for number, body in wanted]


def _watched(world: World, servers: Group, *others: Group) -> Mapping[str, list[int]]:
    return {"server": sum((group.pids for group in others), servers.pids), "postgres": [world.postgres_pid]}


def accepted(world: World, programs: Programs, size: Size) -> tuple[Measured, Measured]:
    """Provisions accepted with waiting switched off and no worker, then reads of the add-ons that came of them."""
    url = world.database("accepted")
    with programs.brokers(world.environment(url, OPERATION_WAIT_S="0"), size.processes) as servers:
        watched = _watched(world, servers)
        creations = drive(servers.ports, _creations(world), watched, size)
        if world.count(url, "select count(*) from operations where state = 'pending'") < creations.count:
            raise BenchFailed("an accepted provision is not in the database")
        paths = [f"/addons/{addon}" for addon in world.column(url, "select id from addons limit 500")]
        reads = drive(servers.ports, [request("GET", path, BEARER) for path in paths], watched, size)
    return creations, reads


def completed(world: World, programs: Programs, size: Size) -> Measured:
    """Provisions that are answered when they are done: two servers, a worker, a provider that answers at once."""
    url = world.database("completed")
    environment = world.environment(url, OPERATION_WAIT_S="25")
    with programs.brokers(environment, size.processes) as servers, programs.worker(environment) as worker:
        measured = drive(servers.ports, _creations(world), _watched(world, servers, worker), size)
    if world.count(url, "select count(*) from releases where description like 'Attach %'") < measured.count:
        raise BenchFailed("a provision was answered before its release")
    return measured


def latency(world: World, programs: Programs, size: Size) -> Latency:
    """One `addons:add` after the other on one process with its worker, as `broker up` runs it."""
    url = world.database("latency")
    with programs.brokers(world.environment(url, OPERATION_WAIT_S="25"), 1, with_worker=True) as server:
        before = _provider(world)
        patient = replace(size, seconds=60, warm_up=size.warm_up // 10)
        watched = _watched(world, server)
        measured = drive(server.ports, _creations(world), watched, patient, clients=1, count=size.additions)
        after = _provider(world)
    own_ms = 1000 * (after["spent_s"] - before["spent_s"]) / (after["calls"] - before["calls"])
    return Latency(
        statistics.median(measured.took_ms) - own_ms, measured.percentile(95) - own_ms, own_ms, measured.count
    )


def _provider(world: World) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{world.provider_port}/spent") as answer:
        told: dict[str, float] = json.load(answer)
    return told
