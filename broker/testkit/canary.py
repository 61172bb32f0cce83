"""One run of the canary: the few checks that are made again and again at a provider that has customers.

Who runs it when, and what becomes of the result, is not here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import httpx

from broker.testkit.listen import bound
from broker.testkit.probe import Limits, NoAnswer, Probe
from broker.testkit.registry import of_canary
from broker.testkit.results import Result, Status
from broker.testkit.run import Silent, made, probing
from broker.testkit.subject import Subject

_LONGEST_FAULT: Final = 500
_LEFT: Final = "What an earlier run had made could not be removed"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a run happens. `origin` is the address by which providers reach `listen`, None for that itself."""

    client: httpx.AsyncClient
    try_address: Callable[[object], Awaitable[str | None]]
    listen: tuple[str, int] = ("127.0.0.1", 0)
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Flight:
    """What came of a run. Units: `provision_s` in seconds, None if nothing could be provisioned."""

    results: Sequence[Result]
    provision_s: float | None = None
    fault: str | None = None
    """A sentence about the first thing that failed, without secrets."""
    is_removed: bool = True
    """Whether nothing of it is left at the provider."""

    @property
    def passed(self) -> bool:
        return self.fault is None


async def fly(subject: Subject, uuid: UUID, around: Surroundings, limits: Limits, within_s: float) -> Flight:
    """Provision the resource `uuid`, use it, remove it: that also when time is up, or when the run is cancelled."""
    checks = of_canary()
    groups = frozenset(check.group for check in checks)
    async with probing(subject, groups, around.client, limits, bound(*around.listen)) as probe:
        _prepare(probe, uuid, around)
        results: Sequence[Result] = ()
        try:
            async with asyncio.timeout(within_s):
                results = await made(probe, checks, Silent())
            fault = _first_fault(results)
        except TimeoutError:
            fault = f"The run was not over after {within_s:g} s."
        resource = probe.resources[0] if probe.resources else None
        is_removed = resource is None or not resource.may_exist
        return Flight(results, resource.ready_s if resource else None, fault, is_removed)


async def sweep_up(subject: Subject, uuid: UUID, around: Surroundings, limits: Limits) -> Flight | None:
    """Remove what a run that was killed may have left. None when it is gone, else the failure that this is."""
    async with probing(subject, frozenset(), around.client, limits, bound(*around.listen)) as probe:
        _prepare(probe, uuid, around)
        resource = probe.new_resource()
        try:
            exchange = await probe.delete(resource)
        except NoAnswer as failure:
            return Flight((), fault=f"{_LEFT}. {probe.redactor.clean(failure.detail)}", is_removed=False)
        done = exchange.status in (200, 204, 404, 410) or resource.expected.deprovisioned.is_set()
        return None if done else Flight((), fault=f"{_LEFT}: DELETE answered {exchange.status}.", is_removed=False)


def _prepare(probe: Probe, uuid: UUID, around: Surroundings) -> None:
    probe.new_uuid = lambda: uuid
    probe.try_address = around.try_address
    probe.origin = around.origin or probe.origin


def _first_fault(results: Sequence[Result]) -> str | None:
    failed = [result for result in results if result.status is Status.FAIL]
    return f"{failed[0].name} {failed[0].detail}".strip()[:_LONGEST_FAULT] if failed else None
