"""Payments, refunds and chargebacks about which somebody has to decide, because no gateway tells any more how they ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Select, and_, or_, select

from broker.billing.models import Invoice
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.money import Money
from broker.payments.chargebacks import undecided
from broker.payments.denied import DENIED
from broker.payments.models import Payment, PaymentState, Refund
from broker.payments.refunds import NOT_BOOKED

STUCK_AFTER: Final = timedelta(days=3)
"""By then a gateway has told what it has to tell."""
DECIDED_AFTER: Final = timedelta(days=120)
"""By then a bank has decided about a chargeback."""
MOVED: Final = ("succeeded", "failed")
BANKS: Final = ("won", "lost")
"""What can be said of a payment or a refund, and of what a bank decides: first what is well."""
_MOST: Final = 100


class Kind(StrEnum):
    """What is to be settled; the first word of the command that does it, without its `s`."""

    PAYMENT = "payment"
    REFUND = "refund"
    CHARGEBACK = "chargeback"


@dataclass(frozen=True, slots=True)
class Unsettled:
    """One of them, and what is wrong with it."""

    kind: Kind
    key: str
    money: Money
    invoice: str
    why: str
    outcomes: tuple[str, ...]
    """What can be said of it."""

    def __str__(self) -> str:
        """All of it with what to do, in words."""
        outcomes = " or ".join(f"`--outcome {each}`" for each in self.outcomes)
        command = f"`broker {self.kind}s:settle {self.key}`"
        return f"{self.kind} {self.key} of {self.money} for {self.invoice}: {self.why} Say it with {command} and {outcomes}."


async def list_unsettled(ctx: Context, actor: Actor) -> list[Unsettled]:
    """Those of all accounts: operators only.

    Raises: NotFound for everybody else.
    """
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        return await unsettled(tx, ctx.clock.now())


async def unsettled(tx: Tx, now: datetime) -> list[Unsettled]:
    """The same; who may ask was seen to before."""
    return [
        *await _payments(tx, now - STUCK_AFTER),
        *await _refunds(tx, now - STUCK_AFTER),
        *[
            Unsettled(
                Kind.CHARGEBACK, each.reference, Money(each.minor, each.currency), each.invoice, _UNDECIDED, BANKS
            )
            for each in await undecided(tx, now - DECIDED_AFTER, _MOST)
        ],
    ]


_UNDECIDED: Final = f"nobody has told for {DECIDED_AFTER.days} days how the bank decided: find out."
_UNBOOKED: Final = "it is done, and the books do not allow it: write it off."


async def _payments(tx: Tx, before: datetime) -> list[Unsettled]:
    silent = and_(
        Payment.finished_at.is_(None), Payment.called_at < before, Payment.state != PaymentState.ACTION_NEEDED
    )
    wanted = _columns(Payment, Payment.failure_message).join(Invoice, Invoice.id == Payment.invoice_id)
    rows: Any = await tx.execute(wanted.where(or_(silent, Payment.failure_code == DENIED)).limit(_MOST))
    return [
        Unsettled(Kind.PAYMENT, str(row.id), Money(row.minor, row.currency), row.number, _why(row), MOVED)
        for row in rows
    ]


def _why(row: Any) -> str:
    if row.failure_code != DENIED:
        return _silent(row.gateway)
    return (
        f"it was settled by hand as paid, and {row.gateway} says that it failed: {row.failure_message} What failed is owed"
        " again; if the money came all the same, say so once more."
    )


def _silent(gateway: str) -> str:
    return f"{gateway} does not tell how it ended: find out there."


async def _refunds(tx: Tx, before: datetime) -> list[Unsettled]:
    silent = and_(Refund.finished_at.is_(None), Refund.created_at < before)
    wanted = _columns(Refund).join(Payment, Payment.id == Refund.payment_id)
    joined = wanted.join(Invoice, Invoice.id == Refund.invoice_id)
    rows: Any = await tx.execute(joined.where(or_(silent, Refund.failure_code == NOT_BOOKED)).limit(_MOST))
    return [
        Unsettled(
            Kind.REFUND,
            str(row.id),
            Money(row.minor, row.currency),
            row.number,
            *((_UNBOOKED, MOVED[:1]) if row.failure_code == NOT_BOOKED else (_silent(row.gateway), MOVED)),
        )
        for row in rows
    ]


def _columns(of: type[Payment] | type[Refund], *more: Any) -> Select[Any]:
    return select(of.id, of.minor, of.currency, of.failure_code, Payment.gateway, Invoice.number, *more)
