"""What is done about invoices that are not paid, a step when it is due: trying again, warning, suspending, deleting.

Each step is taken once, in order, and by its stored date; a step that is late puts off what follows it. Part of the sweep.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import exists, insert, or_, select, update

from broker.billing.invoices import move_invoice
from broker.billing.ledger import owed_on
from broker.billing.models import BillingAccount, Invoice, InvoiceState
from broker.events.emit import emit
from broker.flags.models import Flag
from broker.flags.switch import is_on
from broker.kernel.clock import rfc3339
from broker.kernel.context import SYSTEM, Context
from broker.kernel.db import Tx
from broker.kernel.money import Money
from broker.notices.outbox import notify
from broker.payments.delinquency import look_again, restate, steps_of, write_steps
from broker.payments.dunning_models import Dunning, DunningState, DunningStep
from broker.payments.dunning_schedule import (
    NOTICED_BEFORE,
    Days,
    Step,
    StepKind,
    after_step,
    may_delete,
    put_off,
    schedule,
)
from broker.payments.models import Payment, PaymentState
from broker.payments.reopen import begin_anew
from broker.payments.start import WAS_MADE, Hindrance, start_payment

_AT_ONCE: Final = 200
_SOON: Final = timedelta(minutes=1)
_TO_BE_DUNNED: Final = (InvoiceState.ISSUED, InvoiceState.PAST_DUE)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Case:
    """An invoice that is dunned, locked with its account."""

    invoice_id: UUID
    account_id: UUID
    zone: str
    number: str
    month: str
    currency: str
    past_due_at: datetime | None
    is_exempt: bool
    """Whether it pays by transfer: then it need not have a payment method."""
    owed: int
    steps: Sequence[Step]

    @property
    def place(self) -> int:
        """Of the next step; past the last one if all are taken."""
        return sum(step.done_at is not None for step in self.steps)


async def dun(ctx: Context, days: Days) -> bool:
    """Begin with what was issued, notice what was paid, and take the steps that are due; whether there may be more to do.

    Transactions: one for what begins, then one for each account or invoice.
    """
    begun = await _begin(ctx, days)
    settled, due = await _settled(ctx), await _due(ctx)
    done = [await _apart(ctx, account_id, _look_again) for account_id in settled]
    done += [await _apart(ctx, invoice_id, _take_next) for invoice_id in due]
    return begun >= _AT_ONCE or (any(done) and max(len(settled), len(due)) >= _AT_ONCE)


async def _apart(ctx: Context, which: UUID, deed: Callable[[Tx, Context, UUID], Awaitable[None]]) -> bool:
    """Do something about one account or invoice, in a transaction of its own; whether that went well."""
    try:
        async with ctx.database.transaction() as tx:
            await deed(tx, ctx, which)
    except Exception as error:  # whatever is wrong with this one, nobody else's bill waits for it
        _log.exception("dunning.failed", about=str(which), error=type(error).__name__)
        return False
    return True


async def _look_again(tx: Tx, ctx: Context, account_id: UUID) -> None:
    await look_again(tx, account_id, ctx.clock.now())


async def _begin(ctx: Context, days: Days) -> int:
    """Write the dates of what was issued; of how many invoices."""
    now = ctx.clock.now()
    known = exists().where(Dunning.invoice_id == Invoice.id)
    new = select(Invoice.id, Invoice.account_id, Invoice.zone, Invoice.issued_at, Invoice.state).where(
        Invoice.state.in_(_TO_BE_DUNNED), ~known, Invoice.issued_at.is_not(None)
    )
    async with ctx.database.transaction() as tx:
        rows = (await tx.execute(new.order_by(Invoice.id).limit(_AT_ONCE).with_for_update(skip_locked=True))).all()
        dates = {row.id: schedule(row.issued_at, row.zone, days) for row in rows}
        if rows:
            same = {"state": DunningState.OPEN, "created_at": now, "updated_at": now}
            dunnings = [
                {
                    "invoice_id": row.id,
                    "account_id": row.account_id,
                    "zone": row.zone,
                    "next_at": dates[row.id][0].due_at,
                }
                for row in rows
            ]
            await tx.execute(insert(Dunning), [same | dunning for dunning in dunnings])
            steps = [
                {"invoice_id": invoice_id, "step": step.name, "place": place, "due_at": step.due_at}
                for invoice_id, steps in dates.items()
                for place, step in enumerate(steps)
            ]
            await tx.execute(insert(DunningStep), steps)
        for row in rows:
            if row.state == InvoiceState.PAST_DUE:  # it had been paid before there were dates, and is owed again
                await begin_anew(tx, row.id, row.account_id, now)
    return len(rows)


async def _settled(ctx: Context) -> list[UUID]:
    """The accounts with dunning whose ground is gone, which nobody has told us of."""
    over = Invoice.state.in_((InvoiceState.PAID, InvoiceState.VOID))
    goes_on = or_(Dunning.ended_at.is_(None), Dunning.state == DunningState.EXHAUSTED)
    found = select(Dunning.account_id).join(Invoice, Invoice.id == Dunning.invoice_id).where(over, goes_on)
    async with ctx.database.transaction() as tx:
        return list((await tx.execute(found.distinct().limit(_AT_ONCE))).scalars())


async def _due(ctx: Context) -> list[UUID]:
    now = ctx.clock.now()
    due = select(Dunning.invoice_id).where(Dunning.ended_at.is_(None), Dunning.next_at <= now)
    async with ctx.database.transaction() as tx:
        # What nobody is told of is not done. A step that is late puts off what follows it, so that nobody loses time to react.
        if not (await is_on(tx, Flag.COLLECTION) and await is_on(tx, Flag.NOTICES)):
            return []
        return list((await tx.execute(due.order_by(Dunning.next_at).limit(_AT_ONCE))).scalars())


async def _case(tx: Tx, invoice_id: UUID) -> _Case | None:
    columns = (
        Dunning.invoice_id, Invoice.account_id, Dunning.zone, Invoice.number, Invoice.month, Invoice.currency,
        Dunning.past_due_at, BillingAccount.verified_at.is_not(None).label("is_exempt"),
    )  # fmt: skip
    found = (
        select(*columns)
        .join(Dunning, Dunning.invoice_id == Invoice.id)
        .join(BillingAccount, BillingAccount.id == Invoice.account_id)
        .where(Invoice.id == invoice_id, Dunning.state == DunningState.OPEN)
    )
    row: Any = (await tx.execute(found)).one_or_none()
    if row is None:
        return None
    return _Case(**row._asdict(), owed=await owed_on(tx, invoice_id), steps=await steps_of(tx, invoice_id))


async def _take_next(tx: Tx, ctx: Context, invoice_id: UUID) -> None:
    """Take the next step of an invoice, if it is due. Locks: invoice, account."""
    account = select(Invoice.account_id).where(Invoice.id == invoice_id).with_for_update()
    now = ctx.clock.now()
    await look_again(tx, (await tx.execute(account)).scalar_one(), now)
    case = await _case(tx, invoice_id)
    if case is None:
        return
    if case.past_due_at is None and await _has_failed(tx, invoice_id):
        await _fall_due(tx, case, now)
        case = replace(case, past_due_at=now)
    place = case.place
    if place == len(case.steps) or case.steps[place].due_at > now:
        await write_steps(tx, invoice_id, case.steps, now)
        return
    step = case.steps[place]
    if step.kind is StepKind.TRY:
        await _try(tx, ctx, case, place, now)
    elif await _is_under_way(tx, case.invoice_id):
        await _put_off(tx, case, place, now + _SOON, now)
        return
    elif step.kind is StepKind.DELETE and (over := may_delete(case.steps, now)) is not None:
        await _put_off(tx, case, place, over, now)
        return
    else:
        await _fall_due(tx, case, now)
    steps = after_step(case.steps, place, now, case.zone)
    await write_steps(tx, case.invoice_id, steps, now)
    await restate(tx, case.account_id, now)
    await _tell(tx, case, step, steps, now)


async def _put_off(tx: Tx, case: _Case, place: int, until: datetime, now: datetime) -> None:
    await write_steps(tx, case.invoice_id, put_off(case.steps, place, until, case.zone), now)
    await restate(tx, case.account_id, now)


async def _is_under_way(tx: Tx, invoice_id: UUID) -> bool:
    """Whether money may be on its way: nobody loses anything for a bank that takes its time.

    What waits for its user to confirm it is not: begun again and again, that would hold up everything for ever.
    """
    going_on = exists().where(
        Payment.invoice_id == invoice_id, Payment.finished_at.is_(None), Payment.state != PaymentState.ACTION_NEEDED
    )
    return bool((await tx.execute(select(going_on))).scalar())


async def _try(tx: Tx, ctx: Context, case: _Case, place: int, now: datetime) -> None:
    """Try again; the first attempt may have been made when the invoice was issued."""
    tried = exists().where(Payment.invoice_id == case.invoice_id, WAS_MADE)
    if place == 0 and (await tx.execute(select(tried))).scalar():
        return
    started = await start_payment(tx, ctx, case.invoice_id)
    last = place + 1 == sum(step.kind is StepKind.TRY for step in case.steps)
    if started is Hindrance.NO_METHOD and (last or (place > 0 and not case.is_exempt)):
        await _fall_due(tx, case, now)


async def _has_failed(tx: Tx, invoice_id: UUID) -> bool:
    """Whether an attempt at the invoice came to nothing."""
    failed = exists().where(
        Payment.invoice_id == invoice_id,
        Payment.finished_at.is_not(None),
        Payment.state.in_((PaymentState.FAILED, PaymentState.ACTION_NEEDED)),
        WAS_MADE,
    )
    return bool((await tx.execute(select(failed))).scalar())


async def _fall_due(tx: Tx, case: _Case, now: datetime) -> None:
    """The invoice is past due from now on, and the account delinquent."""
    if case.past_due_at is not None:
        return
    await move_invoice(tx, case.invoice_id, InvoiceState.PAST_DUE, now)
    await tx.execute(
        update(Dunning).where(Dunning.invoice_id == case.invoice_id).values(past_due_at=now, updated_at=now)
    )
    await restate(tx, case.account_id, now)
    facts = _facts(case, case.steps)
    await emit(tx, "invoice.past_due", SYSTEM, now, **facts)
    await notify(tx, case.account_id, "invoice.past_due", facts, now, key=f"invoice.past_due {case.invoice_id}")


_KINDS: Final = {
    StepKind.WARN: "account.suspends",
    StepKind.NOTICE: "account.deletes",
}


async def _tell(tx: Tx, case: _Case, step: Step, steps: Sequence[Step], now: datetime) -> None:
    """Give the notice of a step, with the dates as they are from now on."""
    facts = _facts(case, steps) | {"step": step.name}
    await emit(tx, "dunning.step_taken", SYSTEM, now, **facts)
    if (kind := _KINDS.get(step.kind)) is not None:
        facts["is_last"] = step.name == f"{StepKind.NOTICE}-{NOTICED_BEFORE[-1]}"
        await notify(tx, case.account_id, kind, facts, now, key=f"{kind} {case.invoice_id} {step.name}")


def _facts(case: _Case, steps: Sequence[Step]) -> dict[str, Any]:
    """What every notice says: what is owed, and the exact dates."""
    due = {step.kind: rfc3339(step.due_at) for step in reversed(steps) if step.kind is not StepKind.NOTICE}
    tries = [step for step in steps if step.kind is StepKind.TRY and step.done_at is None]
    return {
        "invoice_id": str(case.invoice_id),
        "account_id": str(case.account_id),
        "number": case.number,
        "month": case.month,
        "owed": str(Money(case.owed, case.currency)),
        "next_try_at": rfc3339(tries[0].due_at) if tries else None,
        "suspends_at": due[StepKind.SUSPEND],
        "deletes_at": due[StepKind.DELETE],
    }
