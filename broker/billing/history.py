"""Reading what an account used, as the pure core wants it: usage periods become segments of prices. Never commits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import ColumnElement, or_, select

from broker.billing.metering import Reading
from broker.billing.models import BillingAccount, UsagePeriod
from broker.billing.months import Month
from broker.billing.prices import Allowance, MeterKind, MeterPrice, Model, PriceVersion, Tier
from broker.billing.pricing import Statement, Tax, Terms, statement
from broker.billing.readings import readings_in
from broker.billing.timeline import Mode, Segment
from broker.kernel.db import Tx

DEFAULT_CURRENCY = "usd"


@dataclass(frozen=True, slots=True)
class History:
    """What an account had in a month: its terms, and of every add-on that it had the segments and readings."""

    terms: Terms
    month: Month
    segments: tuple[Segment, ...]
    readings: tuple[Reading, ...] = ()

    @property
    def currencies(self) -> list[str]:
        """Those that the account owes in: of the add-ons that it had, or its own if it had none."""
        theirs = {segment.price.currency for segment in self.segments if segment.account == self.terms.account}
        return sorted(theirs) or [self.terms.currency]

    def statement(self, currency: str, *, at: datetime) -> Statement:
        """What it owes in one of them, as far as `at`."""
        return statement(replace(self.terms, currency=currency), self.month, self.segments, self.readings, at=at)


async def history_of(tx: Tx, terms: Terms, month: Month) -> History:
    """What the account of these terms had in the month."""
    segments = await segments_in(tx, terms.account, month)
    return History(terms, month, segments, await readings_in(tx, segments, month))


async def account_of(tx: Tx, payer_id: UUID) -> tuple[Terms, str]:
    """The terms of an account and its zone; the usual ones, if nothing was agreed."""
    columns = (BillingAccount.currency, BillingAccount.zone, BillingAccount.tax, BillingAccount.discount_bp)
    row = (await tx.execute(select(*columns).where(BillingAccount.id == payer_id))).one_or_none()
    if row is None:
        return Terms(payer_id, DEFAULT_CURRENCY), "UTC"
    return Terms(payer_id, row.currency or DEFAULT_CURRENCY, _tax(row.tax), row.discount_bp), row.zone


async def segments_in(tx: Tx, payer_id: UUID, month: Month) -> tuple[Segment, ...]:
    """Every segment, of whatever account and time, of the add-ons that this account had in the month."""
    theirs = select(UsagePeriod.addon_id).where(UsagePeriod.payer_id == payer_id, *_touches(month))
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
            UsagePeriod.terms,
            UsagePeriod.started_at,
            UsagePeriod.ended_at,
        )
        .where(UsagePeriod.addon_id.in_(theirs), UsagePeriod.started_at <= month.end)
        .order_by(UsagePeriod.addon_id, UsagePeriod.started_at)
    )
    rows = (await tx.execute(periods)).all()
    followed = {(row.addon_id, row.started_at) for row in rows}
    return tuple(_segment(row, last=(row.addon_id, row.ended_at) not in followed) for row in rows)


def _touches(month: Month) -> tuple[ColumnElement[bool], ...]:
    return UsagePeriod.started_at < month.end, or_(UsagePeriod.ended_at.is_(None), UsagePeriod.ended_at > month.start)


def _segment(row: Any, *, last: bool) -> Segment:
    return Segment(
        resource=row.addon_id,
        activation=row.addon_id,
        account=row.payer_id,
        price=price_version(row),
        start=row.started_at,
        end=row.ended_at,
        mode=Mode(row.mode),
        last=last and row.ended_at is not None,
    )


def price_version(row: Any) -> PriceVersion:
    """The price of a period, given by its columns or as a `Subject`. The same plan on the same terms is the same version."""
    terms: Mapping[str, Any] = row.terms
    return PriceVersion(
        id=_version_id(row.plan_id, row.price_cents, row.currency, json.dumps(terms, sort_keys=True) if terms else ""),
        service=row.service,
        plan=row.plan,
        currency=row.currency,
        monthly_minor=row.price_cents,
        meters=tuple(map(_meter, terms.get("meters", ()))),
        minimum_s=terms.get("minimum_s", 0),
        suspended_minor=terms.get("suspended_cents", 0),
    )


@lru_cache(maxsize=4096)
def _version_id(plan_id: UUID, price_cents: int, currency: str, terms: str) -> UUID:
    return uuid5(plan_id, f"{price_cents} {currency} {terms}".rstrip())


def _meter(declared: Mapping[str, Any]) -> MeterPrice:
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
    )


def _tax(agreed: Mapping[str, Any] | None) -> Tax | None:
    if agreed is None:
        return None
    return Tax(Fraction(agreed["rate"]), agreed.get("inclusive", False), agreed.get("note", ""))
