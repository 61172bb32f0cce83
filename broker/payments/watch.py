"""Whether what a worker does about a payment has come so far that there is something to answer."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, select

from broker.kernel.db import Database
from broker.kernel.direct import Direct
from broker.payments.models import Payment, PaymentSetup, PaymentState, Refund, RefundState, SetupState

_ID: Final = bindparam("id", type_=Payment.id.type)
_PAYMENT: Final = Direct(select(Payment.state).where(Payment.id == _ID))
_SETUP: Final = Direct(select(PaymentSetup.state).where(PaymentSetup.id == _ID))
_REFUND: Final = Direct(select(Refund.state).where(Refund.id == _ID))


async def payment_answered(database: Database, payment_id: UUID) -> bool:
    """Whether the gateway has answered about a payment."""
    begun = (PaymentState.PENDING, PaymentState.CALLING)
    return all(row.state not in begun for row in await _PAYMENT.read(database, id=payment_id))


async def setup_opened(database: Database, setup_id: UUID) -> bool:
    """Whether the page is there on which a payment method is added."""
    return all(row.state != SetupState.PENDING for row in await _SETUP.read(database, id=setup_id))


async def refund_answered(database: Database, refund_id: UUID) -> bool:
    """Whether the gateway has answered about a refund."""
    begun = (RefundState.PENDING, RefundState.CALLING)
    return all(row.state not in begun for row in await _REFUND.read(database, id=refund_id))
