"""A payment gateway at the port: it keeps keys as a real one does, and does what the test says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from broker.events.models import Event
from broker.kernel.context import Actor, Context
from broker.kernel.ids import new_id
from broker.payments.customers import known_customer
from broker.payments.look_back import look_back
from broker.payments.methods import forget, keep_method
from broker.payments.models import Payment, PaymentMethod, PaymentSetup, Refund
from broker.payments.pay import pay
from broker.payments.ports import (
    ActionNeeded,
    Aftermath,
    ChargeCall,
    Charged,
    CustomerCall,
    CustomerMade,
    Declined,
    Gateway,
    LookCall,
    MethodFacts,
    News,
    NotThere,
    Pending,
    RefundCall,
    Refunded,
    RefundLook,
    SetupCall,
    SetupDone,
    SetupOpen,
    SetupOver,
    Succeeded,
    Unknown,
)
from broker.payments.refunds import refund
from broker.payments.setups import advance_setup
from broker.payments.views import PaymentView, list_payments

NO = Declined("card_declined", "Your card was declined.")


@dataclass
class FakeGateway:
    """What was asked is in `asked`; what stands at the gateway is in `charges`, by our id and by its reference."""

    name: str = "fake"
    answers: Callable[[ChargeCall], Charged] = lambda call: Succeeded(f"pi_{call.payment_id}")
    lost: bool = False
    """Whether answers are lost on their way."""
    forgets_keys: bool = False
    asked: list[object] = field(default_factory=list)
    charges: dict[UUID, Charged] = field(default_factory=dict)
    taken: dict[UUID, int] = field(default_factory=dict)
    """The money that was really taken, by payment."""
    refunds: dict[UUID, Refunded] = field(default_factory=dict)
    aftermaths: dict[str, Aftermath] = field(default_factory=dict)
    """What became of payments later, by their reference."""
    setups: dict[str, SetupOpen | SetupDone | SetupOver] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)

    async def make_customer(self, call: CustomerCall) -> CustomerMade | Unknown:
        self.asked.append(call)
        return CustomerMade(f"cus_{call.account_id}")

    async def open_setup(self, call: SetupCall) -> SetupOpen | Declined | Unknown:
        self.asked.append(call)
        opened = SetupOpen(f"cs_{call.id}", f"https://gateway.test/pay/{call.id}")
        self.setups.setdefault(opened.reference, opened)
        return opened

    async def look_at_setup(self, reference: str) -> SetupOpen | SetupDone | SetupOver | Unknown:
        return self.setups.get(reference, SetupOver())

    async def forget_method(self, reference: str) -> Succeeded | Unknown:
        self.forgotten.append(reference)
        return Succeeded(reference)

    async def charge(self, call: ChargeCall) -> Charged:
        self.asked.append(call)
        if call.payment_id not in self.charges or self.forgets_keys:
            self.becomes(call.payment_id, self.answers(call), call.minor)
        return Unknown("no answer") if self.lost else self.charges[call.payment_id]

    def becomes(self, payment_id: UUID, standing: Charged, minor: int = 0) -> None:
        """Let a charge stand so."""
        self.charges[payment_id] = standing
        if isinstance(standing, Succeeded):
            self.taken[payment_id] = self.taken.get(payment_id, 0) + minor

    async def look_at(self, call: LookCall) -> Charged | NotThere:
        self.asked.append(call)
        return Unknown("no answer") if self.lost else self.charges.get(call.payment_id, NotThere())

    async def give_up(self, reference: str) -> Charged:
        return Declined("not_confirmed", "The payment was not confirmed in time.", reference)

    async def refund(self, call: RefundCall) -> Refunded:
        self.asked.append(call)
        self.refunds.setdefault(call.refund_id, Succeeded(f"re_{call.refund_id}"))
        return Unknown("no answer") if self.lost else self.refunds[call.refund_id]

    async def look_at_refund(self, call: RefundLook) -> Refunded | NotThere:
        self.asked.append(call)
        return Unknown("no answer") if self.lost else self.refunds.get(call.refund_id, NotThere())

    async def look_back(self, reference: str) -> Aftermath | Unknown:
        self.asked.append(reference)
        return Unknown("no answer") if self.lost else self.aftermaths.get(reference, Aftermath())

    async def gone_since(self, since: datetime) -> list[str] | Unknown:
        self.asked.append(since)
        return Unknown("no answer") if self.lost else [*self.aftermaths, "pi_of_somebody_else"]


def to_be_confirmed(url: str | None) -> Callable[[ChargeCall], Charged]:
    return lambda call: ActionNeeded("Confirm it.", f"pi_{call.payment_id}", url)


def taking_its_time(call: ChargeCall) -> Charged:
    return Pending(f"pi_{call.payment_id}")


async def with_card(ctx: Context, gateway: Gateway, actor: Actor, last4: str = "4242") -> UUID:
    """Give an account a payment method, its default one."""
    await known_customer(ctx, gateway, actor.id)
    facts = MethodFacts(f"pm_{new_id()}", "visa", last4, 12, 2040)
    async with ctx.database.transaction() as tx:
        return await keep_method(tx, ctx, actor.id, gateway.name, facts)


async def work(ctx: Context, gateway: Gateway) -> None:
    """What the worker does about everything that is due."""
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        due = select(Payment.id).where(Payment.next_at <= now).order_by(Payment.created_at)
        payments = (await tx.execute(due)).scalars().all()
        refunds = (await tx.execute(select(Refund.id).where(Refund.next_at <= now))).scalars().all()
        setups = (await tx.execute(select(PaymentSetup.id).where(PaymentSetup.next_at <= ctx.wall.now()))).scalars()
        methods = (await tx.execute(select(PaymentMethod.id).where(PaymentMethod.state == "removed"))).scalars()
    for payment_id in payments:
        await pay(ctx, gateway, payment_id)
        await look_back(ctx, gateway, payment_id)
    for refund_id in refunds:
        await refund(ctx, gateway, refund_id)
    for setup_id in setups:
        await advance_setup(ctx, gateway, setup_id)
    for method_id in methods:
        await forget(ctx, gateway, method_id)


def later(ctx: Context, **parts: float) -> None:
    ctx.clock.advance(**parts)  # type: ignore[attr-defined]


async def states_of(ctx: Context, actor: Actor) -> list[tuple[int, str]]:
    """Attempts and their states, the oldest first."""
    return [(each.attempt, each.state) for each in (await list_payments(ctx, actor))[::-1]]


async def only(ctx: Context, actor: Actor) -> PaymentView:
    (found,) = await list_payments(ctx, actor)
    return found


def news(reference: str, number: int = 1, subject: UUID | None = None, taken_from: str = "") -> News:
    return News(f"evt_{number}", "payment_intent.updated", reference, subject, taken_from)


async def kinds(ctx: Context) -> list[str]:
    """What was told of payments, in order."""
    told = select(Event.kind).where(Event.kind.like("payment%")).order_by(Event.id)
    async with ctx.database.transaction() as tx:
        return list((await tx.execute(told)).scalars())
