"""What gives operators work: somebody's sunken app, a provider that does not answer, a late account, payouts, drift."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from broker.accounts.models import User
from broker.addons.create import CreateAddon, create_addon
from broker.addons.forget import forget_addon
from broker.addons.models import Operation, Orphan, ProviderHealth, ReconcileRun
from broker.addons.rename import rename_addon
from broker.addons.resolve import AddonKey
from broker.apps.create import CreateApp, create_app
from broker.billing.models import BillingAccount, BillingCheck
from broker.catalog.models import AddonService
from broker.catalog.review import request_review
from broker.events.audit import seal
from broker.events.deliver import deliver
from broker.events.webhooks import Owner, WebhookChange, add_webhook
from broker.faces.webhook_payloads import WebhookPayloads
from broker.flags.switch import set_flag
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.ids import new_id
from broker.kernel.secret import Secret
from broker.payouts.models import Payout, PayoutState
from tests.browser.furniture import settled
from tests.events.receivers import DOWN, Receiver

FRIEND, SHIP = "friend@example.com", "sinking-ship"
ORPHAN, RUN = UUID("01a1ffa9-0000-7000-8000-00000000000a"), UUID("01a1ffa9-0000-7000-8000-00000000000b")
_PAYOUTS = (
    ("logstream", 148250, PayoutState.DRAFT, "", ""),
    ("find-it", 39200, PayoutState.DRAFT, "", ""),
    ("till", 8700, PayoutState.APPROVED, "", ""),
    ("watchtower", 17100, PayoutState.PAID, "SEPA 2026-11-14/0042", ""),
    ("plain-numbers", 6300, PayoutState.FAILED, "", "The account is closed."),
)
_REPORT: dict[str, Any] = {
    "services": [
        {"service": "logstream", "in_use": 512, "listed": 513, "note": None},
        {"service": "find-it", "in_use": 41, "listed": None, "note": "it offers no list of its resources"},
    ],
    "drifts": [
        {
            "kind": "unknown_resource", "service": "logstream", "addon_id": None, "addon": None, "resource_id": "ls-8812",
            "price_cents": 4900, "currency": "usd", "fix": None, "fixed": False,
            "explanation": "logstream has ls-8812 (standard), which was not made here. Ask the provider about it.",
        },
        {
            "kind": "billed_not_provisioned", "service": "find-it", "addon_id": str(RUN), "addon": "ship-search",
            "resource_id": None, "price_cents": 19900, "currency": "usd", "fix": "billing ends", "fixed": False,
            "explanation": "ship-search is gone, and is billed all the same.",
        },
    ],
    "not_shown": 0,
    "money": [{"currency": "usd", "unpaid_cents": 4900, "overbilled_cents": 19900}],
}  # fmt: skip


_FAILED_JOB: Final = (
    "insert into procrastinate_jobs (queue_name, task_name, args, status, attempts)"
    " values ('webhooks', 'broker.send_notice', '{\"notice_id\": \"01a1ffa9-0000-7000-8000-00000000000c\"}', 'failed', 1)"
)


async def trouble(ctx: Context, operator: Actor) -> None:
    """Make all of it."""
    async with ctx.database.transaction() as tx:
        friend_id = (await tx.execute(select(User.id).where(User.email == FRIEND))).scalar_one()
    friend = Actor(friend_id, FRIEND, frozenset({Scope.GLOBAL}))
    await create_app(ctx, friend, CreateApp(name=SHIP))
    lost = await create_addon(ctx, friend, CreateAddon(SHIP, "logstream:premium", "ship-logs"))
    await settled(ctx, lost)
    await _told(ctx, friend, lost.id)
    await forget_addon(ctx, operator, "ship-logs", "the provider says that it knows nothing of it")
    stuck = await create_addon(ctx, friend, CreateAddon(SHIP, "rabbit-post:pro", "ship-post"))
    await request_review(ctx, operator, "night-shift")
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        await tx.execute(update(Orphan).where(Orphan.addon_id == lost.id).values(id=ORPHAN))
        late = {"attempts": 7, "next_at": now - timedelta(minutes=20), "reason": "The provider did not answer in time."}
        await tx.execute(update(Operation).where(Operation.addon_id == stuck.id).values(**late))
        await _failing(tx, stuck.service.id, now)
        await _late(tx, friend_id, now)
        await _paid_out(tx, now)
        await _looked_at(tx, operator, now)
        await tx.execute(text(_FAILED_JOB))
    await set_flag(
        ctx, operator, "installs", False, "The provider does not answer. We wait for its people.", "rabbit-post"
    )
    while await seal(ctx):
        pass


async def _told(ctx: Context, friend: Actor, addon_id: UUID) -> None:
    """What the provider's webhook was told: once it took it, once it did not."""

    async def owner(_tx: Tx) -> Owner:
        return Owner(addon_id=addon_id)

    wanted = WebhookChange(
        ["api:addon"], "sync", "https://hooks.logstream.example/in", Secret("a secret of the provider")
    )
    hook = (await add_webhook(ctx, friend, owner, wanted, ())).webhook
    for name, receiver in (("ship-logs-2", Receiver()), ("ship-logs", Receiver([DOWN]))):
        await rename_addon(ctx, friend, AddonKey(str(addon_id)), name)
        await deliver(ctx, WebhookPayloads("https://broker.example.com"), receiver, hook.id)


async def _failing(tx: Tx, service_id: UUID, now: datetime) -> None:
    row = {"circuit": "open", "faults": 6, "retry_at": now + timedelta(minutes=4), "last_fault": "timeout"}
    seen = {"last_ok_at": now - timedelta(days=2), "last_fault_at": now - timedelta(minutes=1)}
    await tx.execute(upsert(ProviderHealth).values(service_id=service_id, **row, **seen))


async def _late(tx: Tx, user_id: UUID, now: datetime) -> None:
    since = {"delinquent_at": now - timedelta(days=8), "suspends_at": now + timedelta(days=6)}
    made = upsert(BillingAccount).values(id=user_id, created_at=now, updated_at=now, **since)
    await tx.execute(made.on_conflict_do_update(index_elements=["id"], set_=since))


async def _paid_out(tx: Tx, now: datetime) -> None:
    for service, minor, state, reference, reason in _PAYOUTS:
        over = now if state in (PayoutState.PAID, PayoutState.FAILED) else None
        row = {"id": new_id(), "service": service, "currency": "usd", "day": f"{now:%Y-%m-%d}", "minor": minor}
        row |= {"state": state, "reference": reference, "reason": reason, "earned_until": now - timedelta(days=14)}
        row |= {"created_at": now, "approved_at": None if state == PayoutState.DRAFT else now, "finished_at": over}
        await tx.execute(insert(Payout).values(row))


async def _looked_at(tx: Tx, operator: Actor, now: datetime) -> None:
    service = select(AddonService.id).where(AddonService.slug == "logstream").scalar_subquery()
    whose = {"fix": False, "actor_id": operator.id, "actor_email": operator.email, "fencing": 1, "created_at": now}
    runs = [
        {"id": RUN, "state": "finished", "service_id": None, "report": _REPORT, "finished_at": now, **whose},
        {"id": new_id(), "state": "failed", "service_id": service, "report": None, "finished_at": now, **whose},
    ]
    for row in runs:
        await tx.execute(insert(ReconcileRun).values(row))
    check = {"id": new_id(), "checked": 1812, "differences": [], "started_at": now, "finished_at": now}
    await tx.execute(insert(BillingCheck).values(check))
