"""Who pays for apps in their owners' place."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request

from broker.addons.handover import agree_to_pay, stop_paying
from broker.addons.offered import OfferedPlan, offered_plans
from broker.apps import payers
from broker.apps.payers import PayerView
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.faces.serialize import maybe, ref
from broker.kernel.clock import rfc3339
from broker.platform_api import shapes, term_shapes
from broker.platform_api.collaborators import Person
from broker.platform_api.deps import Body, CurrentActor, PayingActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes
from broker.platform_api.offered import offered_shapes

router = APIRouter(tags=["payers"], responses=REFUSED)


class AskPayerBody(Body):
    """Who is to pay."""

    payer: Person


def _payer(view: PayerView, plans: Sequence[OfferedPlan] = ()) -> term_shapes.Payer:
    return {
        "id": str(view.id),
        "app": ref(view.app_id, view.app_name),
        "owner": {"id": str(view.owner_id), "email": view.owner_email},
        "payer": {"id": str(view.payer_id), "email": view.payer_email},
        "state": view.state.value,
        "plans": offered_shapes(plans),
        "created_at": rfc3339(view.created_at),
        "accepted_at": maybe(view.accepted_at),
        "ended_at": maybe(view.ended_at),
    }


@router.put(
    "/apps/{app}/payer",
    status_code=201,
    openapi_extra=takes(AskPayerBody, required=True),
    responses=gives(shapes.Payer, 201),
)
async def ask(request: Request, actor: CurrentActor, app: str) -> Answer:
    """Ask somebody to pay for the app. They have to agree; until then its owner pays."""
    body = await read(request, AskPayerBody)
    return Answer(_payer(await payers.ask_payer(face_of(request).ctx, actor, app, body.payer)), 201)


@router.get("/apps/{app}/payer", responses=gives(shapes.Payer))
async def info_of_app(request: Request, actor: CurrentActor, app: str) -> Answer:
    """Who pays in the owner's place, or was asked to; 404 while it is the owner."""
    return Answer(_payer(await payers.payer_of_app(face_of(request).ctx, actor, app)))


@router.get("/account/payers", responses=gives(shapes.Payer, many=True))
async def list_(request: Request, actor: PayingActor) -> Answer:
    """Whom the account asked to pay, and what it was asked to pay for; newest first."""
    ctx = face_of(request).ctx
    views = await payers.list_payers(ctx, actor)
    plans = await offered_plans(ctx, views)
    return page(request, [_payer(view, plans.get(view.id, ())) for view in views])


@router.get("/account/payers/{payer}", responses=gives(shapes.Payer))
async def info(request: Request, actor: PayingActor, payer: str) -> Answer:
    """One of them by its id; what stands, also by the app's name."""
    ctx = face_of(request).ctx
    view = await payers.get_payer(ctx, actor, payer)
    return Answer(_payer(view, (await offered_plans(ctx, [view])).get(view.id, ())))


@router.post("/account/payers/{payer}/actions/accept", responses=gives(shapes.Payer))
async def accept(request: Request, actor: PayingActor, payer: str) -> Answer:
    """Agree to pay, from this instant on."""
    return Answer(_payer(await agree_to_pay(face_of(request).ctx, actor, payer)))


@router.post("/account/payers/{payer}/actions/decline", responses=gives(shapes.Payer))
async def decline(request: Request, actor: PayingActor, payer: str) -> Answer:
    """Say no."""
    return Answer(_payer(await payers.decline_payer(face_of(request).ctx, actor, payer)))


@router.post("/account/payers/{payer}/actions/end", responses=gives(shapes.Payer))
async def end(request: Request, actor: PayingActor, payer: str) -> Answer:
    """End it, as the owner or as whoever pays: from this instant on the owner pays. What is pending is taken back."""
    return Answer(_payer(await stop_paying(face_of(request).ctx, actor, payer)))
