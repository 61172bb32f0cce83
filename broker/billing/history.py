"""Reading what an account used, as the pure core wants it: usage periods become segments of prices. Never commits."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import ColumnElement, Text, Uuid, any_, cast, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from broker.billing.metering import Reading
from broker.billing.models import BillingAccount, UsagePeriod
from broker.billing.months import Month
from broker.billing.prices import Allowance, MeterKind, MeterPrice, Model, PriceVersion, Tier
from broker.billing.pricing import Statement, Tax, Terms, statement
from broker.billing.readings import readings_in
from broker.billing.standing import Standing, Standings, standings
from broker.billing.timeline import Mode, Segment
from broker.kernel.db import Tx

DEFAULT_CURRENCY = "usd"


@dataclass(frozen=True, slots=True)
class History:
    """What an account had in a month: its terms, how it stood, and of every add-on that it had the segments and readings.

    Statements can be made of it as of `ends` and of the month's end (None: as of any instant).
    """

    terms: Terms
    month: Month
    segments: tuple[Segment, ...]
    readings: tuple[Reading, ...] = ()
    standing: Standings = field(default_factory=dict)
    ends: tuple[datetime, ...] | None = None

    @property
    def currencies(self) -> list[str]:
        """Those that the account owes in: of the add-ons that it had and of what was carried, or its own if there was nothing."""
        theirs = {segment.price.currency for segment in self.segments if segment.account == self.terms.account}
        theirs |= {currency for currency, standing in self.standing.items() if standing.carried_minor}
        return sorted(theirs) or [self.terms.currency]

    def statement(self, currency: str, *, at: datetime) -> Statement:
        """What it owes in one of them, as far as `at`."""
        assert self.ends is None or at >= self.month.end or at in self.ends, (
            "readings were summed up for other instants"
        )
        standing = self.standing.get(currency, Standing())
        terms = replace(self.terms, currency=currency, credits=standing.credits, carried_minor=standing.carried_minor)
        return statement(terms, self.month, self.segments, self.readings, at=at)


async def history_of(tx: Tx, terms: Terms, month: Month, *, ends: Sequence[datetime] | None = None) -> History:
    """What the account of these terms had in the month."""
    (history,) = await histories_of(tx, [terms], month, ends=ends)
    return history


async def histories_of(
    tx: Tx,
    accounts: Sequence[Terms],
    month: Month,
    *,
    known_at: datetime | None = None,
    ends: Sequence[datetime] | None = None,
) -> list[History]:
    """The same of several accounts, in as many statements as of one; `known_at` leaves out what was reported later.

    Whoever knows the instants as of which statements are to be made tells them as `ends` (besides the end of the month, as of
    which they always can be): then not every reading has to be looked at.
    """
    ids = [terms.account for terms in accounts]
    found = await segments_in(tx, ids, month)
    standing = await standings(tx, ids, str(month))
    readings: dict[UUID, list[Reading]] = defaultdict(list)
    for reading in await readings_in(tx, found, month, known_at=known_at, ends=ends):
        readings[reading.resource].append(reading)
    segments: dict[UUID, list[Segment]] = defaultdict(list)
    holders: dict[UUID, set[UUID]] = defaultdict(set)
    for segment in found:
        segments[segment.resource].append(segment)
        if segment.start < month.end and (segment.end is None or segment.end > month.start):
            holders[segment.account].add(segment.resource)
    return [
        History(
            terms,
            month,
            tuple(segment for resource in _in_order(holders[terms.account]) for segment in segments[resource]),
            tuple(reading for resource in _in_order(holders[terms.account]) for reading in readings.get(resource, ())),
            standing.get(terms.account, {}),
            None if ends is None else tuple(ends),
        )
        for terms in accounts
    ]


def _in_order(resources: Collection[UUID]) -> list[UUID]:
    return sorted(resources, key=lambda resource: resource.bytes)


async def account_of(tx: Tx, payer_id: UUID) -> tuple[Terms, str]:
    """The terms of an account and its zone; the usual ones, if nothing was agreed."""
    return (await accounts_of(tx, [payer_id]))[payer_id]


async def accounts_of(tx: Tx, payer_ids: Collection[UUID]) -> dict[UUID, tuple[Terms, str]]:
    """The same of several accounts."""
    columns = (
        BillingAccount.id,
        BillingAccount.currency,
        BillingAccount.zone,
        BillingAccount.tax,
        BillingAccount.discount_bp,
    )
    found = {payer_id: (Terms(payer_id, DEFAULT_CURRENCY), "UTC") for payer_id in payer_ids}
    for row in await tx.execute(
        select(*columns).where(BillingAccount.id == any_(literal(list(payer_ids), ARRAY(Uuid))))
    ):
        terms = Terms(row.id, row.currency or DEFAULT_CURRENCY, tax_of(row.tax), row.discount_bp)
        found[row.id] = (terms, row.zone)
    return found


async def segments_in(tx: Tx, payer_ids: Collection[UUID], month: Month) -> tuple[Segment, ...]:
    """Every segment, of whatever account and time, of the add-ons that these accounts had in the month."""
    payers = any_(literal(list(payer_ids), ARRAY(Uuid)))
    theirs = select(UsagePeriod.addon_id).where(UsagePeriod.payer_id == payers, *_touches(month))
    return await segments_of(tx, UsagePeriod.addon_id.in_(theirs), month)


async def segments_of(tx: Tx, which: ColumnElement[bool], month: Month) -> tuple[Segment, ...]:
    """Every segment of these add-ons that began before the end of the month."""
    periods = (
        select(
            UsagePeriod.addon_id,
            UsagePeriod.payer_id,
            UsagePeriod.plan_id,
            UsagePeriod.price_cents,
            UsagePeriod.currency,
            UsagePeriod.service,
            UsagePeriod.plan,
            UsagePeriod.mode,
            cast(UsagePeriod.terms, Text),
            UsagePeriod.started_at,
            UsagePeriod.ended_at,
        )
        .where(which, UsagePeriod.started_at <= month.end)
        .order_by(UsagePeriod.addon_id, UsagePeriod.started_at)
    )
    rows = (await tx.execute(periods)).all()
    followed = {(row.addon_id, row.started_at) for row in rows}
    return tuple(_segment(row, followed) for row in rows)


def _touches(month: Month) -> tuple[ColumnElement[bool], ...]:
    return UsagePeriod.started_at < month.end, or_(UsagePeriod.ended_at.is_(None), UsagePeriod.ended_at > month.start)


def _segment(row: Any, followed: Container[tuple[UUID, datetime]]) -> Segment:
    addon_id, payer_id, plan_id, price_cents, currency, service, plan, mode, terms, started_at, ended_at = row
    return Segment(
        resource=addon_id,
        activation=addon_id,
        account=payer_id,
        price=_price_version(plan_id, price_cents, currency, service, plan, terms),
        start=started_at,
        end=ended_at,
        mode=Mode(mode),
        last=ended_at is not None and (addon_id, ended_at) not in followed,
    )


def price_version(row: Any) -> PriceVersion:
    """The price of a period, given by its columns or as a `Subject`. The same plan on the same terms is the same version."""
    return _price_version(row.plan_id, row.price_cents, row.currency, row.service, row.plan, json.dumps(row.terms))


@lru_cache(maxsize=4096)
def _price_version(
    plan_id: UUID, price_cents: int, currency: str, service: str, plan: str, terms_json: str
) -> PriceVersion:
    """Kept, because a month has many periods on few prices."""
    terms: Mapping[str, Any] = json.loads(terms_json)
    named = json.dumps(terms, sort_keys=True) if terms else ""
    return PriceVersion(
        id=uuid5(plan_id, f"{price_cents} {currency} {named}".rstrip()),
        service=service,
        plan=plan,
        currency=currency,
        monthly_minor=price_cents,
        meters=tuple(map(meter_price, terms.get("meters", ()))),
        minimum_s=terms.get("minimum_s", 0),
        suspended_minor=terms.get("suspended_cents", 0),
    )


def meter_price(declared: Mapping[str, Any]) -> MeterPrice:
    """A meter as a manifest declares it. Units there: decimal strings of cents."""
    return MeterPrice(
        meter=declared["name"],
        kind=MeterKind(declared.get("kind") or MeterKind.COUNTER),
        model=Model(declared.get("model") or Model.UNIT),
        unit_minor=Fraction(declared.get("unit_price") or 0),
        package=Fraction(declared.get("package") or 1),
        tiers=tuple(
            Tier(
                None if tier.get("up_to") is None else Fraction(tier["up_to"]),
                Fraction(tier.get("unit_price") or 0),
                Fraction(tier.get("flat_price") or 0),
            )
            for tier in declared.get("tiers") or ()
        ),
        included=Fraction(declared.get("included") or 0),
        allowance=Allowance(declared.get("allowance") or Allowance.PRORATE),
        label=declared.get("label") or declared["name"],
        unit=declared.get("unit") or "",
    )


def tax_of(agreed: Mapping[str, Any] | None) -> Tax | None:
    """The tax of an account as it is stored."""
    if agreed is None:
        return None
    return Tax(Fraction(agreed["rate"]), agreed.get("inclusive", False), agreed.get("note", ""))
