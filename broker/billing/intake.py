"""Taking in what providers report of usage: each report by itself, once for ever, with an answer of its own.

What it costs is decided when a month is added up; see `readings.py` for what that reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.types import TypeEngine

from broker.billing.metered import MeteredAddon, metered_addons
from broker.billing.models import UsageEvent
from broker.billing.months import Month, month_of, whole_second
from broker.billing.voids import voided_instants
from broker.kernel.clock import rfc3339
from broker.kernel.context import Context
from broker.kernel.db import Tx, again_on_deadlock
from broker.kernel.direct import Direct

LATENESS: Final = timedelta(hours=72)
"""How long after the end of a month its usage is still taken in: until then the month is not closed."""
SKEW: Final = timedelta(seconds=300)
"""How far ahead of ours a provider's clock may be."""
MOST_REPORTS: Final = 1000
_ADDITIVE: Final = "counter"


@dataclass(frozen=True, slots=True)
class Report:
    """A reading of a meter as a provider sends it. `(source, id)` names it for ever among those of the service.

    `source` is the part of the service that counts, if there are several.

    With `voids` it takes the earlier report of that id and source back; `meter` and `quantity` mean nothing then.
    """

    source: str
    id: str
    addon_id: UUID
    meter: str
    quantity: Decimal
    at: datetime | None = None
    """When it was read; None: just now."""
    subject: str = ""
    voids: str | None = None

    @property
    def digest(self) -> bytes:
        """Of everything that was said, so that a repetition can be told from a contradiction."""
        at = "" if self.at is None else rfc3339(whole_second(self.at))
        voids = "" if self.voids is None else f"voids {self.voids}"
        said = (str(self.addon_id), self.meter, _canonical(self.quantity), at, self.subject, voids)
        return hashlib.sha256("\0".join(said).encode()).digest()


@lru_cache(maxsize=4096)
def _canonical(quantity: Decimal) -> str:
    """`5` for `5.00`, too."""
    return str(Fraction(quantity))


class Status(StrEnum):
    """What became of a report."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    """It had been accepted before, and says the same."""
    CONFLICT = "conflict"
    """Another report of this id was accepted before; that one stands."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to one report; `reason` and `message` say why it was not accepted, or not billed."""

    id: str
    status: Status
    reason: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal(Exception):
    """A report that cannot be taken in, and why."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A report that is new and will be billed, with who pays for it, and the month that it belongs to."""

    report: Report
    at: datetime
    payer_id: UUID
    month: Month


Beyond = Callable[[Tx, Sequence[Candidate]], Awaitable[Collection[Report]]]
"""Finds what payers have forbidden to be billed. Budgets are about apps and services, which billing does not know."""


async def take_in(ctx: Context, service: str, reports: Sequence[Report], beyond: Beyond | None = None) -> list[Result]:
    """Store what is new of these reports about add-ons of the service; a result for each, in their order.

    The order in which reports arrive, in one call or in several, changes nothing of what they come to. (It does once a
    budget is used up: then what comes later is refused.)

    Transactions: one, repeated on a deadlock; all or nothing of what is accepted is stored.
    """

    named = [replace(report, source=f"{service} {report.source}".rstrip()) for report in reports]

    async def once() -> list[Result]:
        async with ctx.database.transaction() as tx:
            return await _take_in(tx, service, named, whole_second(ctx.clock.now()), beyond)

    return await again_on_deadlock(once)


_Name = tuple[str, str]
_CAPPED: Final = Refusal(
    "capped",
    "The budget of whoever pays has no room for this. Suspend what is metered; report again if it is to be billed later.",
)


async def _take_in(
    tx: Tx, service: str, reports: Sequence[Report], now: datetime, beyond: Beyond | None
) -> list[Result]:
    known = await _digests(tx, {(report.source, report.id) for report in reports})
    fresh = [report for report in reports if (report.source, report.id) not in known]
    rules = await _Rules.of(tx, service, fresh, now) if fresh else None
    acceptable: dict[_Name, Report] = {}
    refusals: dict[int, Refusal] = {}
    for place, report in enumerate(reports):
        name = (report.source, report.id)
        if name in known or name in acceptable or rules is None:
            continue
        try:
            rules.check(report)
            acceptable[name] = report
        except Refusal as refusal:
            refusals[place] = refusal
    if beyond is not None and rules is not None:
        for report in await beyond(tx, [each for one in acceptable.values() if (each := rules.candidate(one))]):
            name = report.source, report.id
            del acceptable[name]
            refusals |= {place: _CAPPED for place, each in enumerate(reports) if (each.source, each.id) == name}
    stored = await _store(tx, acceptable.values(), now)
    if len(stored) < len(acceptable):  # somebody else was quicker
        known |= await _digests(tx, acceptable.keys() - stored)
    answered: set[_Name] = set()
    results = []
    for place, report in enumerate(reports):
        name = (report.source, report.id)
        if place in refusals:
            results.append(Result(report.id, Status.REFUSED, refusals[place].reason, refusals[place].message))
        elif name in stored and name not in answered:
            answered.add(name)
            results.append(_accepted(report, rules))
        else:
            results.append(_repeated(report, known.get(name) or acceptable[name].digest))
    return results


def _accepted(report: Report, rules: _Rules | None) -> Result:
    unbilled = rules and rules.unbilled(report)
    return Result(report.id, Status.ACCEPTED, *(("not_billed", unbilled) if unbilled else ()))


def _repeated(report: Report, digest: bytes) -> Result:
    if report.digest == digest:
        return Result(report.id, Status.DUPLICATE)
    said = "An earlier report of this id says something else, and stands: void it, and report again under a new id."
    return Result(report.id, Status.CONFLICT, "conflict", said)


async def _digests(tx: Tx, names: Collection[_Name]) -> dict[_Name, bytes]:
    if not names:
        return {}
    sources, ids = zip(*names, strict=True)
    return {(source, name): digest for source, name, digest in await _KNOWN.all(tx, sources=sources, ids=ids)}


def _unnested(**columns: TypeEngine[Any]) -> Any:
    """Rows of parameters, given as a list for each column."""
    lists = [bindparam(f"{name}s", type_=ARRAY(kind)) for name, kind in columns.items()]
    return func.unnest(*lists).table_valued(*columns).render_derived()


_NAMED: Final = _unnested(source=Text(), id=Text())
_KNOWN: Final = Direct(
    select(UsageEvent.source, UsageEvent.id, UsageEvent.digest).join(
        _NAMED, (UsageEvent.source == _NAMED.c.source) & (UsageEvent.id == _NAMED.c.id)
    )
)


async def _store(tx: Tx, reports: Iterable[Report], now: datetime) -> set[_Name]:
    """The names of those that were not there yet. In the order of their names, so that two calls seldom wait for one another."""
    rows = [_row(report, now) for report in sorted(reports, key=lambda report: (report.source, report.id))]
    if not rows:
        return set()
    columns = {f"{name}s": column for name, column in zip(_COLUMNS, zip(*rows, strict=True), strict=True)}
    return {(source, name) for source, name in await _STORED.all(tx, **columns, received_at=now)}


def _row(report: Report, now: datetime) -> tuple[Any, ...]:
    """By `_COLUMNS`."""
    at = now if report.at is None else whole_second(report.at)
    return (
        report.source, report.id, report.addon_id, report.meter, report.quantity, at, report.subject, report.voids,
        report.digest,
    )  # fmt: skip


_COLUMNS: Final = "source id addon_id meter quantity at subject voids digest".split()
_REPORTED: Final = _unnested(**{name: UsageEvent.__table__.c[name].type for name in _COLUMNS})
_STORED: Final = Direct(
    insert(UsageEvent)
    .from_select([*_COLUMNS, "received_at"], select(_REPORTED, bindparam("received_at", type_=DateTime(timezone=True))))
    .on_conflict_do_nothing()
    .returning(UsageEvent.source, UsageEvent.id)
)


@dataclass(frozen=True, slots=True)
class _Rules:
    """What has to be known of the add-ons to judge reports about them at an instant."""

    now: datetime
    addons: Mapping[UUID, MeteredAddon]
    voided: Mapping[_Name, tuple[UUID, datetime]]
    """Of reports that are to be voided and are there: whose they are, and of when."""

    @classmethod
    async def of(cls, tx: Tx, service: str, reports: Sequence[Report], now: datetime) -> _Rules:
        voids = {(report.source, report.voids) for report in reports if report.voids is not None}
        addons = await metered_addons(tx, service, {report.addon_id for report in reports})
        return cls(now, addons, await voided_instants(tx, voids))

    def check(self, report: Report) -> None:
        """Raises: Refusal."""
        addon = self.addons.get(report.addon_id)
        if addon is None:
            raise Refusal("unknown_addon", "The service has no such add-on, or it was never provisioned.")
        if report.voids is not None:
            return self._check_void(report, addon, report.voids)
        at = self.now if report.at is None else whole_second(report.at)
        self._check_time(addon, at)
        held = addon.held_at(at)
        meter = held.meter(report.meter)
        if meter is None:
            names = ", ".join(held.meters) or "none"
            raise Refusal("unknown_meter", f"The plan {held.plan} has no meter of this name. Its meters: {names}.")
        if report.quantity < 0 and meter.get("kind", _ADDITIVE) != _ADDITIVE:
            raise Refusal("negative", "Only what is added up can be negative. To correct a reading, void it.")
        return None

    def _check_time(self, addon: MeteredAddon, at: datetime) -> None:
        if at > self.now + SKEW:
            raise Refusal("in_the_future", f"This lies in the future. {self._clock}")
        if at < addon.started_at:
            raise Refusal("before_start", f"The add-on was provisioned at {rfc3339(addon.started_at)}. {self._clock}")
        if addon.ended_at is not None and at > addon.ended_at + LATENESS:
            raise Refusal("after_end", f"The add-on was destroyed at {rfc3339(addon.ended_at)}. {self._clock}")
        self._check_open(addon, at)

    @property
    def _clock(self) -> str:
        return f"It is {rfc3339(self.now)} here."

    def _check_open(self, addon: MeteredAddon, at: datetime) -> None:
        month = month_of(at, addon.held_at(at).zone)
        if self.now >= month.end + LATENESS:
            said = (
                f"{month} is closed since {rfc3339(month.end + LATENESS)}: what belongs to it is not taken in any more."
            )
            raise Refusal("too_late", said)

    def _check_void(self, report: Report, addon: MeteredAddon, voids: str) -> None:
        target = self.voided.get((report.source, voids))
        if target is None:
            return  # it may still arrive
        addon_id, at = target
        if addon_id != report.addon_id:
            raise Refusal("unknown_addon", "The report that is to be voided is about another add-on.")
        self._check_open(addon, at)

    def candidate(self, report: Report) -> Candidate | None:
        """What a report is that will cost something; None for others."""
        if report.voids is not None or report.quantity < 0 or self.unbilled(report):
            return None
        at = self.now if report.at is None else whole_second(report.at)
        held = self.addons[report.addon_id].held_at(at)
        return Candidate(report, at, held.payer_id, month_of(at, held.zone))

    def unbilled(self, report: Report) -> str | None:
        """Why what was accepted will cost nothing, if that is certain."""
        if report.voids is not None:
            return None
        addon = self.addons[report.addon_id]
        at = self.now if report.at is None else whole_second(report.at)
        held = addon.held_at(at)
        if addon.ended_at is not None and at >= addon.ended_at:
            return "The add-on was being destroyed by then."
        if held.mode != "paid":
            return f"The add-on was on terms by then that do not bill usage: {held.mode}."
        return None if held.is_priced(report.meter) else "This meter has no price."
