"""A year on a stopped clock: people, a provider that always says yes, a bank, and the worker's rounds whenever something is due.

What happened is told from what the broker itself recorded: its events, its mails, its invoices.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from broker.accounts.models import User
from broker.addons.billed_names import billed_names
from broker.addons.create import CreateAddon, create_addon
from broker.addons.follow_account import follow_accounts
from broker.addons.models import Addon
from broker.addons.ports import Answer, ProvisionCall, Reply
from broker.addons.queries import AddonView
from broker.addons.scheduled_changes import begin_scheduled
from broker.addons.trial_ends import look_at_trials
from broker.apps.create import CreateApp, create_app
from broker.billing.check import check_some
from broker.billing.close import close_due
from broker.billing.intake import Report, Status, take_in
from broker.billing.invoices import Document, any_document, issue_finalized
from broker.billing.models import Invoice
from broker.catalog.manifest import parse
from broker.catalog.members import Role, set_member
from broker.catalog.publish import publish
from broker.clock_steps import until_next_due
from broker.events.models import Event
from broker.faces.invoice_text import printed
from broker.kernel.context import SYSTEM, Actor, Context
from broker.payments.dunning import dun
from broker.payments.dunning_schedule import Days
from broker.payments.ports import ChargeCall, Charged, Succeeded
from broker.payments.start import collect_issued
from broker.payouts.check import check_payouts
from tests.addons.conftest import MANIFEST, ScriptedProvider, World, done
from tests.domain import new_user
from tests.payments.fake import NO, FakeGateway, work

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
HALF_A_DAY = timedelta(hours=12)
ROWS = {"name": "rows", "label": "Rows written", "unit_price": "0.5", "included": "1000"}
STORE = MANIFEST | {
    "capabilities": ["usage"],
    "plans": [
        {"name": "free", "human_name": "Free", "price_cents": 0, "default": True},
        {"name": "starter", "human_name": "Starter", "price_cents": 1000, "trial_days": 14},
        {"name": "team", "human_name": "Team", "price_cents": 3000},
        {"name": "payg", "human_name": "Pay as you go", "price_cents": 500, "meters": [ROWS]},
    ],
}


class WillingProvider(ScriptedProvider):
    """Makes, changes and removes whatever it is asked to, at once."""

    async def _answer(self, call: Any) -> Reply:
        self.calls.append(call)
        return done("store://secret") if isinstance(call, ProvisionCall) else Reply(Answer.DONE, 200)

    provision = change_plan = deprovision = rotate = revoke = refresh = lend = take_back = _answer


@dataclass
class Year:
    """Everybody who is in it, and what they do on which day."""

    ctx: Context
    olga: Actor
    """Runs the broker."""
    paula: Actor
    """Owns the store, and is paid."""
    provider: WillingProvider = field(default_factory=WillingProvider)
    broke: set[str] = field(default_factory=set)
    """Customers at the gateway whose card is declined."""
    gateway: FakeGateway = field(default_factory=FakeGateway)

    def __post_init__(self) -> None:
        self.gateway.answers = self._charge

    def _charge(self, call: ChargeCall) -> Charged:
        return NO if call.customer in self.broke else Succeeded(f"pi_{call.payment_id}")

    def world(self, user: Actor, app: str) -> World:
        return World(self.ctx, user, self.provider, app)

    async def person(self, name: str, app: str | None = None) -> Actor:
        user = await new_user(self.ctx, f"{name}@example.com")
        if app is not None:
            await create_app(self.ctx, user, CreateApp(name=app))
        return user

    def breaks(self, user: Actor, *, again: bool = False) -> None:
        """The bank declines this account's cards from now on; or takes them again."""
        (self.broke.discard if again else self.broke.add)(f"cus_{user.id}")

    async def adds(self, user: Actor, app: str, plan: str, name: str, **more: Any) -> AddonView:
        addon = await create_addon(self.ctx, user, CreateAddon(app, plan, name=name, **more))
        await self.settle()
        return addon

    async def uses(self, addon: AddonView, rows: int, id: str) -> None:
        report = Report("", id, addon.id, "rows", Decimal(rows), self.ctx.clock.now())
        (result,) = await take_in(self.ctx, "store", [report])
        assert result.status is Status.ACCEPTED, result

    async def settle(self) -> None:
        """What the worker does about everything that is due now."""
        ctx, world = self.ctx, self.world(self.olga, "")
        while await self._round() or await world.unfinished():
            await world.run()
        await look_at_trials(ctx)
        await world.run()

    async def _round(self) -> bool:
        ctx = self.ctx
        begun = await begin_scheduled(ctx)
        while (await close_due(ctx, billed_names)).more:
            pass
        issued = await issue_finalized(ctx)
        begun += await collect_issued(ctx) + await look_at_trials(ctx)
        await dun(ctx, Days())
        await work(ctx, self.gateway)
        return bool(begun + issued + await follow_accounts(ctx))

    async def until(self, month: int, day: int, hour: int = 0) -> None:
        """Let the time pass to an instant of the year (month 13: of January after it), and everything happen on the way."""
        to = datetime(2027 + (month - 1) // 12, (month - 1) % 12 + 1, day, hour, tzinfo=UTC)
        while (now := self.ctx.clock.now()) < to:
            step = min(await until_next_due(self.ctx, HALF_A_DAY), to - now)
            self.ctx.clock.advance(seconds=step.total_seconds())  # type: ignore[attr-defined]  # a stopped clock
            await self.settle()

    async def documents(self) -> list[Document]:
        """Every bill, in the order in which they were written."""
        async with self.ctx.database.transaction() as tx:
            ids = select(Invoice.id).order_by(Invoice.month, Invoice.email)
            return [await any_document(tx, str(each)) for each in (await tx.execute(ids)).scalars().all()]

    async def differences(self) -> Sequence[str]:
        """What is wrong with the books."""
        found = await check_some(self.ctx, self.olga, further=(check_payouts,))
        assert found.after is None
        return found.differences


async def make_year(ctx: Context) -> Year:
    """The first of January: a store, whoever owns it, and whoever runs the broker. Payouts wait for ten days."""
    ctx.clock._at = NEW_YEAR  # type: ignore[attr-defined]  # a stopped clock
    ctx = replace(ctx, rules=replace(ctx.rules, payout_hold=timedelta(days=10), payout_minimum_minor=500))
    await publish(ctx, parse(STORE), SYSTEM)
    olga = replace(await new_user(ctx, "olga@example.com"), is_operator=True)
    paula = await new_user(ctx, "paula@example.com")
    await set_member(ctx, olga, "store", paula.email, Role.OWNER)
    return Year(ctx, olga, paula)


_TOLD: dict[str, Callable[[dict[str, Any]], str]] = {
    "addon.provisioned": lambda data: f"begins on {data['plan']}",
    "addon.plan_change_scheduled": lambda data: "is to change its plan at the month's end",
    "addon.plan_changed": lambda data: f"changes from {data['before']} to {data['after']}",
    "addon.suspended": lambda data: "is suspended",
    "addon.resumed": lambda data: "goes on",
    "addon.destroy_requested": lambda data: "is to be removed: from here on it costs nothing",
    "addon.deprovisioned": lambda data: "is gone",
    "trial.ends": lambda data: "is told that its trial ends in three days",
    "trial.paid": lambda data: "is paid for from now on, as was agreed",
    "app.transferred": lambda data: "takes over an app with its add-ons",
    "payer.accepted": lambda data: "agrees to pay for somebody else's app",
    "payer.ended": lambda data: "pays for it no longer",
    "credit.granted": lambda data: f"gives a credit: {data['reason']}",
    "invoice.issued": lambda data: f"gets invoice {data['number']} of {data['due']}",
    "payment.succeeded": lambda data: f"pays {data['amount']} for {data['number']} (attempt {data['attempt']})",
    "payment.failed": lambda data: (
        f"has a card that is declined: {data['amount']} for {data['number']} (attempt {data['attempt']})"
    ),
    "payment.refunded": lambda data: "gets money back",
    "account.suspended": lambda data: "is suspended, but for what is free",
    "invoice.credited": lambda data: f"gets credit note {data['number']} of {data['amount']} about {data['invoice']}",
    "payout.made": lambda data: f"transfers {data['amount']} to whoever owns {data['service']}",
}
"""What of the record the story tells. The rest is there as well, see docs/reference/events.md."""


async def transcript(year: Year) -> str:
    """The year as a page: what happened day by day, then every bill with its lines."""
    columns = (Event.at, Event.kind, Event.actor_email, Event.data, Addon.name)
    record = select(*columns).outerjoin(Addon, Addon.id == Event.addon_id).order_by(Event.id)
    async with year.ctx.database.transaction() as tx:
        emails = {str(row.id): row.email for row in await tx.execute(select(User.id, User.email))}
        rows = [row for row in await tx.execute(record) if row.kind in _TOLD]
    days = [f"| {row.at:%d %b %H:%M} | {_who(row, emails)} | {_TOLD[row.kind](row.data)} |" for row in rows]
    story = "\n".join(["| when | who or what | |", "| --- | --- | --- |", *days])
    bills = "\n\n".join(_bill(document) for document in await year.documents())
    return f"## What happened\n\n{story}\n\n## The bills\n\n{bills}\n"


def _who(row: Any, emails: dict[str, str]) -> str:
    """The add-on, or the account that it is about, or who did it."""
    email: str = emails.get(row.data.get("account_id", ""), row.actor_email)
    return row.name or email.partition("@")[0]


def _bill(document: Document) -> str:
    found = printed(document)
    facts = dict(found.facts)
    lines = [f"| {line.what} | {line.where} | {line.quantity} | {line.amount} |" for line in found.lines]
    sums = [f"| **{name}** | | | {amount} |" for name, amount in found.sums]
    table = ["| what | where | how much | amount |", "| --- | --- | --- | --: |", *lines, *sums]
    notes = [f"\n{note}" for note in found.notes]
    return "\n".join(
        [f"### {found.title}, {facts['Billed to']}, {document.invoice.month}, {facts['State']}", "", *table, *notes]
    )
