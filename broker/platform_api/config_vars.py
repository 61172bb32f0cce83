"""Config vars: the whole environment, and changes to it."""

from __future__ import annotations

from fastapi import APIRouter, Request

from broker.addons.taken import reserved_names
from broker.apps import config_vars as use
from broker.faces.answers import Answer
from broker.kernel.errors import InvalidParams
from broker.platform_api import shapes
from broker.platform_api.deps import CurrentActor, face_of, read_object
from broker.platform_api.describe import REFUSED, gives

router = APIRouter(tags=["config vars"], responses=REFUSED)

_BODY = {
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "description": "Vars to set; null removes one; vars that are not named stay.",
                    "additionalProperties": {"type": ["string", "null"], "maxLength": 65536},
                    "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
                }
            }
        }
    }
}


@router.get("/apps/{app}/config-vars", responses=gives(shapes.ConfigVars))
async def info(request: Request, actor: CurrentActor, app: str) -> Answer:
    """The environment of an app, add-ons' vars included."""
    return Answer(await use.get_config_vars(face_of(request).ctx, actor, app))


@router.patch("/apps/{app}/config-vars", openapi_extra=_BODY, responses=gives(shapes.ConfigVars))
async def update(request: Request, actor: CurrentActor, app: str) -> Answer:
    """Set and remove vars, in one release; the whole environment afterwards."""
    changes = await read_object(request)
    for name, value in changes.items():
        if not isinstance(value, str | None):
            raise InvalidParams(f"{name[:100]}: must be a string, or null to remove it.")
    return Answer(await use.set_config_vars(face_of(request).ctx, actor, app, changes, reserved_names))
