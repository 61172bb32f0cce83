"""Proving the payouts: what partners were paid and what they are owed is what they earned. Reads only."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import and_, case, func, select

from broker.billing.ledger import LedgerAccount
from broker.billing.models import LedgerEntry, LedgerTransaction
from broker.billing.share_models import PartnerShare
from broker.kernel.db import Tx
from broker.payouts.models import Payout, PayoutState


async def check_payouts(tx: Tx) -> list[str]:
    """Differences between the shares, the payouts, and the ledger: a part of the check of the books."""
    wanted: dict[tuple[str, str, str], int] = defaultdict(int)
    earned = select(PartnerShare.service, PartnerShare.currency, func.sum(PartnerShare.share_minor))
    for service, currency, minor in await tx.execute(earned.group_by(PartnerShare.service, PartnerShare.currency)):
        wanted[LedgerAccount.PARTNERS, service, currency] -= int(minor)
    moving = and_(Payout.state != PayoutState.PAID, Payout.state != PayoutState.FAILED)
    drawn = func.sum(case((Payout.state != PayoutState.FAILED, Payout.minor), else_=0))
    on_its_way = func.sum(case((moving, Payout.minor), else_=0))
    paid = select(Payout.service, Payout.currency, drawn, on_its_way).group_by(Payout.service, Payout.currency)
    for service, currency, minor, under_way in await tx.execute(paid):
        wanted[LedgerAccount.PARTNERS, service, currency] += int(minor)
        wanted[LedgerAccount.PAYOUTS, service, currency] -= int(under_way)
    found = await _posted(tx)
    return [
        f"{account} of {service} in {currency}: the ledger has {found.get((account, service, currency), 0)}, shares and"
        f" payouts come to {wanted.get((account, service, currency), 0)}."
        for account, service, currency in sorted(wanted.keys() | found.keys())
        if wanted.get((account, service, currency), 0) != found.get((account, service, currency), 0)
    ]


async def _posted(tx: Tx) -> dict[tuple[str, str, str], int]:
    keys = (LedgerEntry.ledger_account, LedgerEntry.service, LedgerTransaction.currency)
    statement = (
        select(*keys, func.sum(LedgerEntry.minor))
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .where(LedgerEntry.ledger_account.in_((LedgerAccount.PARTNERS, LedgerAccount.PAYOUTS)))
        .group_by(*keys)
    )
    rows = await tx.execute(statement)
    return {(account, service, currency): int(minor) for account, service, currency, minor in rows}
