"""The shapes of payments. Outside the public schema of Heroku. Amounts are whole numbers of the currency's smallest unit."""

from __future__ import annotations

from typing_extensions import TypedDict


class PaymentMethod(TypedDict):
    """What an account pays with. Its number is known to the payment gateway alone."""

    id: str
    gateway: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    default: bool
    created_at: str


class PaymentSetup(TypedDict):
    """The adding of a payment method: its user does it at `url`, on the gateway's page."""

    id: str
    state: str
    url: str | None
    payment_method: str | None
    expires_at: str
    created_at: str


class Payment(TypedDict):
    """One attempt at an invoice. At `action_url`, whoever pays has to confirm it."""

    id: str
    invoice: str
    attempt: int
    gateway: str
    state: str
    amount_minor: int
    currency: str
    collected_minor: int
    refunded_minor: int
    card: str | None
    action_url: str | None
    failure_code: str | None
    failure_message: str | None
    next_attempt_at: str | None
    created_at: str
    finished_at: str | None


class Refund(TypedDict):
    """Money that goes back."""

    id: str
    payment: str
    state: str
    amount_minor: int
    currency: str
    reason: str
    failure_message: str | None
    created_at: str
    finished_at: str | None


class Chargeback(TypedDict):
    """What a bank took back of a payment because the owner of the card said so: `open`, `won` or `lost`."""

    id: str
    payment: str
    invoice: str
    email: str
    amount_minor: int
    currency: str
    state: str
    created_at: str


class Verification(TypedDict):
    """Whether an account may have paid plans without a payment method."""

    account_id: str
    exempt: bool


class AgreedTax(TypedDict):
    """So many percent, on the price or within it, and what is printed beside it."""

    percent: str
    inclusive: bool
    note: str


class AccountTerms(TypedDict):
    """On which terms an account is billed. `discount_bp`: in hundredths of a percent."""

    account_id: str
    email: str
    zone: str
    tax: AgreedTax | None
    discount_bp: int


class ReceiptPart(TypedDict):
    """What of a receipt paid an invoice, and what is still owed of that."""

    invoice: str
    amount_minor: int
    left_minor: int


class Receipt(TypedDict):
    """Money for an account: the invoices that it paid, the oldest first, and what became a prepaid credit."""

    id: str
    account_id: str
    currency: str
    amount_minor: int
    reference: str
    paid: list[ReceiptPart]
    credit_minor: int
    created_at: str
