"""Paying: the payment methods of an account, its payments, and paying an invoice by hand."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Request

from broker.addons.wait import waiting
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.kernel.clock import rfc3339
from broker.payments.by_hand import pay_invoice
from broker.payments.methods import MethodView, list_methods, make_default, remove_method
from broker.payments.setups import SetupView, begin_setup, get_setup
from broker.payments.views import PaymentView, get_payment, list_payments
from broker.payments.watch import payment_answered, setup_opened
from broker.platform_api import payment_shapes as shapes
from broker.platform_api import serialize
from broker.platform_api.bodies import Text
from broker.platform_api.deps import Body, PayingActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes
from broker.platform_api.idempotency import once

router = APIRouter(prefix="/account", tags=["payments"], responses=REFUSED)


class NothingBody(Body):
    """Nothing needs to be said."""


class DefaultBody(Body):
    """It is to be the one that is paid with."""

    default: Literal[True]


class PayBody(Body):
    """By which payment method; the default one, if it is not said."""

    payment_method: Text | None = None


@router.get("/payment-methods", responses=gives(shapes.PaymentMethod, many=True))
async def methods(request: Request, actor: PayingActor) -> Answer:
    """What the account pays with."""
    return page(request, [_method(each) for each in await list_methods(face_of(request).ctx, actor)])


@router.post(
    "/payment-methods",
    status_code=201,
    openapi_extra=takes(NothingBody, repeatable=True),
    responses=gives(shapes.PaymentSetup, 201),
)
async def add(request: Request, actor: PayingActor) -> Answer:
    """Ask for the page of the payment gateway on which a payment method is added. `Idempotency-Key` is understood."""
    actor.require_own_token()
    face, body = face_of(request), await read(request, NothingBody)

    async def make(setup_id: UUID) -> tuple[UUID, Answer]:
        async with waiting(face.ctx, setup_id, face.operation_wait, setup_opened) as outcome:
            await begin_setup(face.ctx, actor, setup_id)
            await outcome()
        return setup_id, await again(setup_id)

    async def again(setup_id: UUID) -> Answer:
        return Answer(_setup(await get_setup(face.ctx, actor, str(setup_id))), 201)

    return await once(request, actor, body, make, again)


@router.get("/payment-setups/{setup}", responses=gives(shapes.PaymentSetup))
async def setup(request: Request, actor: PayingActor, setup: str) -> Answer:
    """How far the adding of a payment method has come."""
    return Answer(_setup(await get_setup(face_of(request).ctx, actor, setup)))


@router.patch(
    "/payment-methods/{payment_method}",
    openapi_extra=takes(DefaultBody, required=True),
    responses=gives(shapes.PaymentMethod),
)
async def choose(request: Request, actor: PayingActor, payment_method: str) -> Answer:
    """Pay with this one from now on."""
    actor.require_own_token()
    await read(request, DefaultBody)
    return Answer(_method(await make_default(face_of(request).ctx, actor, payment_method)))


@router.delete("/payment-methods/{payment_method}", responses=gives(shapes.PaymentMethod))
async def remove(request: Request, actor: PayingActor, payment_method: str) -> Answer:
    """Pay with it no more. The last one stays while paid add-ons or unpaid invoices need it."""
    return Answer(_method(await remove_method(face_of(request).ctx, actor, payment_method)))


@router.get("/payments", responses=gives(shapes.Payment, many=True))
async def payments(request: Request, actor: PayingActor) -> Answer:
    """Every attempt at an invoice of the account, the newest first."""
    return page(request, [shown(each) for each in await list_payments(face_of(request).ctx, actor)])


@router.get("/payments/{payment}", responses=gives(shapes.Payment))
async def info(request: Request, actor: PayingActor, payment: str) -> Answer:
    """One of them."""
    return Answer(shown(await get_payment(face_of(request).ctx, actor, payment)))


@router.get("/invoices/{invoice}/payments", responses=gives(shapes.Payment, many=True))
async def of_invoice(request: Request, actor: PayingActor, invoice: str) -> Answer:
    """Every attempt at one invoice."""
    return page(request, [shown(each) for each in await list_payments(face_of(request).ctx, actor, invoice)])


@router.post(
    "/invoices/{invoice}/payments",
    status_code=201,
    openapi_extra=takes(PayBody, repeatable=True),
    responses=gives(shapes.Payment, 201),
)
async def pay(request: Request, actor: PayingActor, invoice: str) -> Answer:
    """Pay an invoice now. `Idempotency-Key` is understood."""
    actor.require_own_token()
    ctx, body = face_of(request).ctx, await read(request, PayBody)

    async def make(payment_id: UUID) -> tuple[UUID, Answer]:
        async with waiting(ctx, payment_id, face_of(request).operation_wait, payment_answered) as outcome:
            await pay_invoice(ctx, actor, invoice, body.payment_method, payment_id)
            await outcome()
        return payment_id, await again(payment_id)

    async def again(payment_id: UUID) -> Answer:
        return Answer(shown(await get_payment(ctx, actor, str(payment_id))), 201)

    return await once(request, actor, body, make, again)


def _method(view: MethodView) -> shapes.PaymentMethod:
    return {
        "id": str(view.id),
        "gateway": view.gateway,
        "brand": view.brand,
        "last4": view.last4,
        "exp_month": view.exp_month,
        "exp_year": view.exp_year,
        "default": view.is_default,
        "created_at": rfc3339(view.created_at),
    }


def _setup(view: SetupView) -> shapes.PaymentSetup:
    return {
        "id": str(view.id),
        "state": view.state,
        "url": view.url if view.state == "open" else None,
        "payment_method": None if view.method_id is None else str(view.method_id),
        "expires_at": rfc3339(view.expires_at),
        "created_at": rfc3339(view.created_at),
    }


def shown(view: PaymentView) -> shapes.Payment:
    """A payment in the shape of this face."""
    return {
        "id": str(view.id),
        "invoice": view.invoice,
        "attempt": view.attempt,
        "gateway": view.gateway,
        "state": view.state,
        "amount_minor": view.minor,
        "currency": view.currency,
        "collected_minor": view.collected_minor,
        "refunded_minor": view.refunded_minor,
        "card": None if view.last4 is None else f"{view.brand} {view.last4}",
        "action_url": view.action_url,
        "failure_code": view.failure_code,
        "failure_message": view.failure_message,
        "next_attempt_at": serialize.maybe(view.next_at),
        "created_at": rfc3339(view.created_at),
        "finished_at": serialize.maybe(view.finished_at),
    }
