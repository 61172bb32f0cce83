"""The shapes of what is not paid. Outside the public schema of Heroku. Amounts are whole numbers of the currency's smallest unit."""

from __future__ import annotations

from typing_extensions import TypedDict


class DunningStep(TypedDict):
    """What is going to happen if it is not paid, and when: `try-…` a payment, `warn`, `suspend`, `notice-…`, `delete`."""

    step: str
    due_at: str


class UnpaidInvoice(TypedDict):
    """An invoice that is to be paid. Of what is disputed, nothing is collected."""

    id: str
    number: str
    month: str
    currency: str
    state: str
    issued_at: str | None
    owed_minor: int
    disputed_minor: int
    paused: bool
    next_try_at: str | None
    steps: list[DunningStep]


class BillingStatus(TypedDict):
    """How an account stands: what it owes, and the dates if it does not pay. `payment_url` is where it does."""

    verified: bool
    delinquent_at: str | None
    suspended_at: str | None
    scheduled_suspension_time: str | None
    scheduled_deletion_time: str | None
    payment_url: str
    invoices: list[UnpaidInvoice]


class DelinquentAccount(TypedDict):
    """An account that has not paid what is past due."""

    id: str
    email: str
    delinquent_at: str
    suspended_at: str | None
    scheduled_suspension_time: str | None
    scheduled_deletion_time: str | None
    invoices: list[UnpaidInvoice]


class Dispute(TypedDict):
    """What is disputed of an invoice: these lines, or all of it. What is not disputed is collected."""

    invoice: str
    currency: str
    lines: list[int]
    disputed_minor: int
    collected_minor: int


class Suspensions(TypedDict):
    """How many add-ons were suspended or resumed."""

    addons: int


class RevealedCredential(TypedDict):
    """The values of a credential, under the manifest's names. Until `deletes_at` they lead to the data."""

    addon: str
    name: str
    config: dict[str, str]
    suspended_at: str | None
    deletes_at: str | None
