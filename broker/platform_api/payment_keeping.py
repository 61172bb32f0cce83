"""Payments as operators keep them: refunds, what was paid past the gateway, accounts that need no payment method.

Also the door for the webhooks of the payment gateway. To others the operators' endpoints do not exist.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field, StrictInt

from broker.addons.wait import waiting
from broker.billing.credit_notes import TakenBack
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.faces.reading import read_bytes
from broker.kernel.clock import rfc3339
from broker.kernel.errors import BadRequest, NotFound
from broker.payments.chargebacks import ChargebackView, list_chargebacks
from broker.payments.models import Payment
from broker.payments.news import take_news
from broker.payments.ports import Forged
from broker.payments.refunds import RefundView, get_refund, refund_payment
from broker.payments.transfers import record_transfer, verify_account
from broker.payments.views import any_payment, list_payments, payment_view
from broker.payments.watch import refund_answered
from broker.platform_api import payment_shapes as shapes
from broker.platform_api import serialize
from broker.platform_api.bodies import Text, Truth
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes
from broker.platform_api.idempotency import once
from broker.platform_api.payments import shown

router = APIRouter(tags=["operating"], responses=REFUSED)
_Amount = Annotated[StrictInt, Field(gt=0, le=10**12)]


class LineBody(Body):
    """A line of the invoice, and what of it is sent back, without tax: all that is left, if it is not said."""

    line: StrictInt
    net_minor: StrictInt | None = None


class RefundBody(Body):
    """Why, and how much: all that is left, if it is not said. Where lines are named, they say how much it is."""

    reason: Text
    amount_minor: _Amount | None = None
    lines: list[LineBody] = Field(default_factory=list)


class TransferBody(Body):
    """What came, and what the bank calls it."""

    amount_minor: _Amount
    reference: Text


class VerificationBody(Body):
    """Who may, or may no longer, have paid plans without a payment method."""

    email: Text
    exempt: Truth = True


@router.get("/billing/payments", responses=gives(shapes.Payment, many=True))
async def payments(request: Request, actor: CurrentActor, invoice: str | None = None) -> Answer:
    """The newest payments of all accounts, or those of one `invoice`."""
    actor.require_operator()
    found = await list_payments(face_of(request).ctx, actor, invoice, everybody=True)
    return page(request, [shown(each) for each in found])


@router.get("/billing/payments/{payment}", responses=gives(shapes.Payment))
async def payment_(request: Request, actor: CurrentActor, payment: str) -> Answer:
    """A payment of whatever account."""
    return Answer(shown(await any_payment(face_of(request).ctx, actor, payment)))


@router.post(
    "/billing/payments/{payment}/refunds",
    status_code=201,
    openapi_extra=takes(RefundBody, required=True, repeatable=True),
    responses=gives(shapes.Refund, 201),
)
async def refund(request: Request, actor: CurrentActor, payment: str) -> Answer:
    """Send a payment back, or a part of it. `Idempotency-Key` is understood."""
    actor.require_operator()
    face, body = face_of(request), await read(request, RefundBody)
    lines = [TakenBack(each.line, each.net_minor) for each in body.lines]

    async def make(refund_id: UUID) -> tuple[UUID, Answer]:
        async with waiting(face.ctx, refund_id, face.operation_wait, refund_answered) as outcome:
            begun = await refund_payment(face.ctx, actor, payment, body.amount_minor, body.reason, refund_id, lines)
            if begun.finished_at is None:
                await outcome()
        return refund_id, await again(refund_id)

    async def again(refund_id: UUID) -> Answer:
        return Answer(shown_refund(await get_refund(face.ctx, actor, refund_id)), 201)

    return await once(request, actor, body, make, again)


@router.post(
    "/billing/invoices/{invoice}/payments",
    status_code=201,
    openapi_extra=takes(TransferBody, required=True, repeatable=True),
    responses=gives(shapes.Payment, 201),
)
async def transfer(request: Request, actor: CurrentActor, invoice: str) -> Answer:
    """Record that an invoice, or a part of it, was paid past the gateway. `Idempotency-Key` is understood."""
    actor.require_operator()
    ctx, body = face_of(request).ctx, await read(request, TransferBody)

    async def make(payment_id: UUID) -> tuple[UUID, Answer]:
        made = await record_transfer(ctx, actor, invoice, body.amount_minor, body.reference, payment_id)
        return payment_id, Answer(shown(made), 201)

    async def again(payment_id: UUID) -> Answer:
        async with ctx.database.transaction() as tx:
            return Answer(shown(await payment_view(tx, Payment.id == payment_id)), 201)

    return await once(request, actor, body, make, again)


@router.get("/billing/chargebacks", responses=gives(shapes.Chargeback, many=True))
async def chargebacks(request: Request, actor: CurrentActor) -> Answer:
    """The newest payments of all accounts that banks took back."""
    actor.require_operator()
    return page(request, [shown_chargeback(each) for each in await list_chargebacks(face_of(request).ctx, actor)])


@router.post(
    "/billing/verifications",
    openapi_extra=takes(VerificationBody, required=True),
    responses=gives(shapes.Verification),
)
async def verify(request: Request, actor: CurrentActor) -> Answer:
    """Let an account have paid plans without a payment method, or no longer."""
    actor.require_operator()
    body = await read(request, VerificationBody)
    account_id = await verify_account(face_of(request).ctx, actor, body.email, exempt=body.exempt)
    return Answer({"account_id": str(account_id), "exempt": body.exempt})


@router.post("/payments/webhook", include_in_schema=False)
async def news(request: Request) -> Answer:
    """What the payment gateway tells, signed by it. Told again, it is answered alike."""
    face = face_of(request)
    if face.payment_news is None:
        raise NotFound("endpoint")
    gateway, read_news = face.payment_news
    body = await read_bytes(request, request.app.state.bounds)
    try:
        told = read_news(body, request.headers.get("stripe-signature", ""))
    except Forged:
        raise BadRequest("The signature of this webhook is missing, wrong or too old.") from None
    return Answer({"new": await take_news(face.ctx, gateway, told)})


def shown_chargeback(view: ChargebackView) -> shapes.Chargeback:
    """A chargeback in the shape of this face."""
    return {
        "id": view.reference,
        "payment": str(view.payment_id),
        "invoice": view.invoice,
        "email": view.email,
        "amount_minor": view.minor,
        "currency": view.currency,
        "state": view.state,
        "created_at": rfc3339(view.taken_at),
    }


def shown_refund(view: RefundView) -> shapes.Refund:
    """A refund in the shape of this face."""
    return {
        "id": str(view.id),
        "payment": str(view.payment_id),
        "state": view.state,
        "amount_minor": view.minor,
        "currency": view.currency,
        "reason": view.reason,
        "failure_message": view.failure_message,
        "created_at": rfc3339(view.created_at),
        "finished_at": serialize.maybe(view.finished_at),
    }
