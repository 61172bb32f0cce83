"""Bringing the partners' shares up to what is collected: part of every event that settles a bill. Never commits.

What a bill still owes says how much of it, and of the bills that it carries, is collected; `shares.py` says of which lines,
and whose that is. Only the difference to what is recorded is written, so whatever was missed is made up for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select

from broker.billing.credits import Funding
from broker.billing.ledger import Amounts, LedgerAccount, Posting, post
from broker.billing.models import CreditGrant, CreditNote, CreditNoteLine, CreditUsed, Invoice, InvoiceLine
from broker.billing.pricing import CreditKind
from broker.billing.share_models import PartnerShare, ShareAgreement
from broker.billing.shares import Agreed, Share, Sold, share_during, share_of, spread
from broker.kernel.db import Tx
from broker.kernel.ids import new_id
from broker.kernel.money import quotient, share_out


@dataclass(frozen=True, slots=True)
class Settled:
    """A bill and what it will still owe. Units: minor units."""

    id: UUID
    account_id: UUID
    currency: str
    month: str
    carried_minor: int
    owed_minor: int


@dataclass(frozen=True, slots=True)
class Accrued:
    """What is to be posted and recorded for a bill."""

    amounts: Amounts
    rows: Sequence[dict[str, Any]]


async def accrued(tx: Tx, bills: Sequence[Settled]) -> dict[UUID, Accrued]:
    """The shares that these bills bring, by bill: as far as they are not recorded yet."""
    chains = {bill.id: await _chain(tx, bill) for bill in bills}
    every = {each for chain in chains.values() for each in chain}
    lines, before = await lines_of(tx, every), await recorded_of(tx, every)
    return {bill.id: _accrued(bill, [lines[each] for each in chains[bill.id]], before) for bill in bills}


async def accrue_closed(tx: Tx, closed: Sequence[tuple[Settled, Posting]]) -> None:
    """The shares of what credits paid when these bills were closed, by what that posted."""
    if not closed:
        return
    found = await accrued(tx, [bill for bill, _ in closed])
    await post(tx, [_beside(closing, found[bill.id].amounts) for bill, closing in closed])
    await _record(tx, [(closing, found[bill.id]) for bill, closing in closed])


def _beside(closing: Posting, amounts: Amounts) -> Posting:
    """An event of its own: what a close posts follows from the bill alone, which the check relies on."""
    return replace(closing, id=new_id(), key=f"shares of {closing.key}", kind="shares", amounts=amounts)


async def record(tx: Tx, posting: Posting, found: Accrued) -> None:
    """Record of which lines the shares in a posting are, once it is posted."""
    await _record(tx, [(posting, found)])


async def _record(tx: Tx, told: Sequence[tuple[Posting, Accrued]]) -> None:
    rows = [
        {"transaction_id": posting.id, "currency": posting.currency, "at": posting.at} | row
        for posting, found in told
        for row in found.rows
    ]
    if rows:
        await tx.execute(insert(PartnerShare), rows)


def _accrued(bill: Settled, chain: Sequence[Sequence[Sold]], before: Mapping[UUID, Share]) -> Accrued:
    amounts: Amounts = defaultdict(int)
    rows = []
    collected = sum(line.left_minor for lines in chain for line in lines) - bill.owed_minor
    minors = [[before.get(line.id, Share()).minor for line in lines] for lines in chain]
    for lines, now in zip(chain, spread(chain, minors, collected), strict=True):
        for line, minor in zip(lines, now, strict=True):
            if more := share_of(line, minor) + -before.get(line.id, Share()):
                amounts[LedgerAccount.SHARES, line.service] += more.share_minor
                amounts[LedgerAccount.PARTNERS, line.service] -= more.share_minor
                rows.append(_row(line, more))
    return Accrued({key: minor for key, minor in amounts.items() if minor}, rows)


def _row(line: Sold, more: Share) -> dict[str, Any]:
    return {
        "line_id": line.id,
        "service": line.service,
        "minor": more.minor,
        "tax_minor": more.tax_minor,
        "base_minor": more.base_minor,
        "share_bp": str(line.share_bp),
        "share_minor": more.share_minor,
    }


async def _chain(tx: Tx, bill: Settled) -> Sequence[UUID]:
    """The bill, and before it those whose total it carries, the oldest first."""
    if not bill.carried_minor:
        return [bill.id]
    theirs = (Invoice.account_id == bill.account_id, Invoice.currency == bill.currency, Invoice.month <= bill.month)
    first = select(func.max(Invoice.month)).where(*theirs, Invoice.carried_minor == 0).scalar_subquery()
    chain = select(Invoice.id).where(*theirs, Invoice.month >= first).order_by(Invoice.month)
    return (await tx.execute(chain)).scalars().all()


async def collected_of(tx: Tx, bill: Settled) -> int:
    """What is collected of the lines of a bill, and of the bills that it carries. Units: minor units."""
    return sum(share.minor for share in (await recorded_of(tx, await _chain(tx, bill))).values())


async def recorded_of(tx: Tx, bills: Collection[UUID]) -> dict[UUID, Share]:
    """What is recorded of the lines of these bills, by line."""
    sums = [func.sum(getattr(PartnerShare, name)) for name in Share.__slots__]
    theirs = select(InvoiceLine.id).where(InvoiceLine.invoice_id.in_(bills))
    recorded = select(PartnerShare.line_id, *sums).where(PartnerShare.line_id.in_(theirs))
    rows = await tx.execute(recorded.group_by(PartnerShare.line_id))
    return {line_id: Share(*map(int, parts)) for line_id, *parts in rows}


async def lines_of(tx: Tx, bills: Collection[UUID]) -> dict[UUID, list[Sold]]:
    """The lines of these bills that cost something, by bill, after credit notes and with what was agreed for their time."""
    taken = (
        select(
            CreditNoteLine.line_id,
            func.sum(CreditNoteLine.net_minor).label("net_minor"),
            func.sum(CreditNoteLine.tax_minor).label("tax_minor"),
        )
        .join(CreditNote, CreditNote.id == CreditNoteLine.credit_note_id)
        .where(CreditNote.invoice_id.in_(bills))
        .group_by(CreditNoteLine.line_id)
        .subquery()
    )
    wanted = "id invoice_id service minor discount_minor promo_minor tax_minor share_bp spans".split()
    columns: list[Any] = [getattr(InvoiceLine, name) for name in wanted]
    statement = (
        select(*columns, Invoice.terms, taken.c.net_minor.label("taken_net"), taken.c.tax_minor.label("taken_tax"))
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .outerjoin(taken, taken.c.line_id == InvoiceLine.id)
        .where(InvoiceLine.invoice_id.in_(bills), InvoiceLine.minor > InvoiceLine.discount_minor)
        .order_by(InvoiceLine.invoice_id, InvoiceLine.number)
    )
    by_bill: dict[UUID, list[Any]] = defaultdict(list)
    for row in await tx.execute(statement):
        by_bill[row.invoice_id].append(row)
    agreed = await agreements_of(tx, {row.service for rows in by_bill.values() for row in rows})
    promoted = {bill for bill, rows in by_bill.items() if any(row.promo_minor for row in rows)}
    given = await _given(tx, promoted) if promoted else {}
    return {
        bill: [
            _sold(row, promo, agreed.get(row.service, ()))
            for row, promo in zip(rows, share_out(given.get(bill, 0), [row.promo_minor for row in rows]), strict=True)
        ]
        for bill, rows in by_bill.items()
    }


async def _given(tx: Tx, bills: Collection[UUID]) -> dict[UUID, int]:
    """The promotional credits in these bills that are at the platform's cost alone."""
    its_own = (CreditGrant.kind == CreditKind.PROMO, CreditGrant.funded_by == Funding.PLATFORM)
    sums = (
        select(CreditUsed.invoice_id, func.sum(CreditUsed.minor))
        .join(CreditGrant, CreditGrant.id == CreditUsed.credit_id)
        .where(CreditUsed.invoice_id.in_(bills), *its_own)
        .group_by(CreditUsed.invoice_id)
    )
    return {bill: int(minor) for bill, minor in await tx.execute(sums)}


def _sold(row: Any, promo: int, agreed: Sequence[Agreed]) -> Sold:
    tax = row.terms.get("tax") or {}
    rate, inclusive = Fraction(tax.get("rate", 0)), tax.get("inclusive", False)
    price = row.minor - row.discount_minor - row.promo_minor
    if inclusive:
        promo -= quotient(promo * rate.numerator, rate.numerator + rate.denominator)
    spans = [(datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in row.spans]
    return Sold(
        id=row.id,
        service=row.service,
        minor=price if inclusive else price + row.tax_minor,
        tax_minor=row.tax_minor,
        promo_minor=promo,
        share_bp=share_during(spans, agreed, row.share_bp),
        taken_minor=int(row.taken_net or 0) + int(row.taken_tax or 0),
        taken_tax_minor=int(row.taken_tax or 0),
    )


async def agreements_of(tx: Tx, services: Collection[str]) -> dict[str, list[Agreed]]:
    """What was agreed for these services, in the order in which it comes into force."""
    statement = (
        select(ShareAgreement.service, ShareAgreement.starts_at, ShareAgreement.share_bp)
        .where(ShareAgreement.service.in_(services))
        .order_by(ShareAgreement.starts_at, ShareAgreement.id)
    )
    found: dict[str, list[Agreed]] = defaultdict(list)
    for service, starts_at, share_bp in await tx.execute(statement):
        found[service].append(Agreed(starts_at, share_bp))
    return found
