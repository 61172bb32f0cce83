"""The shapes of costs. Outside the public schema of Heroku. Amounts are whole numbers of the currency's smallest unit."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from broker.faces.shapes import Ref

CostSpan = TypedDict("CostSpan", {"from": str, "until": str})
"""A time that was counted, half-open."""


class CostLine(TypedDict):
    """One add-on on one price: what is fixed, or one of its meters."""

    addon: Ref
    app: Ref
    tags: dict[str, str]
    plan: str
    terms: str
    kind: Literal["fixed", "metered"]
    meter: str | None
    label: str | None
    unit: str | None
    quantity: str | None
    seconds: int
    amount_minor: int
    forecast_minor: int
    spans: list[CostSpan]
    explanation: list[str]


class CostTotals(TypedDict):
    """What a statement comes to: the month with tax is `total_minor`, what will be asked for `due_minor`."""

    net_minor: int
    tax_minor: int
    total_minor: int
    prepaid_minor: int
    carried_minor: int
    due_minor: int


class CostStatement(TypedDict):
    """A month in one currency."""

    currency: str
    now: CostTotals
    forecast: CostTotals
    lines: list[CostLine]


class Costs(TypedDict):
    """A month of an account as far as `at`, and at its end if nothing changes."""

    month: str
    at: str
    statements: list[CostStatement]
