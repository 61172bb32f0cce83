"""The shapes of what partners earn and are paid. Outside the public schema of Heroku.

Amounts are whole numbers of the currency's smallest unit; shares are hundredths of a percent.
"""

from __future__ import annotations

from typing_extensions import TypedDict


class PartnerBalance(TypedDict):
    """What the partner of a service is owed in one currency. `payable_minor` is what the next payout comes to."""

    service: str
    currency: str
    balance_minor: int
    held_minor: int
    reserved_minor: int
    available_minor: int
    minimum_minor: int
    payable_minor: int
    on_its_way_minor: int
    paid_minor: int


class PartnerAccrual(TypedDict):
    """The partner's share of a month that is not closed, or, without a month, of what is billed and not paid."""

    month: str | None
    currency: str
    share_minor: int
    forecast_minor: int


class PartnerStatement(TypedDict):
    """What a day brought in one currency, and the balance at its end. A day that is over does not change."""

    day: str
    currency: str
    gross_minor: int
    refunded_minor: int
    tax_minor: int
    base_minor: int
    commission_minor: int
    earned_minor: int
    clawed_back_minor: int
    paid_out_minor: int
    balance_minor: int


class Payout(TypedDict):
    """What a partner is paid. `state`: draft, approved, paid, failed."""

    id: str
    service: str
    currency: str
    day: str
    amount_minor: int
    state: str
    reference: str
    reason: str
    earned_until: str
    created_at: str
    approved_at: str | None
    finished_at: str | None


class ShareAgreement(TypedDict):
    """The partner's share of a service from an instant on."""

    service: str
    share_bp: int
    starts_at: str
    created_at: str


class PayoutRun(TypedDict):
    """What was drafted; who has too little, is held, or owes; and what can't be paid because the service has no owner."""

    payouts: list[Payout]
    left: list[PartnerBalance]
    unowned: list[PartnerBalance]
