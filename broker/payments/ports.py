"""What the broker asks of a payment gateway, and what the answers mean. The adapters are in `broker/outbound`.

A gateway is called from the worker only, never inside a transaction. Each call carries an id of ours as its idempotency
key, so that it may be repeated whenever its answer was lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The money is there, or has gone back. Units: minor units of what was paid."""

    reference: str
    fee_minor: int | None = 0
    """What the gateway keeps of it; None: it does not say yet."""


@dataclass(frozen=True, slots=True)
class Declined:
    """It will not happen. `message` is a sentence for whoever pays."""

    code: str
    message: str
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """The gateway has it and will tell."""

    reference: str


@dataclass(frozen=True, slots=True)
class ActionNeeded:
    """Whoever pays has to confirm it: at `url`, or, without one, by paying by hand."""

    message: str
    reference: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Whether it happened is not known. `note` is for operators: it quotes nothing that was sent."""

    note: str


@dataclass(frozen=True, slots=True)
class NotThere:
    """The gateway has never heard of it. Of what it has given a reference, that is never the answer."""


Charged = Succeeded | Declined | Pending | ActionNeeded | Unknown
Refunded = Succeeded | Declined | Pending | Unknown


@dataclass(frozen=True, slots=True)
class CustomerMade:
    """Whoever pays, as the gateway knows them."""

    reference: str


@dataclass(frozen=True, slots=True)
class CustomerCall:
    """Makes an account known to the gateway; the account's id is the key."""

    account_id: UUID
    email: str


@dataclass(frozen=True, slots=True)
class SetupCall:
    """Asks for a page on which a payment method can be added. The page leads back to `return_url`."""

    id: UUID
    customer: str
    return_url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SetupOpen:
    """The page, which waits for its user."""

    reference: str
    url: str | None


@dataclass(frozen=True, slots=True)
class MethodFacts:
    """A payment method as the gateway describes it: never its number."""

    reference: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int


@dataclass(frozen=True, slots=True)
class SetupDone:
    """The user has added this."""

    method: MethodFacts


@dataclass(frozen=True, slots=True)
class SetupOver:
    """Nobody came in time."""


@dataclass(frozen=True, slots=True)
class ChargeCall:
    """Asks for the amount of a payment. With a `return_url` its user is there to confirm. Units: minor units."""

    payment_id: UUID
    customer: str
    method: str
    minor: int
    currency: str
    invoice: str
    return_url: str | None = None


@dataclass(frozen=True, slots=True)
class LookCall:
    """Asks what became of a payment: by the gateway's reference, or, where that was never heard, by ours."""

    payment_id: UUID
    reference: str | None
    customer: str | None


@dataclass(frozen=True, slots=True)
class RefundCall:
    """Sends a part of a payment back. Units: minor units."""

    refund_id: UUID
    payment_reference: str
    minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class RefundLook:
    """Asks what became of a refund: by the gateway's reference, or, where that was never heard, by ours."""

    refund_id: UUID
    payment_reference: str
    reference: str | None


class Verdict(StrEnum):
    """How a bank decides about money that it took back."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Chargeback:
    """A bank took a payment back, or a part of it, because its owner says so. Units: minor units."""

    reference: str
    minor: int
    verdict: Verdict
    reason: str
    fee_minor: int = 0
    """What the gateway has kept for it by now."""
    answer_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class SentBack:
    """Money of a payment that went back, or is going to. Units: minor units."""

    reference: str
    minor: int
    answer: Refunded
    refund_id: UUID | None = None
    """What we call it; None for what was sent back past the broker."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What became of a payment after it had succeeded. Units: minor units."""

    fee_minor: int | None = 0
    refunds: Sequence[SentBack] = ()
    chargebacks: Sequence[Chargeback] = ()


class Gateway(Protocol):
    """One payment gateway. Whatever happens on the way becomes one of the answers above; nothing is raised."""

    @property
    def name(self) -> str:
        """What payments made through it are marked with."""

    async def make_customer(self, call: CustomerCall) -> CustomerMade | Unknown:
        """Make an account known."""

    async def open_setup(self, call: SetupCall) -> SetupOpen | Declined | Unknown:
        """Make a page on which a payment method is added."""

    async def look_at_setup(self, reference: str) -> SetupOpen | SetupDone | SetupOver | Unknown:
        """How far the user got on such a page."""

    async def forget_method(self, reference: str) -> Succeeded | Unknown:
        """Remove a payment method there. One that is gone already is removed."""

    async def charge(self, call: ChargeCall) -> Charged:
        """Take the money."""

    async def look_at(self, call: LookCall) -> Charged | NotThere:
        """What became of a payment."""

    async def give_up(self, reference: str) -> Charged:
        """Take back a payment that nobody confirmed; how it stands then."""

    async def refund(self, call: RefundCall) -> Refunded:
        """Send money back."""

    async def look_at_refund(self, call: RefundLook) -> Refunded | NotThere:
        """What became of a refund."""

    async def look_back(self, reference: str) -> Aftermath | Unknown:
        """What became of a payment after it had succeeded."""

    async def gone_since(self, since: datetime) -> Sequence[str] | Unknown:
        """The references of payments of which a refund or a chargeback began since then."""


@dataclass(frozen=True, slots=True)
class News:
    """What a webhook of the gateway is about: it says that there is news, and the gateway is asked for them."""

    id: str
    kind: str
    reference: str
    """Of the payment, the setup or the refund."""
    subject: UUID | None = None
    """What we call it, if the gateway was told."""
    taken_from: str = ""
    """The payment of which money went back, or is said to; else nothing."""


class Forged(Exception):
    """The signature is wrong, too old, or missing."""


class ReadNews(Protocol):
    """Checks that a webhook comes from the gateway, and reads it."""

    def __call__(self, body: bytes, signature: str) -> News:
        """What the webhook says.

        Raises: Forged.
        """
