"""Money that came for an account as a whole, for operators. To others this endpoint does not exist."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field, StrictInt

from broker.faces.answers import Answer
from broker.kernel.clock import rfc3339
from broker.payments.receipts import ReceiptView, Sent, get_receipt, receive
from broker.platform_api import payment_shapes as shapes
from broker.platform_api.bodies import Text
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes
from broker.platform_api.idempotency import once

router = APIRouter(tags=["operating"], responses=REFUSED)


class ReceiptBody(Body):
    """Whose money it is, how much, and what the bank calls it."""

    email: Text
    amount_minor: Annotated[StrictInt, Field(gt=0, le=10**12)]
    reference: Text
    currency: Annotated[str, Field(pattern="^[a-z]{3}$")] = "usd"


@router.post(
    "/billing/receipts",
    status_code=201,
    openapi_extra=takes(ReceiptBody, required=True, repeatable=True),
    responses=gives(shapes.Receipt, 201),
)
async def record(request: Request, actor: CurrentActor) -> Answer:
    """Let money pay what an account owes, the oldest invoice first; what is left becomes a credit. `Idempotency-Key` is understood."""
    actor.require_operator()
    ctx, body = face_of(request).ctx, await read(request, ReceiptBody)
    sent = Sent(body.email, body.amount_minor, body.reference, body.currency)

    async def make(receipt_id: UUID) -> tuple[UUID, Answer]:
        return receipt_id, Answer(_receipt(await receive(ctx, actor, sent, receipt_id)), 201)

    async def again(receipt_id: UUID) -> Answer:
        return Answer(_receipt(await get_receipt(ctx, actor, receipt_id)), 201)

    return await once(request, actor, body, make, again)


def _receipt(view: ReceiptView) -> shapes.Receipt:
    return {
        "id": str(view.id),
        "account_id": str(view.account_id),
        "currency": view.currency,
        "amount_minor": view.minor,
        "reference": view.reference,
        "paid": [{"invoice": number, "amount_minor": paid, "left_minor": left} for number, paid, left in view.parts],
        "credit_minor": view.credit_minor,
        "created_at": rfc3339(view.created_at),
    }
