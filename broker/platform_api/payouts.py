"""What partners earn: statements, balance, payouts and agreed shares of a service; and for operators, paying them.

To others than operators, what is below `/billing` does not exist.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, Field, StrictInt
from starlette.responses import Response

from broker.faces.answers import Answer
from broker.faces.csv_stream import as_csv
from broker.faces.ranges import newest_of, page, sliced
from broker.kernel.clock import rfc3339
from broker.kernel.errors import InvalidParams
from broker.payouts.accrual import AccrualView, list_accruals
from broker.payouts.agreements import AgreementView, agree_share, list_agreements
from broker.payouts.balances import BalanceView, list_balances
from broker.payouts.draft import draft_payouts
from broker.payouts.models import PayoutState
from broker.payouts.move import approve_payouts, fail_payout, mark_paid
from broker.payouts.payouts import PayoutView, every_payout, export_payouts, list_payouts
from broker.payouts.statements import DayView, list_statements
from broker.platform_api import payout_shapes, serialize
from broker.platform_api.bodies import Text
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(responses=REFUSED)

_OWN = "/provider-services/{service}"
_PAYOUTS = "/billing/payouts"


class ShareBody(Body):
    """The partner's share in hundredths of a percent, and from when on: from now, if it is not said."""

    share_bp: StrictInt
    starts_at: Annotated[AwareDatetime | None, Field(strict=False)] = None


class ApproveBody(Body):
    """Which drafts; without any, all of them."""

    payouts: Annotated[list[Text], Field(max_length=1000)] = Field(default_factory=list)


class PaidBody(Body):
    """Under which reference the bank knows the transfer."""

    reference: Text = ""


class FailedBody(Body):
    """Why; the partner sees it."""

    reason: Text


@router.get(_OWN + "/statements", tags=["partners"], responses=gives(payout_shapes.PartnerStatement, many=True))
async def statements(
    request: Request, actor: CurrentActor, service: str, since: str | None = None, until: str | None = None
) -> Answer:
    """What each day brought, the newest first; between `since` and `until` such as 2026-11-30, usually the last 30 days."""
    days = await list_statements(face_of(request).ctx, actor, service, _day("since", since), _day("until", until))
    return page(request, [_statement(view) for view in days])


@router.get(_OWN + "/balances", tags=["partners"], responses=gives(payout_shapes.PartnerBalance, many=True))
async def balances(request: Request, actor: CurrentActor, service: str) -> Answer:
    """What the partner is owed by now, by currency."""
    return page(request, [_balance(view) for view in await list_balances(face_of(request).ctx, actor, service)])


@router.get(_OWN + "/accruals", tags=["partners"], responses=gives(payout_shapes.PartnerAccrual, many=True))
async def accruals(request: Request, actor: CurrentActor, service: str) -> Answer:
    """What will come if customers pay: of what is billed, and of months that are not closed, live and by their end."""
    return page(request, [_accrual(view) for view in await list_accruals(face_of(request).ctx, actor, service)])


@router.get(_OWN + "/payouts", tags=["partners"], responses=gives(payout_shapes.Payout, many=True))
async def payouts(request: Request, actor: CurrentActor, service: str) -> Answer:
    """The payouts of a service, the newest first."""
    return page(request, [_payout(view) for view in await list_payouts(face_of(request).ctx, actor, service)])


@router.get(_OWN + "/shares", tags=["partners"], responses=gives(payout_shapes.ShareAgreement, many=True))
async def shares(request: Request, actor: CurrentActor, service: str) -> Answer:
    """The shares that were agreed for a service, the newest first; without any it is the usual one."""
    return page(request, [_agreement(view) for view in await list_agreements(face_of(request).ctx, actor, service)])


@router.post(
    _OWN + "/shares",
    status_code=201,
    tags=["operating"],
    openapi_extra=takes(ShareBody, required=True),
    responses=gives(payout_shapes.ShareAgreement, 201),
)
async def agree(request: Request, actor: CurrentActor, service: str) -> Answer:
    """Agree on another share of a service from an instant on (operators)."""
    actor.require_operator()
    body = await read(request, ShareBody)
    made = await agree_share(face_of(request).ctx, actor, service, body.share_bp, body.starts_at)
    return Answer(_agreement(made), 201)


@router.get(_PAYOUTS, tags=["operating"], responses=gives(payout_shapes.Payout, many=True))
async def every(request: Request, actor: CurrentActor, state: str | None = None) -> Answer:
    """The payouts of all services, the newest first; `state` is draft, approved, paid or failed."""
    actor.require_operator()
    (wanted, part), chosen = newest_of(request), None if state is None else _state(state)
    found = await every_payout(face_of(request).ctx, actor, chosen, part)
    return sliced([_payout(view) for view in found], wanted, "id")


@router.get(_PAYOUTS + "/export", tags=["operating"], responses={200: {"content": {"text/csv": {}}}})
async def export(request: Request, actor: CurrentActor, state: str = PayoutState.APPROVED) -> Response:
    """Payouts as CSV, for whoever transfers them: the approved ones, or those in another `state`."""
    actor.require_operator()
    return as_csv(export_payouts(face_of(request).ctx, actor, _state(state)))


@router.post(_PAYOUTS, tags=["operating"], responses=gives(payout_shapes.PayoutRun))
async def run(request: Request, actor: CurrentActor) -> Answer:
    """Draft what can be paid out now, once a day for each service and currency. It may be interrupted and repeated."""
    drafted = await draft_payouts(face_of(request).ctx, actor)
    return Answer(
        {
            "payouts": [_payout(view) for view in drafted.payouts],
            "left": [_balance(view) for view in drafted.left],
            "unowned": [_balance(view) for view in drafted.unowned],
        }
    )


@router.post(
    _PAYOUTS + "/actions/approve",
    tags=["operating"],
    openapi_extra=takes(ApproveBody),
    responses=gives(payout_shapes.Payout, many=True),
)
async def approve(request: Request, actor: CurrentActor) -> Answer:
    """Let drafts be paid: those that are named, or all."""
    actor.require_operator()
    body = await read(request, ApproveBody)
    return Answer([_payout(view) for view in await approve_payouts(face_of(request).ctx, actor, body.payouts)])


@router.post(
    _PAYOUTS + "/{payout}/actions/mark-paid",
    tags=["operating"],
    openapi_extra=takes(PaidBody),
    responses=gives(payout_shapes.Payout),
)
async def paid(request: Request, actor: CurrentActor, payout: str) -> Answer:
    """Say that an approved payout was transferred."""
    actor.require_operator()
    body = await read(request, PaidBody)
    return Answer(_payout(await mark_paid(face_of(request).ctx, actor, payout, body.reference)))


@router.post(
    _PAYOUTS + "/{payout}/actions/fail",
    tags=["operating"],
    openapi_extra=takes(FailedBody, required=True),
    responses=gives(payout_shapes.Payout),
)
async def fail(request: Request, actor: CurrentActor, payout: str) -> Answer:
    """Take a payout back, also one that came back from the bank: its amount is in the balance again."""
    actor.require_operator()
    body = await read(request, FailedBody)
    return Answer(_payout(await fail_payout(face_of(request).ctx, actor, payout, body.reason)))


def _day(name: str, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise InvalidParams(f"{name}: must be a day such as 2026-11-30.") from None


def _state(name: str) -> PayoutState:
    if name not in set(PayoutState):
        raise InvalidParams(f"state: must be one of {', '.join(PayoutState)}.")
    return PayoutState(name)


def _statement(view: DayView) -> payout_shapes.PartnerStatement:
    return {
        "day": view.day.isoformat(),
        "currency": view.currency,
        "gross_minor": view.gross_minor,
        "refunded_minor": view.refunded_minor,
        "tax_minor": view.tax_minor,
        "base_minor": view.base_minor,
        "commission_minor": view.commission_minor,
        "earned_minor": view.earned_minor,
        "clawed_back_minor": view.clawed_back_minor,
        "paid_out_minor": view.paid_out_minor,
        "balance_minor": view.balance_minor,
    }


def _balance(view: BalanceView) -> payout_shapes.PartnerBalance:
    return {
        "service": view.service,
        "currency": view.currency,
        "balance_minor": view.balance_minor,
        "held_minor": view.held_minor,
        "reserved_minor": view.reserved_minor,
        "available_minor": view.available_minor,
        "minimum_minor": view.minimum_minor,
        "payable_minor": view.payable_minor,
        "on_its_way_minor": view.on_its_way_minor,
        "paid_minor": view.paid_minor,
    }


def _accrual(view: AccrualView) -> payout_shapes.PartnerAccrual:
    return {
        "month": view.month or None,
        "currency": view.currency,
        "share_minor": view.share_minor,
        "forecast_minor": view.forecast_minor,
    }


def _payout(view: PayoutView) -> payout_shapes.Payout:
    return {
        "id": str(view.id),
        "service": view.service,
        "currency": view.currency,
        "day": view.day,
        "amount_minor": view.minor,
        "state": view.state,
        "reference": view.reference,
        "reason": view.reason,
        "earned_until": rfc3339(view.earned_until),
        "created_at": rfc3339(view.created_at),
        "approved_at": serialize.maybe(view.approved_at),
        "finished_at": serialize.maybe(view.finished_at),
    }


def _agreement(view: AgreementView) -> payout_shapes.ShareAgreement:
    return {
        "service": view.service,
        "share_bp": view.share_bp,
        "starts_at": rfc3339(view.starts_at),
        "created_at": rfc3339(view.created_at),
    }
