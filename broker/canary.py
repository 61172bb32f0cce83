"""The canary: tries the providers of services that are ordered to be tried, in turn, and keeps what came of it.

When a run is due and what is kept is the matter of `catalog`; what is tried is that of the test kit.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx
import structlog
from sqlalchemy.exc import SQLAlchemyError

from broker.catalog.canary_runs import Claim, Outcome, begin, claim_due, end
from broker.catalog.faults import ManifestFaults
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError
from broker.kernel.public_addresses import Network
from broker.outbound.http import NotSent, addresses_of, guarded_transport
from broker.testkit import connect
from broker.testkit.canary import Flight, Surroundings, fly, sweep_up
from broker.testkit.listen import CannotListen
from broker.testkit.probe import Limits
from broker.testkit.results import Status
from broker.testkit.subject import Subject, cheapest

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Perch:
    """Where and how runs are made. Units: seconds.

    Providers that finish later call back at `listen`, or at `origin` if they reach it by another address.
    """

    listen: tuple[str, int] = ("127.0.0.1", 0)
    origin: str | None = None
    timeout_s: float = 60.0
    """For each answer, and for the end of what was accepted with 202."""
    within_s: float = 300.0
    """For a whole run, without the removal of what it made."""
    look_s: float = 20.0
    """How often there is a look for runs that are due."""
    allowed: Sequence[Network] = ()
    """Where providers and what they offer may be besides public addresses."""


USUAL: Final = Perch()


async def run(ctx: Context, perch: Perch = USUAL) -> None:
    """Make runs until cancelled, whatever becomes of the database."""
    while True:
        try:
            await run_due(ctx, perch)
        except (SQLAlchemyError, OSError, BrokerError, CannotListen) as error:
            _log.error("canary.interrupted", error=type(error).__name__)
        except Exception as error:  # what providers answer must not end the runs of all others, whatever it leads to
            _log.exception("canary.broken", error=type(error).__name__)
        await asyncio.sleep(perch.look_s)


async def run_due(ctx: Context, perch: Perch = USUAL) -> int:
    """Make every run that is due, one after the other. How many there were."""
    count = 0
    while (claim := await claim_due(ctx)) is not None:
        await _run(ctx, claim, perch)
        count += 1
    return count


async def _run(ctx: Context, claim: Claim, perch: Perch) -> None:
    try:
        subject = cheapest(claim.manifest, claim.plan)
    except ManifestFaults:  # it was taken by rules that have changed since
        _log.warning("canary.manifest_unusable", service=claim.slug)
        await end(ctx, claim, None, is_removed=False)
        return
    flight = await _flight(ctx, claim, subject, perch)
    if flight is not None:
        _log.info("canary.flown", service=claim.slug, passed=flight.passed, fault=flight.fault)
    outcome = None if flight is None else _outcome(flight, subject)
    await end(ctx, claim, outcome, is_removed=flight is None or flight.is_removed)


async def _flight(ctx: Context, claim: Claim, subject: Subject, perch: Perch) -> Flight | None:
    """None if there was nothing to do but to remove what was left, or if the run has become somebody else's."""
    limits = Limits(timeout_s=perch.timeout_s)
    async with _surroundings(perch) as around:
        if claim.leftover is not None:
            stuck = await sweep_up(subject, claim.leftover, around, limits)
            if stuck is not None:
                return stuck
        resource = None if claim.every is None else await begin(ctx, claim)
        return None if resource is None else await fly(subject, resource, around, limits, perch.within_s)


@asynccontextmanager
async def _surroundings(perch: Perch) -> AsyncIterator[Surroundings]:
    """Nothing is connected to that the broker itself would not call: providers name addresses as they like."""

    async def permit(host: str) -> list[str]:
        try:
            return await addresses_of(host, perch.allowed)
        except NotSent as refused:
            raise PermissionError(refused.note) from None

    async def tried(value: object) -> str | None:
        return await connect.complaint(value, permit)

    # Each call is bounded as a whole, by the kit.
    async with httpx.AsyncClient(transport=guarded_transport(perch.allowed), trust_env=False, timeout=None) as client:  # noqa: S113
        yield Surroundings(client, tried, perch.listen, perch.origin)


def _outcome(flight: Flight, subject: Subject) -> Outcome:
    checks = [(result.name, str(result.status)) for result in flight.results if result.status is not Status.SKIP]
    ms = None if flight.provision_s is None else round(flight.provision_s * 1000)
    return Outcome(subject.plan, checks, ms, flight.fault)
