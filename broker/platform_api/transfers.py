"""Giving apps and add-ons to somebody else.

Source: the app transfers of the public Platform API; those of add-ons are our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from fastapi import APIRouter, Request

from broker.addons import transfer as addon_transfers
from broker.addons.handover import accept_app_transfer
from broker.addons.offered import OfferedPlan, offered_plans
from broker.addons.resolve import AddonKey
from broker.addons.transfer import AddonTransferView
from broker.apps import transfers
from broker.apps.offers import TransferState
from broker.apps.transfers import TransferView
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.faces.serialize import ref
from broker.kernel.clock import rfc3339
from broker.kernel.errors import InvalidParams
from broker.platform_api import serialize, shapes, term_shapes
from broker.platform_api.bodies import Named, Text, Truth
from broker.platform_api.collaborators import Person
from broker.platform_api.deps import Body, CurrentActor, RulingActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes
from broker.platform_api.offered import offered_shapes

router = APIRouter(tags=["transfers"], responses=REFUSED)

_STATES: Final[dict[TransferState, Literal["pending", "accepted", "declined"]]] = {
    TransferState.PENDING: "pending",
    TransferState.ACCEPTED: "accepted",
    TransferState.DECLINED: "declined",
    TransferState.WITHDRAWN: "declined",
}
"""In the words of the public API, which has three."""


class OfferAppBody(Body):
    """Which app is offered to whom. Nobody is told by mail, so `silent` changes nothing."""

    app: Named
    recipient: Person
    silent: Truth | None = None


class DecideBody(Body):
    """`accepted` or `declined`; an add-on that is accepted needs the app that it is to be billed to."""

    state: Text
    app: Named | None = None


class TransferAddonBody(Body):
    """Either an `app` of one's own, at once, or a `recipient`, who has to accept."""

    app: Named | None = None
    recipient: Person | None = None


def _app_transfer(view: TransferView, plans: Sequence[OfferedPlan] = ()) -> term_shapes.AppTransfer:
    return {
        "id": str(view.id),
        "app": ref(view.app_id, view.app_name),
        "owner": {"id": str(view.sender_id), "email": view.sender_email},
        "recipient": {"id": str(view.recipient_id), "email": view.recipient_email},
        "state": _STATES[view.state],
        "plans": offered_shapes(plans),
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
    }


def _addon_transfer(view: AddonTransferView, plans: Sequence[OfferedPlan] = ()) -> term_shapes.AddonTransfer:
    return {
        "id": str(view.id),
        "addon": ref(view.addon_id, view.addon_name),
        "app": ref(view.app_id, view.app_name),
        "to_app": None if view.to_app_id is None else str(view.to_app_id),
        "owner": {"id": str(view.sender_id), "email": view.sender_email},
        "recipient": {"id": str(view.recipient_id), "email": view.recipient_email},
        "state": _STATES[view.state],
        "plans": offered_shapes(plans),
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
    }


@router.get("/account/app-transfers", responses=gives(shapes.AppTransfer, many=True))
async def list_(request: Request, actor: RulingActor) -> Answer:
    """The apps that the account offered or was offered, newest first."""
    ctx = face_of(request).ctx
    views = await transfers.list_transfers(ctx, actor)
    plans = await offered_plans(ctx, views)
    return page(request, [_app_transfer(view, plans.get(view.id, ())) for view in views])


@router.post(
    "/account/app-transfers",
    status_code=201,
    openapi_extra=takes(OfferAppBody, required=True),
    responses=gives(shapes.AppTransfer, 201),
)
async def offer(request: Request, actor: CurrentActor) -> Answer:
    """Offer an app to somebody who has an account. Nothing changes until they accept."""
    body = await read(request, OfferAppBody)
    return Answer(_app_transfer(await transfers.offer_app(face_of(request).ctx, actor, body.app, body.recipient)), 201)


@router.get("/account/app-transfers/{app_transfer}", responses=gives(shapes.AppTransfer))
async def info(request: Request, actor: RulingActor, app_transfer: str) -> Answer:
    """One of them by its id; the pending one also by the app's name."""
    ctx = face_of(request).ctx
    view = await transfers.get_transfer(ctx, actor, app_transfer)
    return Answer(_app_transfer(view, (await offered_plans(ctx, [view])).get(view.id, ())))


@router.patch(
    "/account/app-transfers/{app_transfer}",
    openapi_extra=takes(DecideBody, required=True),
    responses=gives(shapes.AppTransfer),
)
async def decide(request: Request, actor: RulingActor, app_transfer: str) -> Answer:
    """Accept or decline an app. From that instant on its new owner pays, and its former owner sees nothing of it."""
    ctx, body = face_of(request).ctx, await read(request, DecideBody)
    if _is_accepted(body.state):
        return Answer(_app_transfer(await accept_app_transfer(ctx, actor, app_transfer)))
    return Answer(_app_transfer(await transfers.decline_app(ctx, actor, app_transfer)))


@router.delete("/account/app-transfers/{app_transfer}", responses=gives(shapes.AppTransfer))
async def withdraw(request: Request, actor: RulingActor, app_transfer: str) -> Answer:
    """Take an offer back, or decline it."""
    return Answer(_app_transfer(await transfers.decline_app(face_of(request).ctx, actor, app_transfer)))


def _is_accepted(state: str) -> bool:
    if state not in ("accepted", "declined"):
        raise InvalidParams("state: must be accepted or declined.")
    return state == "accepted"


@router.post(
    "/addons/{addon}/actions/transfer",
    openapi_extra=takes(TransferAddonBody, required=True),
    responses=gives(shapes.Addon) | gives(shapes.AddonTransfer, 201),
)
async def transfer_addon(request: Request, actor: CurrentActor, addon: str) -> Answer:
    """Bill an add-on to another app of one's own from now on (200, the add-on), or offer it to somebody (201, the offer)."""
    face, body = face_of(request), await read(request, TransferAddonBody)
    if (body.app is None) == (body.recipient is None):
        raise InvalidParams("app: is required, or `recipient`, and not both.")
    if body.app is not None:
        view = await addon_transfers.move_addon(face.ctx, actor, AddonKey(addon), body.app)
        return Answer(serialize.addon(view, serialize.seer(face, actor)))
    offered = await addon_transfers.offer_addon(face.ctx, actor, AddonKey(addon), body.recipient or "")
    return Answer(_addon_transfer(offered), 201)


@router.get("/account/addon-transfers", responses=gives(shapes.AddonTransfer, many=True))
async def list_of_addons(request: Request, actor: RulingActor) -> Answer:
    """The add-ons that the account offered or was offered, newest first."""
    ctx = face_of(request).ctx
    views = await addon_transfers.list_addon_transfers(ctx, actor)
    plans = await offered_plans(ctx, views)
    return page(request, [_addon_transfer(view, plans.get(view.id, ())) for view in views])


@router.patch(
    "/account/addon-transfers/{addon_transfer}",
    openapi_extra=takes(DecideBody, required=True),
    responses=gives(shapes.AddonTransfer),
)
async def decide_addon(request: Request, actor: RulingActor, addon_transfer: str) -> Answer:
    """Accept an add-on for an `app` of one's own, or decline it. By its id, or the name of the add-on while it is pending."""
    ctx, body = face_of(request).ctx, await read(request, DecideBody)
    if not _is_accepted(body.state):
        return Answer(_addon_transfer(await addon_transfers.decline_addon(ctx, actor, addon_transfer)))
    if body.app is None:
        raise InvalidParams("app: is required: which of your apps is it to be billed to?")
    return Answer(_addon_transfer(await addon_transfers.accept_addon(ctx, actor, addon_transfer, body.app)))
