"""Adding a payment method: on a page of the gateway's, so that cards never come near the broker.

A webhook tells when its user is done; without one, the gateway is asked every few seconds while the page is open. This is
between people and the gateway: it goes by the machine's clock.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

import structlog
from sqlalchemy import Row, insert, select, update

from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx, run_again
from broker.kernel.errors import Conflict, NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.kernel.jobs import defer
from broker.kernel.pauses import pause_after
from broker.kernel.signals import notify as wake
from broker.payments.customers import known_customer
from broker.payments.methods import keep_method
from broker.payments.models import OPEN_SETUPS, PaymentSetup, SetupState
from broker.payments.ports import CustomerMade, Declined, Gateway, SetupCall, SetupDone, SetupOpen, SetupOver
from broker.payments.standing import payment_page
from broker.payments.start import collect_account

SETUP: Final = "broker.payment_setup"
"""Name of the job that goes on with the adding of one payment method."""

LIFE: Final = timedelta(hours=1)
FIRST_PAUSE: Final = timedelta(seconds=3)
LONGEST_PAUSE: Final = timedelta(minutes=1)
_CLAIMED_FOR: Final = timedelta(minutes=1)
_AT_ONCE: Final = 200
_MOST_OPEN: Final = 20
_chance = random.SystemRandom()
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SetupView:
    """The adding of a payment method, as whoever adds it sees it."""

    id: UUID
    state: str
    url: str | None
    method_id: UUID | None
    expires_at: datetime
    created_at: datetime


_COLUMNS: Final = [getattr(PaymentSetup, name) for name in SetupView.__slots__]


async def begin_setup(
    ctx: Context,
    actor: Actor,
    setup_id: UUID | None = None,
    *,
    onward: str | None = None,
) -> UUID:
    """Ask for a page on which the actor can add a payment method; the page leads back to ours, and that one on to `onward`, an
    address on this server.

    Raises: Forbidden; Conflict where no payment gateway is set up, or too many pages are open.
    """
    actor.require_own_token()
    if not ctx.rules.paid_plans_need_verification:
        raise Conflict("No payment gateway is set up here: paid plans need no payment method.")
    now, setup_id = ctx.wall.now(), setup_id or new_id()
    then = "" if onward is None else f"next={quote(onward, safe='')}&"
    own = payment_page(actor.id, is_team=actor.behind is not None)
    back = f"{ctx.rules.public_url}{own}?{then}setup={setup_id}"
    row = {"id": setup_id, "account_id": actor.id, "state": SetupState.PENDING, "return_url": back}
    row |= {"next_at": now, "expires_at": now + LIFE, "created_at": now, "updated_at": now}
    async with ctx.database.transaction() as tx:
        unfinished = select(PaymentSetup.id).where(PaymentSetup.account_id == actor.id)
        open_now = unfinished.where(PaymentSetup.state.in_(OPEN_SETUPS), PaymentSetup.expires_at > now)
        if len((await tx.execute(open_now.limit(_MOST_OPEN))).all()) == _MOST_OPEN:
            raise Conflict("Too many pages for adding a payment method are open: use one of them, or wait an hour.")
        await tx.execute(insert(PaymentSetup).values(row))
        await defer(tx, SETUP, {"setup_id": str(setup_id)})
    return setup_id


async def get_setup(ctx: Context, actor: Actor, key: str, *, look: bool = False) -> SetupView:
    """How far it has come. With `look`, the gateway is asked soon: its user has just come back from the page.

    Raises: NotFound, also for somebody else's; Forbidden.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    async with ctx.database.transaction() as tx:
        mine = select(*_COLUMNS).where(PaymentSetup.id == as_uuid(key), PaymentSetup.account_id == actor.id)
        row = (await tx.execute(mine)).one_or_none()
        if row is None:
            raise NotFound("payment_setup")
        if look and row.state == SetupState.OPEN:
            await look_soon(tx, ctx, PaymentSetup.id == row.id)
        return SetupView(*row)


async def look_soon(tx: Tx, ctx: Context, which: Any) -> bool:
    """Let the worker ask the gateway about an open page now; whether there is one."""
    now = ctx.wall.now()
    open_one = update(PaymentSetup).where(which, PaymentSetup.state == SetupState.OPEN)
    due = open_one.values(next_at=now).returning(PaymentSetup.id)
    ids = (await tx.execute(due)).scalars().all()
    for setup_id in ids:
        await defer(tx, SETUP, {"setup_id": str(setup_id)})
    return bool(ids)


_Settle = Callable[[Tx, Context, Row[Any]], Awaitable[None]]


async def advance_setup(ctx: Context, gateway: Gateway, setup_id: UUID) -> None:
    """Go on with it, if it is due: ask for the page, or whether its user is done.

    Transactions: one to claim, one to write what came of it; none while the gateway is asked. Both questions may be
    repeated.
    """
    row = await _claim(ctx, setup_id)
    if row is None:
        return
    settle = await (_open(ctx, gateway, row) if row.reference is None else _look(gateway, row))
    await _settled(ctx, row, settle)


@run_again
async def _settled(ctx: Context, row: Row[Any], settle: _Settle) -> None:
    """What is added by now is paid with: that takes the locks of invoices."""
    async with ctx.database.transaction() as tx:
        current = select(PaymentSetup.state).where(PaymentSetup.id == row.id).with_for_update()
        if (await tx.execute(current)).scalar_one() in OPEN_SETUPS:
            await settle(tx, ctx, row)
            await wake(tx, row.id)


async def _claim(ctx: Context, setup_id: UUID) -> Row[Any] | None:
    now = ctx.wall.now()
    due = PaymentSetup.id == setup_id, PaymentSetup.state.in_(OPEN_SETUPS), PaymentSetup.next_at <= now
    claimed = update(PaymentSetup).where(*due).values(next_at=now + _CLAIMED_FOR, tries=PaymentSetup.tries + 1)
    async with ctx.database.transaction() as tx:
        return (await tx.execute(claimed.returning(*PaymentSetup.__table__.columns))).one_or_none()


async def _open(ctx: Context, gateway: Gateway, row: Row[Any]) -> _Settle:
    customer = await known_customer(ctx, gateway, row.account_id)
    if not isinstance(customer, CustomerMade):
        _log.warning("payment_setup.failed", setup=str(row.id), note=customer.note)
        return _later
    call = SetupCall(row.id, customer.reference, row.return_url, row.expires_at)
    answer = await gateway.open_setup(call)
    if isinstance(answer, SetupOpen):
        return _opened(answer)
    _log.warning(
        "payment_setup.failed", setup=str(row.id), note=answer.message if isinstance(answer, Declined) else answer.note
    )
    return _over if isinstance(answer, Declined) else _later


async def _look(gateway: Gateway, row: Row[Any]) -> _Settle:
    answer = await gateway.look_at_setup(row.reference)
    if isinstance(answer, SetupDone):
        return _done(gateway, answer)
    return _over if isinstance(answer, SetupOver) else _later


def _opened(answer: SetupOpen) -> _Settle:
    async def settle(tx: Tx, ctx: Context, row: Row[Any]) -> None:
        opened = {"state": SetupState.OPEN, "reference": answer.reference, "url": answer.url, "tries": 0}
        await _write(tx, ctx, row, opened | {"next_at": ctx.wall.now() + FIRST_PAUSE})

    return settle


def _done(gateway: Gateway, answer: SetupDone) -> _Settle:
    async def settle(tx: Tx, ctx: Context, row: Row[Any]) -> None:
        method_id = await keep_method(tx, ctx, row.account_id, gateway.name, answer.method)
        await _write(tx, ctx, row, {"state": SetupState.DONE, "method_id": method_id, "next_at": None})
        await collect_account(tx, ctx, row.account_id)

    return settle


async def _over(tx: Tx, ctx: Context, row: Row[Any]) -> None:
    await _write(tx, ctx, row, {"state": SetupState.OVER, "next_at": None})


async def _later(tx: Tx, ctx: Context, row: Row[Any]) -> None:
    now = ctx.wall.now()
    if now > row.expires_at + LONGEST_PAUSE:
        await _over(tx, ctx, row)
        return
    pause = pause_after(row.tries + 1, FIRST_PAUSE, LONGEST_PAUSE, _chance.random())
    await _write(tx, ctx, row, {"next_at": now + pause})


async def _write(tx: Tx, ctx: Context, row: Row[Any], values: dict[str, Any]) -> None:
    written = update(PaymentSetup).where(PaymentSetup.id == row.id)
    await tx.execute(written.values(values | {"updated_at": ctx.wall.now()}))


async def enqueue_setups(ctx: Context) -> int:
    """Defer a job for each page whose time has come; the number of them. Part of the sweep."""
    now = ctx.wall.now()
    due = (
        select(PaymentSetup.id)
        .where(PaymentSetup.state.in_(OPEN_SETUPS), PaymentSetup.next_at <= now)
        .order_by(PaymentSetup.next_at)
        .limit(_AT_ONCE)
    )
    async with ctx.database.transaction() as tx:
        ids = (await tx.execute(due)).scalars().all()
        for setup_id in ids:
            await defer(tx, SETUP, {"setup_id": str(setup_id)})
    return len(ids)
