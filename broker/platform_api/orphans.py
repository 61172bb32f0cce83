"""The orphan ledger, and forgetting an add-on: for operators. To others these endpoints do not exist."""

from __future__ import annotations

from fastapi import APIRouter, Request

from broker.addons.forget import forget_addon
from broker.addons.orphans import OrphanView, get_orphan, read_orphans, resolve_orphan, retry_orphan
from broker.faces.answers import Answer
from broker.faces.ranges import newest_of, sliced
from broker.kernel.clock import rfc3339
from broker.platform_api import operating_shapes, serialize, shapes
from broker.platform_api.bodies import Text
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(tags=["operating"], responses=REFUSED)


class ReasonBody(Body):
    """Why an operator decides so."""

    reason: Text


def orphan(view: OrphanView) -> operating_shapes.Orphan:
    """A row of the ledger in the shape of this face."""
    return {
        "id": str(view.id),
        "provider": view.provider,
        "service": view.service,
        "addon_id": str(view.addon_id),
        "addon": view.addon_name,
        "app": view.app_name,
        "ownership": view.ownership,
        "resource_id": view.resource_id,
        "plan": view.plan,
        "price_cents": view.price_cents,
        "currency": view.currency,
        "reason": view.reason,
        "since": rfc3339(view.since),
        "state": view.state,
        "attempts": view.attempts,
        "next_attempt_at": serialize.maybe(view.next_attempt_at),
        "last_answer": view.last_answer,
        "history": [dict(entry) for entry in view.history],
        "updated_at": rfc3339(view.updated_at),
    }


@router.get("/orphans", responses=gives(operating_shapes.Orphan, many=True))
async def list_(request: Request, actor: CurrentActor, state: str | None = None) -> Answer:
    """The orphan ledger, the newest first; `state` is open, deleted or resolved."""
    wanted, part = newest_of(request)
    found = await read_orphans(face_of(request).ctx, actor, state, part)
    return sliced([orphan(view) for view in found], wanted, "id")


@router.get("/orphans/{orphan_id}", responses=gives(operating_shapes.Orphan))
async def info(request: Request, actor: CurrentActor, orphan_id: str) -> Answer:
    """One row of the ledger."""
    return Answer(orphan(await get_orphan(face_of(request).ctx, actor, orphan_id)))


@router.post("/orphans/{orphan_id}/actions/retry", responses=gives(operating_shapes.Orphan))
async def retry(request: Request, actor: CurrentActor, orphan_id: str) -> Answer:
    """Try now to delete it, instead of at its time."""
    return Answer(orphan(await retry_orphan(face_of(request).ctx, actor, orphan_id)))


@router.post(
    "/orphans/{orphan_id}/actions/resolve",
    openapi_extra=takes(ReasonBody, required=True),
    responses=gives(operating_shapes.Orphan),
)
async def resolve(request: Request, actor: CurrentActor, orphan_id: str) -> Answer:
    """Close it by decision, with the reason: the broker tries no more."""
    actor.require_operator()
    body = await read(request, ReasonBody)
    return Answer(orphan(await resolve_orphan(face_of(request).ctx, actor, orphan_id, body.reason)))


@router.post(
    "/addons/{addon}/actions/forget", openapi_extra=takes(ReasonBody, required=True), responses=gives(shapes.Addon)
)
async def forget(request: Request, actor: CurrentActor, addon: str) -> Answer:
    """End an add-on here without its provider. What may be left there goes to the orphan ledger."""
    actor.require_operator()
    face, body = face_of(request), await read(request, ReasonBody)
    view = await forget_addon(face.ctx, actor, addon, body.reason)
    return Answer(serialize.addon(view, serialize.seer(face, actor)))
