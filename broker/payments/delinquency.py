"""Where an account is for want of payment: delinquent, suspended, about to lose its add-ons. Derived from the dunning of its
invoices, in one place and under the account's lock. What becomes of its add-ons is `addons/follow_account.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from broker.billing.collectable import collectable_minor
from broker.billing.invoices import move_invoice
from broker.billing.ledger import owed_on
from broker.billing.models import BillingAccount, Invoice, InvoiceState
from broker.billing.months import local_days_after
from broker.events.emit import emit
from broker.kernel.clock import rfc3339
from broker.kernel.context import SYSTEM
from broker.kernel.db import Tx
from broker.kernel.direct import Direct
from broker.kernel.errors import PaymentRequired
from broker.kernel.jobs import defer
from broker.notices.outbox import notify
from broker.payments.disputed import disputed_on
from broker.payments.dunning_models import Dunning, DunningState, DunningStep
from broker.payments.dunning_schedule import Step, StepKind
from broker.payments.standing import for_team

FOLLOW: Final = "broker.follow_account"
"""Name of the job that brings the add-ons of an account to where the account is."""

_GOES_ON: Final = (DunningState.OPEN, DunningState.PAUSED, DunningState.EXHAUSTED)
_OVER: Final = (InvoiceState.PAID, InvoiceState.VOID)


async def require_paid_up(tx: Tx, account_id: UUID) -> None:
    """Go on only if no invoice of the account is past due.

    Raises: PaymentRequired, saying what helps.
    """
    if await _DELINQUENT.first(tx, account_id=account_id) is not None:
        raise PaymentRequired(
            "An invoice of this account is past due: nothing that costs more can be added until it is paid. What is owed,"
            f" and how to pay it: `broker billing:status{await for_team(tx, account_id)}`."
        )


_DELINQUENT: Final = Direct(
    select(BillingAccount.id).where(
        BillingAccount.id == bindparam("account_id", type_=BillingAccount.id.type),
        BillingAccount.delinquent_at.is_not(None),
    )
)


async def lock_account(tx: Tx, account_id: UUID, at: datetime) -> None:
    """Make the account, if it has not been needed yet, and lock it: after its invoices, before its dunning.

    Transactions: the caller's. Nothing about its delinquency changes until it ends.
    """
    new = insert(BillingAccount).values(id=account_id, created_at=at, updated_at=at)
    await tx.execute(new.on_conflict_do_nothing())
    await tx.execute(select(BillingAccount.id).where(BillingAccount.id == account_id).with_for_update())


async def note_declined(tx: Tx, invoice_id: UUID, at: datetime) -> None:
    """An attempt failed: if it was the first, the sweep finds the invoice past due, and need not wait for its next date.

    Transactions: the caller's, which may hold the lock of the invoice.
    """
    young = (Dunning.invoice_id == invoice_id, Dunning.ended_at.is_(None), Dunning.past_due_at.is_(None))
    await tx.execute(update(Dunning).where(*young, Dunning.next_at.is_not(None)).values(next_at=at))


async def look_again(tx: Tx, account_id: UUID, at: datetime) -> None:
    """Something was paid, taken back, disputed or decided: end the dunning that has no ground any more, pause or take up
    the others, and let the account be where it ought to be. For a rest that no card takes, nobody loses anything.

    Transactions: the caller's, which holds no lock on the account's add-ons; it may hold those of its invoices.
    """
    await lock_account(tx, account_id, at)
    going_on = select(Dunning.__table__, Invoice.state.label("bill"), Invoice.currency).join(
        Invoice, Invoice.id == Dunning.invoice_id
    )
    rows = await tx.execute(going_on.where(Dunning.account_id == account_id, Dunning.state.in_(_GOES_ON)))
    for row in rows.all():
        owed = 0 if row.bill in _OVER else await owed_on(tx, row.invoice_id)
        if owed <= 0:
            await _write(tx, row.invoice_id, at, state=DunningState.SETTLED, next_at=None, ended_at=row.ended_at or at)
        elif row.state == DunningState.EXHAUSTED:
            continue
        elif owed < collectable_minor(row.currency) or await disputed_on(tx, row.invoice_id, owed) >= owed:
            if row.state == DunningState.OPEN:
                await _write(tx, row.invoice_id, at, state=DunningState.PAUSED, paused_at=at, next_at=None)
        elif row.state == DunningState.PAUSED:
            await _take_up(tx, row, at)
    await restate(tx, account_id, at)


async def _take_up(tx: Tx, row: Any, at: datetime) -> None:
    """Go on where it was paused: every date is later by as many days as that was. What was about to be deleted is told of anew."""
    days = -((row.paused_at - at) // timedelta(days=1))
    steps = await steps_of(tx, row.invoice_id)
    if steps[-1].done_at is not None:
        steps[-2:] = [Step(step.name, step.due_at) for step in steps[-2:]]
    steps = [step if step.done_at else Step(step.name, local_days_after(step.due_at, days, row.zone)) for step in steps]
    await _write(tx, row.invoice_id, at, state=DunningState.OPEN, paused_at=None)
    await write_steps(tx, row.invoice_id, steps, at)


async def _write(tx: Tx, invoice_id: UUID, at: datetime, **values: Any) -> None:
    await tx.execute(update(Dunning).where(Dunning.invoice_id == invoice_id).values(updated_at=at, **values))


async def steps_of(tx: Tx, invoice_id: UUID) -> list[Step]:
    """The steps of an invoice's dunning, in their order."""
    columns = select(DunningStep.step, DunningStep.due_at, DunningStep.done_at)
    rows = await tx.execute(columns.where(DunningStep.invoice_id == invoice_id).order_by(DunningStep.place))
    return [Step(*row) for row in rows]


async def write_steps(tx: Tx, invoice_id: UUID, steps: Sequence[Step], at: datetime) -> None:
    """Store the dates as they are now, and when the next step is due."""
    for step in steps:
        dates = {"due_at": step.due_at, "done_at": step.done_at}
        this = (DunningStep.invoice_id == invoice_id, DunningStep.step == step.name)
        await tx.execute(update(DunningStep).where(*this).values(dates))
    upcoming = next((step.due_at for step in steps if step.done_at is None), None)
    await _write(tx, invoice_id, at, next_at=upcoming)


async def restate(tx: Tx, account_id: UUID, at: datetime) -> None:
    """Derive where the account is from the dunning of its invoices, and tell what changed. The account is locked."""
    before = (await tx.execute(select(BillingAccount.__table__).where(BillingAccount.id == account_id))).one()
    after = await _derived(tx, account_id)
    changed = {name: value for name, value in after.items() if getattr(before, name) != value}
    if not changed:
        return
    await tx.execute(update(BillingAccount).where(BillingAccount.id == account_id).values(updated_at=at, **changed))
    if bool(before.delinquent_at) != bool(after["delinquent_at"]):
        facts = {"account_id": str(account_id), **_told(after)}
        if after["delinquent_at"]:
            await emit(tx, "account.delinquent", SYSTEM, at, **facts)
        else:
            await emit(tx, "account.paid_up", SYSTEM, at, **facts)
    if bool(before.suspended_at) != bool(after["suspended_at"]):
        await _tell_suspension(tx, account_id, before.suspended_at, after, at)
    if changed.keys() & {"suspended_at", "deleting_at"}:
        await defer(tx, FOLLOW, {"account_id": str(account_id)})


async def _tell_suspension(
    tx: Tx, account_id: UUID, since: datetime | None, after: dict[str, datetime | None], at: datetime
) -> None:
    facts = {"account_id": str(account_id), **_told(after)}
    if since is None:
        await emit(tx, "account.suspended", SYSTEM, at, **facts)
    else:
        await emit(tx, "account.resumed", SYSTEM, at, **facts)
    if since is not None and await _was_deleted(tx, account_id, since):
        return  # there is nothing that could come back
    kind = "account.suspended" if since is None else "account.resumed"
    # Its own instant: an account may be suspended again as of the day on which it was first.
    await notify(tx, account_id, kind, _told(after), at, key=f"{kind} {account_id} {at}")


async def _was_deleted(tx: Tx, account_id: UUID, since: datetime) -> bool:
    """Whether the add-ons that were suspended then are gone by now."""
    gone = (
        select(DunningStep.step)
        .join(Dunning, Dunning.invoice_id == DunningStep.invoice_id)
        .where(Dunning.account_id == account_id, Dunning.ended_at.is_not(None))
        .where(DunningStep.step == StepKind.DELETE, DunningStep.done_at >= since)
    )
    return (await tx.execute(gone.limit(1))).first() is not None


def _told(dates: dict[str, datetime | None]) -> dict[str, Any]:
    return {name: None if value is None else rfc3339(value) for name, value in dates.items()}


async def _derived(tx: Tx, account_id: UUID) -> dict[str, datetime | None]:
    columns = select(
        Dunning.state, Dunning.past_due_at, DunningStep.step, DunningStep.due_at, DunningStep.done_at
    ).join(Dunning, Dunning.invoice_id == DunningStep.invoice_id)
    counts = columns.where(
        Dunning.account_id == account_id,
        Dunning.state.in_((DunningState.OPEN, DunningState.EXHAUSTED)),
        Dunning.past_due_at.is_not(None),
        DunningStep.step.in_((StepKind.SUSPEND, StepKind.DELETE)),
    )
    rows = (await tx.execute(counts)).all()
    suspend = [row for row in rows if row.step == StepKind.SUSPEND]
    delete = [row for row in rows if row.step == StepKind.DELETE and row.state == DunningState.OPEN]
    suspended_at = _first(suspend, lambda row: row.done_at)
    return {
        "delinquent_at": _first(rows, lambda row: row.past_due_at),
        "suspended_at": suspended_at,
        "suspends_at": None if suspended_at else _first(suspend, lambda row: row.due_at),
        "deletes_at": _first(delete, lambda row: None if row.done_at else row.due_at),
        "deleting_at": _first(delete, lambda row: row.done_at),
    }


def _first(rows: Iterable[Any], date: Callable[[Any], datetime | None]) -> datetime | None:
    return min(filter(None, map(date, rows)), default=None)


async def exhaust(tx: Tx, account_id: UUID, at: datetime) -> None:
    """The add-ons are gone: what was to be collected by it counts as uncollectible. It can still be paid.

    Transactions: the caller's; it takes the locks of the invoices and of the account.
    """
    dunned = select(Dunning.invoice_id).where(Dunning.account_id == account_id, Dunning.state == DunningState.OPEN)
    bills = select(Invoice.id, Invoice.number).where(Invoice.id.in_(dunned)).order_by(Invoice.id).with_for_update()
    numbers = {row.id: row.number for row in await tx.execute(bills)}
    await look_again(tx, account_id, at)
    # Chosen under the locks: while they were waited for, an invoice may have been disputed and taken up again.
    spent = select(DunningStep.invoice_id).where(DunningStep.step == StepKind.DELETE, DunningStep.done_at.is_not(None))
    ours = update(Dunning).where(Dunning.invoice_id.in_(numbers), Dunning.invoice_id.in_(spent))
    ours = ours.where(Dunning.state == DunningState.OPEN)
    ended = ours.values(state=DunningState.EXHAUSTED, next_at=None, ended_at=at, updated_at=at)
    for invoice_id in (await tx.execute(ended.returning(Dunning.invoice_id))).scalars().all():
        await move_invoice(tx, invoice_id, InvoiceState.UNCOLLECTIBLE, at)
        told: dict[str, Any] = {"invoice_id": str(invoice_id), "account_id": str(account_id)}
        told["number"] = numbers[invoice_id]
        await emit(tx, "invoice.uncollectible", SYSTEM, at, **told)
        await notify(tx, account_id, "account.deleted", told, at, key=f"account.deleted {invoice_id}")
    await restate(tx, account_id, at)
