"""What a gateway keeps of a payment, where it says so later than that it succeeded. Called with the open transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select

from broker.billing.ledger import LedgerAccount, Posting, charged_back_amounts, post
from broker.billing.models import LedgerEntry, LedgerTransaction
from broker.kernel.db import Tx
from broker.payments.settle import collection_key


async def take_in_fee(tx: Tx, payment: Any, fee_minor: int, now: datetime) -> None:
    """Post the fee of a payment that is locked, unless that was done. At the platform's cost: shares do not depend on the card."""
    key = f"fee of {collection_key(payment.id)}"
    posted = (
        select(LedgerEntry.minor)
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .where(LedgerTransaction.key.in_((key, collection_key(payment.id))))
        .where(LedgerEntry.ledger_account == LedgerAccount.FEES)
    )
    if fee_minor <= 0 or (await tx.execute(posted.limit(1))).first() is not None:
        return
    amounts = charged_back_amounts(0, 0, fee_minor)
    await post(tx, [Posting(key, "fee", payment.account_id, payment.currency, now, amounts, payment.invoice_id)])
