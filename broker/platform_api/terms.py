"""What is going to change about add-ons: the ends of trials, scheduled plan changes."""

from __future__ import annotations

from fastapi import APIRouter, Request

from broker.addons.resolve import AddonKey
from broker.addons.scheduled_changes import schedule_plan_change, unschedule_plan_change
from broker.addons.schedules import Scheduled
from broker.addons.terms import terms_of
from broker.addons.trial_ends import accept_trial_end, refuse_trial_end
from broker.addons.trial_views import TrialView, list_trials
from broker.faces.answers import Answer
from broker.faces.ranges import page
from broker.faces.serialize import maybe, ref
from broker.kernel.clock import rfc3339
from broker.platform_api import shapes, term_shapes
from broker.platform_api.bodies import Named
from broker.platform_api.deps import Body, CurrentActor, PayingActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(tags=["terms"], responses=REFUSED)


class SchedulePlanBody(Body):
    """The plan that the add-on is to have from the end of the month on."""

    plan: Named


def _trial(view: TrialView) -> term_shapes.Trial:
    return {
        "addon_service": view.service,
        "addon": None if view.addon_id is None else ref(view.addon_id, view.addon_name or ""),
        "app": None if view.app_id is None else ref(view.app_id, view.app_name or ""),
        "plan": view.plan,
        "price_cents": view.price_cents,
        "currency": view.currency,
        "started_at": maybe(view.started_at),
        "ends_at": maybe(view.ends_at),
        "accepted_at": maybe(view.accepted_at),
        "outcome": view.outcome,
    }


def _scheduled(found: Scheduled) -> term_shapes.ScheduledPlanChange:
    return {"plan": found.plan, "effective_at": rfc3339(found.effective_at), "asked_by": found.actor_email}


@router.get("/account/trials", responses=gives(shapes.Trial, many=True))
async def trials(request: Request, actor: PayingActor) -> Answer:
    """The trials that the account has or had, one per service."""
    return page(request, [_trial(view) for view in await list_trials(face_of(request).ctx, actor)])


@router.get("/addons/{addon}/terms", responses=gives(shapes.AddonTerms))
async def terms(request: Request, actor: CurrentActor, addon: str) -> Answer:
    """Who pays for an add-on, and what is going to change: its trial, its plan."""
    found = await terms_of(face_of(request).ctx, actor, AddonKey(addon))
    shown: term_shapes.AddonTerms = {
        "payer": {"id": str(found.payer_id), "email": found.payer_email},
        "trial": None if found.trial is None else _trial(found.trial),
        "scheduled_plan_change": None if found.scheduled is None else _scheduled(found.scheduled),
    }
    return Answer(shown)


@router.post("/addons/{addon}/actions/accept-trial-end", responses=gives(shapes.Trial))
async def accept(request: Request, actor: CurrentActor, addon: str) -> Answer:
    """Agree to pay from the end of the trial on; from now on, if it is over. Otherwise the add-on is suspended then."""
    return Answer(_trial(await accept_trial_end(face_of(request).ctx, actor, AddonKey(addon))))


@router.post("/addons/{addon}/actions/refuse-trial-end", responses=gives(shapes.Trial))
async def refuse(request: Request, actor: CurrentActor, addon: str) -> Answer:
    """Take that back: the add-on is suspended when its trial ends, and costs nothing."""
    return Answer(_trial(await refuse_trial_end(face_of(request).ctx, actor, AddonKey(addon))))


@router.put(
    "/addons/{addon}/scheduled-plan-change",
    openapi_extra=takes(SchedulePlanBody, required=True),
    responses=gives(shapes.ScheduledPlanChange),
)
async def schedule(request: Request, actor: CurrentActor, addon: str) -> Answer:
    """Change the plan at the end of the month. At most one change is scheduled: this one takes the place of another."""
    body = await read(request, SchedulePlanBody)
    return Answer(_scheduled(await schedule_plan_change(face_of(request).ctx, actor, AddonKey(addon), body.plan)))


@router.delete("/addons/{addon}/scheduled-plan-change", responses=gives(shapes.ScheduledPlanChange))
async def unschedule(request: Request, actor: CurrentActor, addon: str) -> Answer:
    """Forget the scheduled change. Changing the plan at once forgets it, too."""
    return Answer(_scheduled(await unschedule_plan_change(face_of(request).ctx, actor, AddonKey(addon))))
