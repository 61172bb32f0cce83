"""How an account is billed, as operators agree it with whoever pays: tax, discount, and by which clock its months begin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Any, Final
from uuid import UUID
from zoneinfo import available_timezones

from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert

from broker.accounts.models import User
from broker.billing.history import account_of
from broker.billing.models import BillingAccount, Invoice, UsagePeriod
from broker.billing.pricing import Tax
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx, run_again
from broker.kernel.errors import Conflict, InvalidParams, NotFound

WHOLE_BP: Final = 10_000
_LONGEST_NOTE: Final = 200


@dataclass(frozen=True, slots=True)
class AccountTerms:
    """On which terms an account is billed. Units: `discount_bp` in hundredths of a percent."""

    account_id: UUID
    email: str
    zone: str
    tax: Tax | None
    discount_bp: int


@dataclass(frozen=True, slots=True)
class TermChanges:
    """What is agreed anew; None: as it was."""

    tax: Tax | None = None
    ends_tax: bool = False
    """Whether there is to be no tax any more."""
    discount_bp: int | None = None
    zone: str | None = None


async def get_terms(ctx: Context, actor: Actor, email: str) -> AccountTerms:
    """The terms of an account: operators only.

    Raises: NotFound, also for everybody but operators.
    """
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        return await _terms(tx, email)


@run_again
async def agree_terms(ctx: Context, actor: Actor, email: str, changes: TermChanges) -> AccountTerms:
    """Agree on other terms with an account, from the months on that are not closed yet: operators only.

    Raises: NotFound, also for everybody but operators; InvalidParams; Conflict for another zone once anything is billed by the
        present one: months would overlap, or leave a gap.
    """
    actor.require_operator()
    _check(changes)
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        before = await _terms(tx, email)
        made = insert(BillingAccount).values(id=before.account_id, created_at=now, updated_at=now)
        await tx.execute(made.on_conflict_do_update(index_elements=[BillingAccount.id], set_={"updated_at": now}))
        if changes.zone not in (None, before.zone):
            await _require_unbilled(tx, before.account_id)
        terms = replace(
            before,
            zone=changes.zone or before.zone,
            tax=None if changes.ends_tax else changes.tax or before.tax,
            discount_bp=before.discount_bp if changes.discount_bp is None else changes.discount_bp,
        )
        row: dict[str, Any] = {"zone": terms.zone, "tax": _stored(terms.tax), "discount_bp": terms.discount_bp}
        await tx.execute(made.on_conflict_do_update(index_elements=[BillingAccount.id], set_=row))
        await emit(tx, "account.terms_agreed", actor, now, account_id=str(terms.account_id), **row)
        return terms


def _check(changes: TermChanges) -> None:
    if changes.tax is not None and not 0 <= changes.tax.rate <= 1:
        raise InvalidParams("tax: must be from 0 to 100 percent.")
    if changes.tax is not None and len(changes.tax.note) > _LONGEST_NOTE:
        raise InvalidParams(f"tax: its note is printed on invoices, and has at most {_LONGEST_NOTE} characters.")
    if changes.tax is not None and changes.ends_tax:
        raise InvalidParams("tax: there is one, or there is none.")
    if changes.discount_bp is not None and not 0 <= changes.discount_bp <= WHOLE_BP:
        raise InvalidParams("discount_bp: must be from 0 to 10000, in hundredths of a percent.")
    if changes.zone is not None and changes.zone not in _zones():
        raise InvalidParams("zone: must be the name of a time zone, such as UTC or Europe/Berlin.")


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


async def _require_unbilled(tx: Tx, account_id: UUID) -> None:
    held = select(UsagePeriod.id).where(UsagePeriod.payer_id == account_id).exists()
    billed = select(Invoice.id).where(Invoice.account_id == account_id).exists()
    if (await tx.execute(select(or_(held, billed)))).scalar_one():
        raise Conflict("This account has add-ons or bills already: the zone of its months can't be changed any more.")


async def _terms(tx: Tx, email: str) -> AccountTerms:
    found = (await tx.execute(select(User.id, User.email).where(func.lower(User.email) == email.lower()))).one_or_none()
    if found is None:
        raise NotFound("account")
    terms, zone = await account_of(tx, found.id)
    return AccountTerms(found.id, found.email, zone, terms.tax, terms.discount_bp)


def _stored(tax: Tax | None) -> dict[str, Any] | None:
    return None if tax is None else {"rate": str(Fraction(tax.rate)), "inclusive": tax.inclusive, "note": tax.note}
