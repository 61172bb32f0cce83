"""Runs of reconcile: for operators. To others these endpoints do not exist."""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter, Request

from broker.addons.reconcile_runs import RunView, get_run, list_runs, start_run
from broker.faces.answers import Answer
from broker.kernel.clock import rfc3339
from broker.platform_api import operating_shapes, serialize
from broker.platform_api.bodies import Text, Truth
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(tags=["operating"], responses=REFUSED)


class ReconcileBody(Body):
    """Which service, or all; and whether to mend what is safe to mend."""

    service: Text | None = None
    fix: Truth | None = None


def run(view: RunView) -> operating_shapes.ReconcileRun:
    """A run in the shape of this face."""
    return {
        "id": str(view.id),
        "state": view.state,
        "service": view.service,
        "fix": view.fix,
        "requested_by": view.requested_by,
        "created_at": rfc3339(view.created_at),
        "finished_at": serialize.maybe(view.finished_at),
        "report": cast("operating_shapes.DriftReport | None", view.report),
    }


@router.post(
    "/reconcile-runs", status_code=201, openapi_extra=takes(ReconcileBody), responses=gives(operating_shapes.ReconcileRun, 201)
)  # fmt: skip
async def start(request: Request, actor: CurrentActor) -> Answer:
    """Have a worker compare what we believe, what providers list and what is billed. It may go on when this answers."""
    actor.require_operator()
    face, body = face_of(request), await read(request, ReconcileBody)
    view = await start_run(face.ctx, actor, service=body.service, fix=bool(body.fix), wait=face.operation_wait)
    return Answer(run(view), 201)


@router.get("/reconcile-runs", responses=gives(list[operating_shapes.ReconcileRun]))
async def list_(request: Request, actor: CurrentActor) -> Answer:
    """The newest runs, those that are made every hour among them."""
    return Answer([run(view) for view in await list_runs(face_of(request).ctx, actor)])


@router.get("/reconcile-runs/{run_id}", responses=gives(operating_shapes.ReconcileRun))
async def info(request: Request, actor: CurrentActor, run_id: str) -> Answer:
    """One run, with its report once it is finished."""
    return Answer(run(await get_run(face_of(request).ctx, actor, run_id)))
