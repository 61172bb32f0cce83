"""Calls at the same time: different ones do not disturb one another, equal ones make one resource."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

from broker.testkit.checks.judging import told
from broker.testkit.exchange import Exchange
from broker.testkit.probe import Probe, Resource
from broker.testkit.registry import check
from broker.testkit.results import Failed

_AT_ONCE = 3


@check("concurrency", "Several provisions at once all succeed.")
async def all_succeed(probe: Probe) -> None:
    await probe.main()
    for _, exchange in await _several(probe):
        if not exchange.ok:
            raise Failed(f"Of {_AT_ONCE} provisions at once one failed: {told(exchange)}.")


@check("concurrency", "Several provisions at once make as many resources, each with its own config.")
async def all_differ(probe: Probe) -> None:
    await probe.main()
    made = [(resource, exchange) for resource, exchange in await _several(probe) if exchange.ok]
    ids = [resource.provider_id for resource, _ in made if resource.provider_id is not None]
    if len(set(ids)) < len(ids):
        raise Failed("Two of them have the same id. Each uuid is a resource of its own.")
    for name in probe.subject.manifest.config_vars:
        values = [value for resource, _ in made if isinstance(value := resource.config.get(name), str) and "@" in value]
        if len(set(values)) < len(values):
            raise Failed(f"Two of them have the same {name}: their users would share data.")


@check("concurrency", "The same provision several times at once makes one resource.")
async def duplicates(probe: Probe) -> None:
    await probe.main()
    resource = probe.new_resource()
    answers = await asyncio.gather(*(probe.provision(resource) for _ in range(_AT_ONCE)))
    good = [answer for answer in answers if answer.ok]
    if not good:
        raise Failed(f"None of {_AT_ONCE} succeeded: {told(answers[0])}.")
    broken = [answer for answer in answers if answer.status >= 500 and answer.message is None]
    if broken:
        raise Failed(f"Of {_AT_ONCE} at once one failed: {told(broken[0])}. Let the later ones wait for the first.")
    _must_be_one(good)


def _must_be_one(answers: list[Exchange]) -> None:
    ids = {answer.provider_id for answer in answers if answer.provider_id is not None}
    configs = {json.dumps(answer.config, sort_keys=True) for answer in answers if answer.config}
    if len(ids) > 1 or len(configs) > 1:
        raise Failed("They were given different resources. Take a lock on the uuid, or a unique key in the database.")


async def _several(probe: Probe) -> Sequence[tuple[Resource, Exchange]]:
    """Provisions at once, made for the first check that asks."""
    if probe.at_once is None:
        probe.at_once = await asyncio.gather(*(probe.another() for _ in range(_AT_ONCE)))
    for _, exchange in probe.at_once:
        probe.look_at(exchange)
    return probe.at_once
