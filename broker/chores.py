"""What is looked for again and again, because its time may have come: one round of each kind. Every round may be repeated at will."""

from __future__ import annotations

from datetime import timedelta

import structlog

from broker.accounts.brakes import forget_brakes
from broker.accounts.cli_logins import forget_cli_logins
from broker.accounts.mail_tokens import forget_links
from broker.addons.billed_names import billed_names
from broker.addons.budget_notices import look_at_budgets
from broker.addons.follow_account import follow_accounts
from broker.addons.lend import enqueue_credentials
from broker.addons.popularity import count_installs
from broker.addons.reap import enqueue_orphans
from broker.addons.reconcile_runs import enqueue_runs
from broker.addons.revoke import enqueue_rotations
from broker.addons.scheduled_changes import begin_scheduled
from broker.addons.sweep import sweep
from broker.addons.trial_ends import look_at_trials
from broker.billing.check import check_nightly
from broker.billing.close import close_due
from broker.billing.invoices import issue_finalized
from broker.catalog.canary import withdraw_stale
from broker.catalog.search_index import index_stale
from broker.events.audit import seal
from broker.events.webhook_sweep import forget_old, revive_webhooks
from broker.kernel.jobs import forget_abandoned
from broker.notices.send import look_after_notices
from broker.payments.check import check_payments
from broker.payments.dunning import dun
from broker.payments.dunning_schedule import Days
from broker.payments.look_back import look_daily
from broker.payments.methods import enqueue_removed
from broker.payments.pay import enqueue_payments
from broker.payments.refunds import enqueue_refunds
from broker.payments.setups import enqueue_setups
from broker.payments.start import collect_issued
from broker.payouts.check import check_payouts
from broker.wiring import Wiring

_log = structlog.get_logger()


async def look_around(wiring: Wiring) -> None:
    """Give a job to what is due and nobody drives, and do what takes no time."""
    ctx = wiring.context
    revived = await sweep(ctx)
    await enqueue_orphans(ctx)
    await enqueue_runs(ctx)
    await enqueue_rotations(ctx)
    await enqueue_credentials(ctx)
    await look_at_budgets(ctx)
    await follow_accounts(ctx)
    await look_at_trials(ctx)
    await begin_scheduled(ctx)
    await revive_webhooks(ctx)
    await look_after_notices(ctx)
    for forget in (forget_brakes, forget_links, forget_cli_logins):
        await forget(ctx)
    await _look_at_payments(wiring)
    await forget_old(ctx, timedelta(seconds=wiring.settings.webhook_retention_s))
    await seal(ctx)
    async with ctx.database.transaction() as tx:
        await forget_abandoned(tx)
    if revived:
        _log.warning("operations.revived", count=revived)


async def _look_at_payments(wiring: Wiring) -> None:
    if wiring.gateway is not None:
        await enqueue_payments(wiring.context)
        await enqueue_setups(wiring.context)
        await enqueue_refunds(wiring.context)
        await look_daily(wiring.context, wiring.gateway)
        await enqueue_removed(wiring.context, wiring.gateway.name)


async def keep_books(wiring: Wiring) -> bool:
    """Close what is due, a batch at a time, hand it out, and check the books every night; whether more is due."""
    ctx = wiring.context
    more = (await close_due(ctx, billed_names)).more
    more |= await issue_finalized(ctx) > 0
    if wiring.gateway is not None:
        more |= await collect_issued(ctx) > 0
        more |= await dun(ctx, Days.of(wiring.settings.dunning_days))
    await check_nightly(ctx, (check_payouts, check_payments(ctx.clock.now())))
    return more


async def keep_shelves(wiring: Wiring) -> bool:
    """Make what the marketplace's search lacks, some at a time, and count what is popular; whether more is lacking."""
    more = await index_stale(wiring.context) > 0
    await count_installs(wiring.context)
    await withdraw_stale(wiring.context)
    return more
