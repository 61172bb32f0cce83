"""The partner's share of what was collected: how money is spread over lines, and what of it is whose. Pure.

A share counts once money is there. Amounts of a line are functions of what is collected of it by now, and events post the
difference: so parts sum to the whole, and what is paid back takes the share back in the same ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Final
from uuid import UUID

from broker.kernel.money import quotient, share_out

WHOLE_BP: Final = 10_000


@dataclass(frozen=True, slots=True)
class Sold:
    """A line of a bill, as far as it is to be shared. Units: minor units; hundredths of a percent."""

    id: UUID
    service: str
    minor: int
    """What the customer pays for it, with tax."""
    tax_minor: int = 0
    promo_minor: int = 0
    """What the platform pays of it by a promotional credit, before tax."""
    share_bp: Fraction = Fraction(7000)
    taken_minor: int = 0
    """Taken back by credit notes, with tax."""
    taken_tax_minor: int = 0

    @property
    def left_minor(self) -> int:
        """What the customer still has to pay or has paid for it."""
        return self.minor - self.taken_minor


@dataclass(frozen=True, slots=True)
class Share:
    """What is collected of a line, and whose that is. Units: minor units."""

    minor: int = 0
    tax_minor: int = 0
    base_minor: int = 0
    share_minor: int = 0

    def __add__(self, other: Share) -> Share:
        return Share(
            self.minor + other.minor,
            self.tax_minor + other.tax_minor,
            self.base_minor + other.base_minor,
            self.share_minor + other.share_minor,
        )

    def __neg__(self) -> Share:
        return Share(-self.minor, -self.tax_minor, -self.base_minor, -self.share_minor)

    def __bool__(self) -> bool:
        return self != Share()


def partner_part(base_minor: int, share_bp: Fraction | int) -> int:
    """The partner's part of an amount: whole minor units, the rest is the platform's."""
    return int(Fraction(share_bp) * base_minor // WHOLE_BP)


def share_of(line: Sold, collected: int) -> Share:
    """Whose it is, when so much of a line is collected."""
    tax = quotient((line.tax_minor - line.taken_tax_minor) * collected, line.left_minor) if line.left_minor else 0
    # The platform's credits go with what the customer pays; where that is nothing, they are all there is.
    promo = quotient(line.promo_minor * collected, line.minor) if line.minor else line.promo_minor
    base = collected - tax + promo
    return Share(collected, tax, base, partner_part(base, line.share_bp))


Bills = Sequence[Sequence[Sold]]
"""Lines by bill, the oldest bill first: one that is to be paid, and those before that it carries."""


def spread(bills: Bills, before: Sequence[Sequence[int]], collected: int) -> list[list[int]]:
    """What is collected of each line by now, of so much in all: of the oldest bill first, there by largest remainder.

    What was collected of a line before stays with it, unless the line was taken back.
    """
    now = [
        [min(minor, line.left_minor) for line, minor in zip(lines, minors, strict=True)]
        for lines, minors in zip(bills, before, strict=True)
    ]
    rest = collected - sum(map(sum, now))
    for lines, minors in zip(bills, now, strict=True) if rest > 0 else ():
        rooms = [line.left_minor - minor for line, minor in zip(lines, minors, strict=True)]
        part = min(rest, sum(rooms))
        minors[:] = [minor + more for minor, more in zip(minors, share_out(part, rooms), strict=True)]
        rest -= part
    for minors in reversed(now) if rest < 0 else ():
        part = min(-rest, sum(minors))
        minors[:] = [minor - less for minor, less in zip(minors, share_out(part, minors), strict=True)]
        rest += part
    return now


def oldest_first(owed: Sequence[int], minor: int) -> tuple[list[int], int]:
    """How an amount pays bills, in their order; and what is left of it."""
    parts = []
    for each in owed:
        parts.append(min(each, minor))
        minor -= parts[-1]
    return parts, minor


@dataclass(frozen=True, slots=True)
class Agreed:
    """A share from an instant on. Units: hundredths of a percent."""

    starts_at: datetime
    share_bp: int


def share_during(spans: Sequence[tuple[datetime, datetime]], agreed: Sequence[Agreed], usual_bp: int) -> Fraction:
    """The share of what was used during these spans: each second at the share that was agreed for it.

    `agreed` in the order in which it came into force, for the same instant in that in which it was made.
    """
    seconds = weighted = 0
    for start, end in spans:
        for begin, finish, share_bp in _pieces(start, end, agreed, usual_bp):
            length = int((finish - begin).total_seconds())
            seconds, weighted = seconds + length, weighted + length * share_bp
    return Fraction(weighted, seconds) if seconds else Fraction(usual_bp)


def _pieces(
    start: datetime, end: datetime, agreed: Sequence[Agreed], usual_bp: int
) -> list[tuple[datetime, datetime, int]]:
    pieces, since, share_bp = [], start, usual_bp
    for each in agreed:
        if each.starts_at >= end:
            break
        if each.starts_at > since:
            pieces.append((since, each.starts_at, share_bp))
            since = each.starts_at
        share_bp = each.share_bp
    return [*pieces, (since, end, share_bp)]


def taken_back(line: Sold, minor: int, tax_minor: int) -> Sold:
    """The same line after a credit note about it."""
    return replace(line, taken_minor=line.taken_minor + minor, taken_tax_minor=line.taken_tax_minor + tax_minor)
