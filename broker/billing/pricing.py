"""The one function that says what a month costs: for the preview, the close and the explanation alike. Pure: no I/O, no clock.

Amounts are integers of minor units; what is exact until then is a fraction. Every line is rounded once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Final
from uuid import UUID

from broker.billing.collectable import collectable_minor
from broker.billing.metering import Reading, in_force, quantity
from broker.billing.months import Month
from broker.billing.prices import Allowance, MeterKind, MeterPrice, PriceVersion, charge
from broker.billing.timeline import Mode, Segment
from broker.kernel.money import quotient, rounded, share_out

_BILLED: Final = (Mode.PAID, Mode.TRIAL, Mode.SUSPENDED)
_SECOND: Final = timedelta(seconds=1)
_NOTHING: Final = Fraction(0)


class CreditKind(StrEnum):
    """A promotional credit lowers the price; a prepaid one pays it."""

    PROMO = "promo"
    PREPAID = "prepaid"


@dataclass(frozen=True, slots=True)
class Credit:
    """What may be used up. Units: minor units. It can't be used at `expires_at` any more."""

    id: UUID
    kind: CreditKind
    minor: int
    granted_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Tax:
    """Units: `rate` as a fraction of the net amount (or contained in the gross amount, if `inclusive`)."""

    rate: Fraction
    inclusive: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """On whose behalf and how an account is billed. Units: `discount_bp` in hundredths of a percent."""

    account: UUID
    currency: str = "usd"
    tax: Tax | None = None
    discount_bp: int = 0
    credits: tuple[Credit, ...] = ()
    carried_minor: int = 0
    """Left over from months that were not worth collecting."""
    collectable_minor: int | None = None
    """From what amount on it is; None: as it is by now for the currency."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, with what it was computed from. Units: seconds; minor units."""

    resource: UUID
    price: PriceVersion
    mode: Mode
    meter: MeterPrice | None
    spans: tuple[tuple[datetime, datetime], ...]
    seconds: int
    topped_up_s: int
    quantity: Fraction
    month: Month
    minor: int
    discount_minor: int = 0
    promo_minor: int = 0
    tax_minor: int = 0

    @property
    def net_minor(self) -> int:
        """What is left of it before tax."""
        return self.minor - self.discount_minor - self.promo_minor


@dataclass(frozen=True, slots=True)
class CreditUse:
    """How much of which credit was used."""

    credit: UUID
    minor: int


@dataclass(frozen=True, slots=True)
class Statement:
    """What a month costs an account. Lines of nothing are there to be seen; an invoice leaves them out."""

    account: UUID
    currency: str
    month: Month
    lines: tuple[Line, ...]
    used: tuple[CreditUse, ...]
    net_minor: int
    tax_minor: int
    prepaid_minor: int
    carried_minor: int
    collectable_minor: int

    @property
    def total_minor(self) -> int:
        """What the month costs, with tax."""
        return self.net_minor + self.tax_minor

    @property
    def due_minor(self) -> int:
        """What is to be paid: the month and what was carried, less what was prepaid."""
        return self.total_minor + self.carried_minor - self.prepaid_minor

    @property
    def is_collected(self) -> bool:
        """Whether there will be an invoice to pay, rather than a statement and something carried forward."""
        return self.due_minor >= self.collectable_minor


def statement(
    terms: Terms, month: Month, segments: Iterable[Segment], readings: Iterable[Reading] = (), *, at: datetime
) -> Statement:
    """What the account owes for the month as far as `at`; after its end, what it owes.

    `segments` and `readings` are those of every add-on that the account had in the month: from their activation on, and
    also on other accounts, so that the parts of what was handed over sum to the whole. What is priced in other currencies
    is on statements of its own.
    """
    by_price: dict[tuple[UUID, UUID, Mode], list[Segment]] = defaultdict(list)
    histories: dict[UUID, list[Segment]] = defaultdict(list)
    for segment in segments:
        histories[segment.activation].append(segment)
        if segment.mode in _BILLED and segment.price.currency == terms.currency:
            by_price[segment.resource, segment.price.id, segment.mode].append(segment)
    by_meter: dict[tuple[UUID, str], list[Reading]] = defaultdict(list)
    for reading in in_force(readings):
        by_meter[reading.resource, reading.meter].append(reading)
    topped_up = _minimums(histories.values(), month)
    lines: list[Line] = []
    for key in sorted(
        by_price, key=lambda key: (key[0].bytes, min(s.start for s in by_price[key]), key[1].bytes, key[2])
    ):
        lines += _lines(terms.account, month, by_price[key], by_meter, topped_up, min(at, month.end))
    return _settled(terms, month, lines, at)


def _lines(
    account: UUID,
    month: Month,
    segments: list[Segment],
    by_meter: Mapping[tuple[UUID, str], Sequence[Reading]],
    topped_up: Mapping[tuple[UUID, datetime], int],
    until: datetime,
) -> list[Line]:
    """The lines of one add-on on one price: what is fixed, then what is metered."""
    ours, spans, seconds, extra, minor, so_far, charged = False, [], 0, 0, 0, 0, 0
    first, turns = segments[0], list[_Turn]()
    monthly, month_s = _monthly(first), month.seconds
    for segment in sorted(segments, key=lambda segment: segment.start) if len(segments) > 1 else segments:
        start, end = max(segment.start, month.start), min(segment.end or until, until)
        if start >= end:
            continue
        more = topped_up.get((segment.activation, segment.start), 0)
        held = (end - start) // _SECOND
        so_far = min(so_far + held + more, month_s)
        # By the running total: parts sum to the whole, to whomever each belongs.
        owed = quotient(monthly * so_far, month_s)
        if segment.account == account:
            ours, extra, minor = True, extra + more, minor + owed - charged
            seconds += held
            spans.append((start, end))
        turns.append((segment.account == account, (start, end)))
        charged = owed
    if not ours:
        return []
    fixed = Line(first.resource, first.price, first.mode, None, tuple(spans), seconds, extra, _NOTHING, month, minor)
    meters = _meters(first)
    if meters and len(spans) < len(turns):
        meters = tuple(
            _left_of(meter, turns, by_meter.get((first.resource, meter.meter), ()), month) for meter in meters
        )
    return [fixed, *(_metered(fixed, meter, by_meter) for meter in meters)]


_Turn = tuple[bool, tuple[datetime, datetime]]
"""Whether the account that is billed had the add-on, and from when to when."""


def _left_of(meter: MeterPrice, turns: Sequence[_Turn], readings: Sequence[Reading], month: Month) -> MeterPrice:
    """A meter with as many of its included units as the account used first: what is given whole is given once a month."""
    if meter.allowance is not Allowance.KEEP or meter.kind not in (MeterKind.COUNTER, MeterKind.CUMULATIVE):
        return meter
    left, free = meter.included, _NOTHING
    for ours, span in turns:
        taken = min(max(quantity(meter.kind, readings, (span,), month.seconds), _NOTHING), left)
        left -= taken
        free += taken if ours else _NOTHING
    return replace(meter, included=free)


def _monthly(segment: Segment) -> int:
    if segment.mode is Mode.TRIAL:
        return 0
    return segment.price.suspended_minor if segment.mode is Mode.SUSPENDED else segment.price.monthly_minor


def _meters(segment: Segment) -> tuple[MeterPrice, ...]:
    return segment.price.meters if segment.mode is Mode.PAID else ()


def _metered(fixed: Line, meter: MeterPrice, by_meter: Mapping[tuple[UUID, str], Sequence[Reading]]) -> Line:
    month = fixed.month
    used = quantity(meter.kind, by_meter.get((fixed.resource, meter.meter), ()), fixed.spans, month.seconds)
    amount = rounded(charge(meter, used, Fraction(fixed.seconds, month.seconds)))
    return replace(fixed, meter=meter, topped_up_s=0, quantity=used, minor=amount)


def _minimums(activations: Iterable[Sequence[Segment]], month: Month) -> dict[tuple[UUID, datetime], int]:
    """The seconds that an activation which ended in this month lacks to its minimum, by its last segment."""
    lacking = {}
    for history in activations:
        last = max(history, key=lambda segment: segment.start) if len(history) > 1 else history[0]
        if not last.last or last.end is None or not month.start < last.end <= month.end or last.mode is not Mode.PAID:
            continue
        held = sum(((s.end or s.start) - s.start) // _SECOND for s in history)
        if last.price.oops_s <= held < last.price.minimum_s:
            lacking[last.activation, last.start] = last.price.minimum_s - held
    return lacking


def _settled(terms: Terms, month: Month, lines: list[Line], at: datetime) -> Statement:
    """Discount, then promotional credits, then tax, each rounded once and shared out over the lines; then what is prepaid."""
    gross = sum(line.minor for line in lines)
    discount = quotient(gross * terms.discount_bp, 10_000)
    lines = _spread(lines, discount, lambda line, part: replace(line, discount_minor=part))
    promo, promo_uses = _use(terms.credits, CreditKind.PROMO, gross - discount, at)
    lines = _spread(lines, promo, lambda line, part: replace(line, promo_minor=part))
    net = gross - discount - promo
    tax = _tax(terms.tax, net)
    lines = _spread(lines, tax, lambda line, part: replace(line, tax_minor=part))
    if terms.tax is not None and terms.tax.inclusive:
        net -= tax
    prepaid, prepaid_uses = _use(terms.credits, CreditKind.PREPAID, net + tax + terms.carried_minor, at)
    used = (*promo_uses, *prepaid_uses)
    least = collectable_minor(terms.currency) if terms.collectable_minor is None else terms.collectable_minor
    return Statement(
        terms.account, terms.currency, month, tuple(lines), used, net, tax, prepaid, terms.carried_minor, least
    )


def _spread(lines: list[Line], amount: int, given: Callable[[Line, int], Line]) -> list[Line]:
    if not amount:
        return lines
    parts = share_out(amount, [max(line.net_minor, 0) for line in lines])
    return [given(line, part) for line, part in zip(lines, parts, strict=True)]


def _tax(tax: Tax | None, net: int) -> int:
    if tax is None:
        return 0
    return rounded(net * tax.rate / (1 + tax.rate) if tax.inclusive else net * tax.rate)


def _use(credits: Sequence[Credit], kind: CreditKind, owed: int, at: datetime) -> tuple[int, list[CreditUse]]:
    """Use up what expires soonest, of that the oldest, and never more than is owed."""
    usable = [credit for credit in credits if credit.kind is kind and not _expired(credit, at)]
    uses, left = [], max(owed, 0)
    for credit in sorted(usable, key=lambda c: (c.expires_at is None, c.expires_at, c.granted_at, c.id.bytes)):
        part = min(credit.minor, left)
        if part > 0:
            uses.append(CreditUse(credit.id, part))
            left -= part
    return max(owed, 0) - left, uses


def _expired(credit: Credit, at: datetime) -> bool:
    return credit.expires_at is not None and credit.expires_at <= at
