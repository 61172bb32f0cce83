"""What a change of add-ons or attachments would do. An endpoint of its own: a broker that has none does nothing by mistake."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field

from broker.addons import previews
from broker.addons.attach import AttachAddon
from broker.addons.create import CreateAddon
from broker.addons.preview_views import Action, PreviewView
from broker.addons.resolve import AddonKey
from broker.faces.answers import Answer
from broker.kernel.context import Actor, Context
from broker.kernel.errors import InvalidParams
from broker.platform_api import budget_shapes, shapes
from broker.platform_api.addons import Option
from broker.platform_api.bodies import AddonName, AttachmentName, Named, Text, Truth
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(tags=["add-ons"], responses=REFUSED)


class PreviewBody(Body):
    """A change as it would be asked for: `create` (app, plan), `change_plan` (addon, plan), `destroy` (addon), `attach` (addon,
    app), `move` (addon, app) or `detach` (attachment, by id). `attachment` is otherwise the name of the one to be made."""

    action: Text
    app: Named | None = None
    plan: Named | None = None
    addon: Named | None = None
    name: AddonName | None = None
    attachment: AttachmentName | None = None
    config: Annotated[dict[Text, Option], Field(max_length=100)] | None = None
    confirm: Text | None = None
    force: Truth | None = None
    namespace: Text | None = None


def _needed(body: PreviewBody, name: str) -> str:
    value: str | None = getattr(body, name)
    if value is None:
        raise InvalidParams(f"{name}: is required for the action {body.action}.")
    return value


def _action(text: str) -> Action:
    try:
        return Action(text)
    except ValueError:
        raise InvalidParams(f"action: must be one of {', '.join(Action)}.") from None


async def _preview(ctx: Context, actor: Actor, body: PreviewBody) -> PreviewView:
    match _action(body.action):
        case Action.CREATE:
            app, plan = _needed(body, "app"), _needed(body, "plan")
            wanted = CreateAddon(app, plan, body.name, body.attachment, body.confirm, body.config or {})
            return await previews.preview_creation(ctx, actor, wanted)
        case Action.CHANGE_PLAN:
            key = AddonKey(_needed(body, "addon"), body.app)
            return await previews.preview_plan_change(ctx, actor, key, _needed(body, "plan"))
        case Action.DESTROY:
            key = AddonKey(_needed(body, "addon"), body.app)
            return await previews.preview_removal(ctx, actor, key, force=bool(body.force))
        case Action.ATTACH:
            addon, app = AddonKey(_needed(body, "addon")), _needed(body, "app")
            attaching = AttachAddon(addon, app, body.attachment, body.confirm, body.namespace)
            return await previews.preview_attachment(ctx, actor, attaching)
        case Action.MOVE:
            return await previews.preview_move(ctx, actor, AddonKey(_needed(body, "addon")), _needed(body, "app"))
        case Action.DETACH:
            return await previews.preview_detachment(ctx, actor, _needed(body, "attachment"))


def _shape(view: PreviewView) -> budget_shapes.Preview:
    return {
        "action": view.action,
        "addon": view.addon,
        "plan": view.plan,
        "cost": _cost(view),
        "apps": [
            {
                "name": app.app_name,
                "release": app.release,
                "added": list(app.added),
                "changed": list(app.changed),
                "removed": list(app.removed),
                "may_change": list(app.may_change),
            }
            for app in view.apps
        ],
        "reversible": view.is_reversible,
        "reversibility": view.reversibility,
        "obstacles": [{"id": obstacle.id, "message": obstacle.message} for obstacle in view.obstacles],
    }


def _cost(view: PreviewView) -> budget_shapes.PreviewCost | None:
    cost = view.cost
    if cost is None:
        return None
    return {
        "currency": cost.currency,
        "monthly_before_minor": cost.monthly_before_minor,
        "monthly_after_minor": cost.monthly_after_minor,
        "month": cost.month,
        "month_delta_minor": cost.month_delta_minor,
        "metered": cost.metered,
    }


@router.post(
    "/actions/addons/preview", openapi_extra=takes(PreviewBody, required=True), responses=gives(shapes.Preview)
)
async def preview(request: Request, actor: CurrentActor) -> Answer:
    """What a change would do, with everything that is in its way; nothing is done, and no provider is asked."""
    body = await read(request, PreviewBody)
    return Answer(_shape(await _preview(face_of(request).ctx, actor, body)))
