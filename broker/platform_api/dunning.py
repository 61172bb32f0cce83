"""Bills that are not paid: what an account owes and the dates, and what operators do about it. Also: what an operator suspends."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field, StrictInt

from broker.addons.credentials import reveal_credential
from broker.addons.resolve import AddonKey, read_addon
from broker.addons.suspend_unbilled import resume_unbilled, suspend_unbilled
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.kernel.clock import rfc3339
from broker.kernel.errors import InvalidParams
from broker.payments.disputes import DisputeView, dispute, end_dispute
from broker.payments.dunning_views import DelinquentView, UnpaidView, billing_status, list_delinquent
from broker.payments.standing import get_standing
from broker.platform_api import dunning_shapes as shapes
from broker.platform_api import serialize
from broker.platform_api.bodies import Text
from broker.platform_api.deps import Body, CurrentActor, PayingActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(responses=REFUSED)


class DisputeBody(Body):
    """Why it is not collected, and which line; without one, the whole invoice."""

    reason: Text
    line: Annotated[StrictInt, Field(gt=0)] | None = None


class SuspensionBody(Body):
    """One add-on, or all of a service, and why: their users are shown it. Never billed."""

    addon: Text | None = None
    addon_service: Text | None = None
    reason: Text


class ResumptionBody(Body):
    """One add-on, or all of a service."""

    addon: Text | None = None
    addon_service: Text | None = None


@router.get("/account/billing", tags=["invoices"], responses=gives(shapes.BillingStatus))
async def status(request: Request, actor: PayingActor) -> Answer:
    """What the account owes, and what happens when if it does not pay."""
    face = face_of(request)
    view = await billing_status(face.ctx, actor)
    standing = await get_standing(face.ctx, actor.id)
    found: shapes.BillingStatus = {
        "verified": standing.is_verified,
        "delinquent_at": serialize.maybe(standing.delinquent_at),
        "suspended_at": serialize.maybe(standing.suspended_at),
        "scheduled_suspension_time": serialize.maybe(standing.suspends_at),
        "scheduled_deletion_time": serialize.maybe(standing.deletes_at),
        "payment_url": f"{face.public_url}/account/payment",
        "invoices": [_unpaid(each) for each in view.unpaid],
    }
    return Answer(found)


@router.get("/billing/delinquent", tags=["operating"], responses=gives(shapes.DelinquentAccount, many=True))
async def delinquent(request: Request, actor: CurrentActor) -> Answer:
    """The accounts with an invoice that is past due, the longest first (operators)."""
    return page(request, [_account(each) for each in await list_delinquent(face_of(request).ctx, actor)])


@router.post(
    "/billing/invoices/{invoice}/disputes",
    tags=["operating"],
    status_code=201,
    openapi_extra=takes(DisputeBody, required=True),
    responses=gives(shapes.Dispute, 201),
)
async def dispute_invoice(request: Request, actor: CurrentActor, invoice: str) -> Answer:
    """Stop collecting an invoice, or a line of it, until it is decided whether it is right (operators)."""
    actor.require_operator()
    body = await read(request, DisputeBody)
    view = await dispute(face_of(request).ctx, actor, invoice, body.reason, line=body.line)
    return Answer(_dispute(view), 201)


@router.delete("/billing/invoices/{invoice}/disputes", tags=["operating"], responses=gives(shapes.Dispute))
async def end_invoice_dispute(request: Request, actor: CurrentActor, invoice: str, line: str | None = None) -> Answer:
    """Collect it again: the `line`, or all that is disputed of the invoice (operators)."""
    actor.require_operator()
    if line is not None and not (line.isascii() and line.isdecimal() and len(line) < 10):
        raise InvalidParams("line: must be the number of a line, such as 2.")
    view = await end_dispute(face_of(request).ctx, actor, invoice, line=None if line is None else int(line))
    return Answer(_dispute(view))


@router.post(
    "/actions/addons/suspend",
    tags=["operating"],
    openapi_extra=takes(SuspensionBody, required=True),
    responses=gives(shapes.Suspensions),
)
async def suspend(request: Request, actor: CurrentActor) -> Answer:
    """Take add-ons out of use through no fault of their users, unbilled (operators). Repeating it is harmless."""
    actor.require_operator()
    body = await read(request, SuspensionBody)
    count = await suspend_unbilled(
        face_of(request).ctx, actor, body.reason, addon=body.addon, service=body.addon_service
    )
    return Answer({"addons": count})


@router.post(
    "/actions/addons/resume",
    tags=["operating"],
    openapi_extra=takes(ResumptionBody, required=True),
    responses=gives(shapes.Suspensions),
)
async def resume(request: Request, actor: CurrentActor) -> Answer:
    """End such suspensions (operators). Repeating it is harmless."""
    actor.require_operator()
    body = await read(request, ResumptionBody)
    count = await resume_unbilled(face_of(request).ctx, actor, addon=body.addon, service=body.addon_service)
    return Answer({"addons": count})


@router.get("/addons/{addon}/credentials/{name}", tags=["credentials"], responses=gives(shapes.RevealedCredential))
async def reveal(request: Request, actor: CurrentActor, addon: str, name: str) -> Answer:
    """The values of a credential, `default` among them: also while the add-on is suspended, so that its data can be fetched.
    That they were read is recorded."""
    ctx = face_of(request).ctx
    values = await reveal_credential(ctx, actor, AddonKey(addon), name)
    view = await read_addon(ctx, actor, AddonKey(addon))
    deletes_at = (await get_standing(ctx, actor.id)).deletes_at if view.suspended_for == "unpaid" else None
    found: shapes.RevealedCredential = {
        "addon": view.name,
        "name": name,
        "config": {key: value.reveal() for key, value in sorted(values.items())},
        "suspended_at": serialize.maybe(view.suspended_at),
        "deletes_at": serialize.maybe(deletes_at),
    }
    return Answer(found)


def _unpaid(view: UnpaidView) -> shapes.UnpaidInvoice:
    return {
        "id": str(view.id),
        "number": view.number,
        "month": view.month,
        "currency": view.currency,
        "state": view.state,
        "issued_at": serialize.maybe(view.issued_at),
        "owed_minor": view.owed_minor,
        "disputed_minor": view.disputed_minor,
        "paused": view.is_paused,
        "next_try_at": serialize.maybe(view.next_try_at),
        "steps": [{"step": step.name, "due_at": rfc3339(step.due_at)} for step in view.steps],
    }


def _account(view: DelinquentView) -> shapes.DelinquentAccount:
    return {
        "id": str(view.account_id),
        "email": view.email,
        "delinquent_at": rfc3339(view.delinquent_at),
        "suspended_at": serialize.maybe(view.suspended_at),
        "scheduled_suspension_time": serialize.maybe(view.suspends_at),
        "scheduled_deletion_time": serialize.maybe(view.deletes_at),
        "invoices": [_unpaid(each) for each in view.unpaid],
    }


def _dispute(view: DisputeView) -> shapes.Dispute:
    return {
        "invoice": view.number,
        "currency": view.currency,
        "lines": list(view.lines),
        "disputed_minor": view.disputed_minor,
        "collected_minor": view.collected_minor,
    }
