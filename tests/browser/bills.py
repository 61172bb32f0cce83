"""Half a year of bills of the one who looks: paid ones, one that is owed, one with a credit note; a budget, and a wish beyond it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from broker.accounts.authorizations import CreateAuthorization, create_authorization
from broker.addons.billed_names import billed_names
from broker.addons.budgets import SetBudget, set_budget
from broker.addons.create import CreateAddon, create_addon
from broker.addons.queries import list_addons
from broker.billing.budgets import Policy, ScopeKind
from broker.billing.close import close_due
from broker.billing.collect import record_collected
from broker.billing.credit_notes import TakenBack, write_credit_note
from broker.billing.invoices import InvoiceView, issue_finalized, list_invoices
from broker.billing.models import UsagePeriod
from broker.billing.months import month_of
from broker.catalog.models import Plan
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import BudgetExceeded
from broker.kernel.ids import new_id
from tests.browser.furniture import APP

_HISTORY = (
    ("jokes-logs", "logstream", "standard", 4900, 210),
    ("owl-bugs", "bugnet", "pro", 2900, 130),
    ("jokes-search", "till", "plan-2500", 2500, 100),
)
"""Which add-on was on which plan, at which price, and for how many days until today. Units: cents; days."""


async def bill(ctx: Context, actor: Actor) -> None:
    """Make all of it."""
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        plan_id = (await tx.execute(select(Plan.id).limit(1))).scalar_one()
    await create_addon(ctx, actor, CreateAddon("night-owl", "bugnet:free", "owl-bugs"))
    addons = {each.name: each for each in await list_addons(ctx, actor)}
    for name, service, plan, cents, days in _HISTORY:
        addon = addons[name]
        held = {"addon_id": addon.id, "app_id": addon.app_id, "payer_id": actor.id, "plan_id": plan_id}
        priced = {"service": service, "plan": plan, "price_cents": cents, "currency": "usd"}
        await _had(ctx, held | priced, now - timedelta(days=days), now - timedelta(seconds=1))
    while (await close_due(ctx, billed_names)).more:
        pass
    await issue_finalized(ctx)
    _, *paid = await list_invoices(ctx, actor)
    for each in paid:
        await _pay(ctx, each)
    await write_credit_note(ctx, actor, str(paid[0].number), "Slow for a week", [TakenBack(1, 1200)])
    await _wish_too_much(ctx, actor)


async def _had(ctx: Context, period: dict[str, Any], start: datetime, end: datetime) -> None:
    month = month_of(end)
    async with ctx.database.transaction() as tx:
        row = period | {"id": new_id(), "started_at": start, "ended_at": max(end, month.start)}
        await tx.execute(insert(UsagePeriod).values(row))


async def _pay(ctx: Context, invoice: InvoiceView) -> None:
    async with ctx.database.transaction() as tx:
        await record_collected(tx, invoice.id, invoice.due_minor, f"test:{invoice.id}", ctx.clock.now())


async def _wish_too_much(ctx: Context, actor: Actor) -> None:
    for kind, scope, minor in ((ScopeKind.ACCOUNT, None, 90000), (ScopeKind.APP, APP, 9000)):
        await set_budget(ctx, actor, SetBudget(kind, scope, minor, policy=Policy.BLOCK_NEW))
    token = await create_authorization(ctx, actor, CreateAuthorization("Deploy robot", ["write-protected"]))
    robot = replace(actor, scopes=frozenset(map(Scope, token.scopes)), authorization_id=token.id, is_operator=False)
    try:
        await create_addon(ctx, robot, CreateAddon(APP, "logstream:enterprise", ask=True))
    except BudgetExceeded:
        return
    raise AssertionError("the budget has no limit")
