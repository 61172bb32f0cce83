"""Short ways to write histories and prices in tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from broker.billing.months import Month, month_at
from broker.billing.prices import PriceVersion
from broker.billing.pricing import Statement, Terms, statement
from broker.billing.timeline import Change, ChangeKind, Segment, segments

NAMES = UUID("6f1f4e0e-37a5-4f2a-9a52-31a1d0e5a7c4")
ALICE = uuid5(NAMES, "alice")
BOB = uuid5(NAMES, "bob")
APRIL = month_at(2026, 4)


def price(monthly: int = 0, plan: str = "small", **more: Any) -> PriceVersion:
    """A price of `postgres`, the same one for the same plan and amount."""
    currency = more.pop("currency", "usd")
    return PriceVersion(uuid5(NAMES, f"{plan}{monthly}{more}"), "postgres", plan, currency, monthly, **more)


def resource(name: str = "db") -> UUID:
    return uuid5(NAMES, name)


def day(number: float, month: Month = APRIL) -> datetime:
    """So many days after the month began."""
    return month.start + timedelta(days=number)


def history(*changes: tuple[Any, ...], name: str = "db", activation: str | None = None) -> list[Segment]:
    """Segments of changes such as `(day(0), "activate", price(300))`, `(day(3), "end")`; in the order in which they are given."""
    made = []
    for sequence, (at, kind, *values) in enumerate(changes):
        fields: dict[str, Any] = {}
        for value in values:
            fields[{PriceVersion: "price", UUID: "account"}.get(type(value), "mode")] = value
        if kind == "activate":
            fields.setdefault("account", ALICE)
        made.append(Change(sequence, ChangeKind(kind), at, **fields))
    return segments(resource(name), resource(activation or name), made)


def bill(*histories: list[Segment], month: Month = APRIL, at: datetime | None = None, **terms: Any) -> Statement:
    """The statement of the whole month, or as far as `at`."""
    readings = terms.pop("readings", ())
    account = terms.pop("account", ALICE)
    every = [segment for history in histories for segment in history]
    return statement(Terms(account, **terms), month, every, readings, at=at or month.end)


def minors(found: Statement) -> list[int]:
    return [line.minor for line in found.lines]


LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
