"""What operators say of payments, refunds and chargebacks of which no gateway tells any more how they ended.

To others these endpoints do not exist.
"""

from __future__ import annotations

from typing import Final, Literal

from fastapi import APIRouter, Request

from broker.faces.answers import Answer
from broker.kernel.context import Context
from broker.payments.settle_by_hand import settle_chargeback, settle_payment, settle_refund
from broker.platform_api import payment_shapes as shapes
from broker.platform_api.bodies import Text
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes
from broker.platform_api.payment_keeping import shown_chargeback, shown_refund
from broker.platform_api.payments import shown

router = APIRouter(prefix="/billing", tags=["operating"], responses=REFUSED)


class SettlementBody(Body):
    """How it ended, and how that is known."""

    outcome: Literal["succeeded", "failed"]
    evidence: Text


class DecisionBody(Body):
    """How the bank decided, and how that is known."""

    outcome: Literal["won", "lost"]
    evidence: Text


_SETTLEMENT: Final = takes(SettlementBody, required=True)
_GOOD: Final = ("succeeded", "won")


async def _said(request: Request, shape: type[SettlementBody | DecisionBody]) -> tuple[Context, bool, str]:
    """Whether it ended well, and how that is known."""
    body = await read(request, shape)
    return face_of(request).ctx, body.outcome in _GOOD, body.evidence


@router.post("/payments/{payment}/settlement", openapi_extra=_SETTLEMENT, responses=gives(shapes.Payment))
async def settle(request: Request, actor: CurrentActor, payment: str) -> Answer:
    """Say how a payment ended of which no gateway tells it any more, or of which it tells otherwise than was said by hand."""
    actor.require_operator()
    ctx, done, evidence = await _said(request, SettlementBody)
    return Answer(shown(await settle_payment(ctx, actor, payment, succeeded=done, evidence=evidence)))


@router.post("/refunds/{refund}/settlement", openapi_extra=_SETTLEMENT, responses=gives(shapes.Refund))
async def settle_back(request: Request, actor: CurrentActor, refund: str) -> Answer:
    """Say how a refund ended of which no gateway tells it any more, or write off one that the books did not allow."""
    actor.require_operator()
    ctx, done, evidence = await _said(request, SettlementBody)
    return Answer(shown_refund(await settle_refund(ctx, actor, refund, succeeded=done, evidence=evidence)))


@router.post(
    "/chargebacks/{chargeback}/settlement",
    openapi_extra=takes(DecisionBody, required=True),
    responses=gives(shapes.Chargeback),
)
async def decide(request: Request, actor: CurrentActor, chargeback: str) -> Answer:
    """Say how a bank decided about a chargeback of which no gateway tells it any more."""
    actor.require_operator()
    ctx, won, evidence = await _said(request, DecisionBody)
    return Answer(shown_chargeback(await settle_chargeback(ctx, actor, chargeback, won=won, evidence=evidence)))
