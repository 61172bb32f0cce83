"""A run of the kit: the chosen checks one after the other, and the removal of all they made, however the run ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from typing import Final, Protocol
from urllib.parse import urlsplit

import httpx

from broker.kernel.clock import SystemClock
from broker.testkit import checks as checks  # registers the checks
from broker.testkit.callbacks import Callbacks
from broker.testkit.checks import manifest
from broker.testkit.exchange import Exchange
from broker.testkit.expectations import Expectations
from broker.testkit.listen import served
from broker.testkit.probe import Limits, Probe
from broker.testkit.redact import Redactor
from broker.testkit.registry import CHECKS, Check, chosen
from broker.testkit.results import GROUPS, Report, Result, Status, Verdict
from broker.testkit.subject import Subject, Unusable
from broker.testkit.transport import new_client

REMOVED: Final = "Everything that the kit made is removed again."
_REACH_WITHIN_S: Final = 10.0


class Watcher(Protocol):
    """Hears how far the run is."""

    def checking(self, place: int, total: int, check: Check) -> None: ...

    def removing(self, count: int) -> None: ...

    def left_behind(self, lines: Sequence[str]) -> None: ...


class Silent:
    """A watcher that says nothing."""

    def checking(self, place: int, total: int, check: Check) -> None:
        """Nobody is waiting for it."""

    def removing(self, count: int) -> None:
        """Nobody is waiting for it."""

    def left_behind(self, lines: Sequence[str]) -> None:
        """The report says it, too."""


def names() -> list[tuple[str, str]]:
    """Group and sentence of every check that there is."""
    own = [("manifest", name) for name in manifest.NAMES]
    return [*own, *((check.group, check.name) for check in CHECKS), ("deprovision", REMOVED)]


async def examine(
    subject: Subject,
    *,
    groups: Collection[str] = GROUPS,
    limits: Limits | None = None,
    watcher: Watcher | None = None,
    listener: socket.socket | None = None,
) -> list[Result]:
    """Run the checks of these groups that make calls, in the order of the report.

    The provider can call back at `listener`; without one a free port is taken.

    Raises: Unusable when nothing answers at the provider's address.
    """
    await _must_answer(subject.resources_url)
    wanted = frozenset(groups)
    async with new_client(subject.resources_url) as client, probing(subject, wanted, client, limits, listener) as probe:
        return await made(probe, chosen(wanted), watcher or Silent())


@asynccontextmanager
async def probing(
    subject: Subject,
    groups: frozenset[str],
    client: httpx.AsyncClient,
    limits: Limits | None = None,
    listener: socket.socket | None = None,
) -> AsyncIterator[Probe]:
    """What checks work with, as long as the block runs; the provider can call back meanwhile."""
    expectations, redactor = Expectations(), Redactor()
    redactor.learn(subject.manifest.password.reveal())
    if subject.manifest.sso_salt is not None:
        redactor.learn(subject.manifest.sso_salt.reveal())
    app = Callbacks(subject.manifest, expectations, redactor).app()
    async with served(app, listener) as origin:
        yield Probe(subject, client, expectations, redactor, origin, limits or Limits(), groups, SystemClock().now)


async def made(probe: Probe, checks: Sequence[Check], watcher: Watcher) -> list[Result]:
    """The results of these checks, and of the removal of what they made, without secrets; in the order of the report."""
    try:
        results = await _all(probe, checks, watcher)
    finally:
        left = await _clean_up(probe, watcher)
    results += _removal(left, probe.groups)
    shown = [_cleaned(result, probe.redactor) for result in results]
    return sorted(shown, key=lambda result: GROUPS.index(result.group))


def skipped(groups: Collection[str], reason: str) -> list[Result]:
    """Every check of the groups, not made for this reason."""
    return [Result(check.group, check.name, Status.SKIP, reason) for check in chosen(frozenset(groups))]


def report(results: Sequence[Result], *, strict: bool) -> Report:
    """The report; `strict` makes failures of warnings."""
    if not strict:
        return Report(results)
    return Report([replace(r, status=Status.FAIL) if r.status is Status.WARN else r for r in results])


async def _all(probe: Probe, checks: Sequence[Check], watcher: Watcher) -> list[Result]:
    results = []
    for place, check in enumerate(checks):
        watcher.checking(place, len(checks), check)
        results.append(await _one(probe, check))
    return results


async def _one(probe: Probe, check: Check) -> Result:
    probe.recent.clear()
    status, detail = Status.PASS, ""
    try:
        detail = await check.run(probe) or ""
    except Verdict as verdict:
        status, detail = verdict.status, verdict.detail
    shown = [] if status is Status.SKIP else probe.recent
    return Result(check.group, check.name, status, detail, _sent(shown), _received(shown))


def _sent(exchanges: Sequence[Exchange]) -> str | None:
    return "\n\n".join(str(exchange.request) for exchange in exchanges) or None


def _received(exchanges: Sequence[Exchange]) -> str | None:
    return "\n\n".join(exchange.answer() for exchange in exchanges) or None


async def _clean_up(probe: Probe, watcher: Watcher) -> list[str]:
    count = sum(resource.may_exist for resource in probe.resources)
    if count:
        watcher.removing(count)
    left = await probe.remove_all()
    if left:
        watcher.left_behind(left)
    return left


def _removal(left: Sequence[str], groups: frozenset[str]) -> list[Result]:
    if left:
        detail = f"These may still exist, remove them by hand: {'; '.join(left)}."
        return [Result("deprovision", REMOVED, Status.FAIL, detail)]
    return [Result("deprovision", REMOVED, Status.PASS)] if groups - {"manifest"} else []


def _cleaned(result: Result, redactor: Redactor) -> Result:
    return replace(
        result,
        detail=redactor.clean(result.detail),
        sent=result.sent and redactor.clean(result.sent),
        received=result.received and redactor.clean(result.received),
    )


async def _must_answer(url: str) -> None:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(_REACH_WITHIN_S):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except TimeoutError:
        raise Unusable(f"The provider at {parts.netloc} does not answer. Is it running?") from None
    except OSError as error:
        reason = error.strerror or "no connection"
        raise Unusable(f"The provider at {parts.netloc} cannot be reached ({reason}). Is it running?") from None
    with closing(writer):
        return
