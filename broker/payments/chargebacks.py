"""What banks take back: taken into the books as the gateway tells it, told to whom it concerns, listed for operators."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, not_, or_, select
from sqlalchemy.orm import aliased

from broker.billing.chargebacks import record_charged_back, record_lost, record_won, taken_on
from broker.billing.ledger import CHARGEBACK, LedgerAccount
from broker.billing.models import Invoice, LedgerEntry, LedgerTransaction
from broker.events.emit import emit
from broker.kernel.clock import rfc3339
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import NotFound
from broker.kernel.money import Money
from broker.payments.delinquency import look_again
from broker.payments.models import Payment, Refund, RefundState
from broker.payments.ports import Chargeback, Verdict
from broker.payments.reopen import reopen


@dataclass(frozen=True, slots=True)
class ChargebackView:
    """What a bank took back, and how it stands. Units: minor units."""

    reference: str
    payment_id: UUID
    invoice: str
    email: str
    minor: int
    currency: str
    state: str
    taken_at: datetime


async def list_chargebacks(ctx: Context, actor: Actor, most: int = 200) -> list[ChargebackView]:
    """The newest of all accounts: operators only.

    Raises: NotFound for everybody else.
    """
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        rows = await tx.execute(_chargebacks().order_by(LedgerTransaction.at.desc()).limit(most))
        return [_view(*row) for row in rows]


async def chargeback_named(tx: Tx, reference: str) -> ChargebackView:
    """The newest of this name, of whatever account: ask who it is before.

    Raises: NotFound.
    """
    ends = LedgerTransaction.key.endswith(f" {reference}", autoescape=True)
    rows = await tx.execute(_chargebacks().where(ends).order_by(LedgerTransaction.at.desc()))
    found = next((view for view in (_view(*row) for row in rows) if view.reference == reference), None)
    if found is None:
        raise NotFound("chargeback")
    return found


async def undecided(tx: Tx, before: datetime, most: int) -> list[ChargebackView]:
    """Those which a bank took before then, and about which nobody has told its decision."""
    rows = await tx.execute(_chargebacks().where(LedgerTransaction.at < before).order_by(LedgerTransaction.at))
    return [view for view in (_view(*row) for row in rows) if view.state == Verdict.OPEN][:most]


def _chargebacks() -> Any:
    decided = aliased(LedgerTransaction)
    states = {verdict: decided.key == LedgerTransaction.key + f" {verdict}" for verdict in (Verdict.WON, Verdict.LOST)}
    # Banks may change their minds: what they said last counts.
    state = select(case(*((is_it, str(name)) for name, is_it in states.items()))).order_by(decided.id.desc()).limit(1)
    state = state.where(decided.invoice_id == LedgerTransaction.invoice_id, or_(*states.values()))
    taken = LedgerEntry.ledger_account.in_((LedgerAccount.WITHHELD, LedgerAccount.LOSSES))
    decision = or_(*(LedgerTransaction.key.endswith(f" {verdict}") for verdict in states))
    return (
        select(
            LedgerTransaction.key, Invoice.number, Invoice.email, func.sum(LedgerEntry.minor), Invoice.currency,
            func.coalesce(state.scalar_subquery(), str(Verdict.OPEN)),
            LedgerTransaction.at,
        )
        .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
        .join(Invoice, Invoice.id == LedgerTransaction.invoice_id)
        .where(LedgerTransaction.kind == CHARGEBACK, taken, LedgerEntry.minor > 0, not_(decision))
        .group_by(LedgerTransaction.id, Invoice.id)
    )  # fmt: skip


def _view(key: str, number: str, email: str, minor: int, currency: str, state: str, at: datetime) -> ChargebackView:
    _, payment_id, reference = key.split(" ", 2)
    return ChargebackView(reference, UUID(payment_id), number, email, int(minor), currency, state, at)


def chargeback_key(payment_id: UUID, reference: str = "") -> str:
    """The name in the ledger of what a bank took back of a payment; without a reference, what all of them begin with."""
    return f"chargeback {payment_id} {reference}"


async def kept_of(tx: Tx, payment_id: UUID, invoice_id: UUID) -> int:
    """What an invoice took of a payment, without what was sent back of it, and what banks took. Units: minor units."""
    booked = Refund.payment_id == payment_id, Refund.state == RefundState.SUCCEEDED, Refund.failure_code.is_(None)
    sent_back = select(func.coalesce(func.sum(Refund.minor), 0)).where(*booked).scalar_subquery()
    left = (await tx.execute(select(Payment.collected_minor - sent_back).where(Payment.id == payment_id))).scalar_one()
    return int(left) - await taken_on(tx, invoice_id, chargeback_key(payment_id))


async def take_in_chargeback(tx: Tx, payment: Any, told: Chargeback, now: datetime) -> None:
    """Make true what the gateway says of a chargeback of this payment, which is locked with its invoice."""
    key, facts = chargeback_key(payment.id, told.reference), _facts(payment, told)
    opened_with = told.fee_minor if told.verdict is Verdict.OPEN else 0
    most = await kept_of(tx, payment.id, payment.invoice_id)
    if await record_charged_back(tx, payment.invoice_id, told.minor, key, now, opened_with, most):
        due = None if told.answer_by is None else rfc3339(told.answer_by)
        await emit(tx, "payment.charged_back", SYSTEM, now, **facts, answer_by=due)
    if told.verdict is Verdict.WON and await record_won(tx, payment.invoice_id, key, now, told.fee_minor):
        await emit(tx, "payment.chargeback_won", SYSTEM, now, **facts)
    if told.verdict is Verdict.LOST:
        owed = await record_lost(tx, payment.invoice_id, key, now, told.fee_minor)
        if owed is not None:
            await emit(tx, "payment.chargeback_lost", SYSTEM, now, **facts, owed=str(Money(owed, payment.currency)))
        if owed:
            await reopen(tx, payment.invoice_id, now)
    await look_again(tx, payment.account_id, now)


def _facts(payment: Any, told: Chargeback) -> dict[str, Any]:
    return {
        "payment_id": str(payment.id),
        "invoice_id": str(payment.invoice_id),
        "account_id": str(payment.account_id),
        "number": payment.number,
        "amount": str(Money(told.minor, payment.currency)),
        "chargeback": told.reference,
        "reason": told.reason,
    }
