"""What an account owes, what happens if it does not pay, and when; and for operators, which accounts do not. Reading alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from broker.accounts.models import User
from broker.billing.ledger import owed_on
from broker.billing.models import BillingAccount, Invoice
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.payments.delinquency import steps_of
from broker.payments.disputed import disputed_on
from broker.payments.dunning_models import Dunning, DunningState
from broker.payments.dunning_schedule import Step, StepKind
from broker.payments.standing import Standing, standing_of
from broker.payments.start import TO_BE_PAID


@dataclass(frozen=True, slots=True)
class UnpaidView:
    """An invoice that is to be paid, and the steps that are still to come. Units: minor units."""

    id: UUID
    number: str
    month: str
    currency: str
    state: str
    issued_at: datetime | None
    owed_minor: int
    disputed_minor: int
    is_paused: bool
    steps: Sequence[Step]

    @property
    def next_try_at(self) -> datetime | None:
        """When payment is tried again without anybody asking for it."""
        return next((step.due_at for step in self.steps if step.kind is StepKind.TRY), None)


@dataclass(frozen=True, slots=True)
class StatusView:
    """How an account stands, and what it has to pay."""

    standing: Standing
    unpaid: Sequence[UnpaidView]


@dataclass(frozen=True, slots=True)
class DelinquentView:
    """An account that has not paid what is past due."""

    account_id: UUID
    email: str
    delinquent_at: datetime
    suspended_at: datetime | None
    suspends_at: datetime | None
    deletes_at: datetime | None
    unpaid: Sequence[UnpaidView]


async def billing_status(ctx: Context, actor: Actor) -> StatusView:
    """What the actor's account owes, and the dates.

    Raises: Forbidden, also for a token that is limited to some apps.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        return StatusView(await standing_of(tx, actor.id), await _unpaid(tx, actor.id))


async def list_delinquent(ctx: Context, actor: Actor) -> list[DelinquentView]:
    """The accounts that are delinquent, the longest first.

    Raises: NotFound for everybody but operators.
    """
    actor.require_operator()
    columns = (
        BillingAccount.id.label("account_id"), User.email, BillingAccount.delinquent_at, BillingAccount.suspended_at,
        BillingAccount.suspends_at, BillingAccount.deletes_at,
    )  # fmt: skip
    late = select(*columns).join(User, User.id == BillingAccount.id).where(BillingAccount.delinquent_at.is_not(None))
    async with ctx.database.transaction() as tx:
        rows: list[Any] = list(await tx.execute(late.order_by(BillingAccount.delinquent_at, BillingAccount.id)))
        return [DelinquentView(**row._asdict(), unpaid=await _unpaid(tx, row.account_id)) for row in rows]


async def _unpaid(tx: Tx, account_id: UUID) -> list[UnpaidView]:
    columns = (Invoice.id, Invoice.number, Invoice.month, Invoice.currency, Invoice.state, Invoice.issued_at)
    open_ones = (
        select(*columns, Dunning.state.label("dunning"))
        .outerjoin(Dunning, Dunning.invoice_id == Invoice.id)
        .where(Invoice.account_id == account_id, Invoice.state.in_(TO_BE_PAID))
        .order_by(Invoice.month, Invoice.id)
    )
    return [await _view(tx, row) for row in (await tx.execute(open_ones)).all()]


async def _view(tx: Tx, row: Any) -> UnpaidView:
    known = row._asdict()
    dunning = known.pop("dunning")
    owed = await owed_on(tx, row.id)
    steps = await steps_of(tx, row.id) if dunning == DunningState.OPEN else []
    return UnpaidView(
        **known,
        owed_minor=owed,
        disputed_minor=await disputed_on(tx, row.id, owed),
        is_paused=dunning == DunningState.PAUSED,
        steps=[step for step in steps if step.done_at is None],
    )
