"""Opening dashboards: the form for a browser, and links that lead further in than `web_url`."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request

from broker.addons.opening import check_visit, visit_meant
from broker.addons.sso import sign_on
from broker.faces.answers import Answer
from broker.platform_api import shapes
from broker.platform_api.bodies import Named, Text
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(tags=["add-ons"], responses=REFUSED)
_NO_APP: Final = "undefined"
"""What the Heroku CLI says when it was given none. Somebody's app may have this name; its add-ons are found without it."""


class OpenBody(Body):
    """From which app, and where in the dashboard: the manifest says which paths there are."""

    app: Named | None = None
    path: Text | None = None


@router.get("/apps/{app}/addons/{addon}/sso", responses=gives(shapes.SignOnForm))
async def form(request: Request, actor: CurrentActor, app: str, addon: str, path: str = "") -> Answer:
    """What signs the user on at the provider of an add-on, for a browser to send at once.

    Source: the Heroku CLI's `addons:open` with HEROKU_SUDO; it asks with `version=3.sdk`.
    """
    face = face_of(request)
    visit = await visit_meant(face.ctx, actor, addon, None if app == _NO_APP else app, path)
    signed = await sign_on(face.ctx, visit, face.public_url)
    body = {"method": signed.method, "action": signed.action, "params": dict(signed.params)}
    return Answer(body, headers={"Cache-Control": "no-store"})


@router.post("/addons/{addon}/actions/open", openapi_extra=takes(OpenBody), responses=gives(shapes.DashboardLink))
async def open_(request: Request, actor: CurrentActor, addon: str) -> Answer:
    """A link into the dashboard of an add-on, for a few minutes. Outside the public schema."""
    face, body = face_of(request), await read(request, OpenBody)
    visit = await visit_meant(face.ctx, actor, addon, body.app, body.path or "")
    await check_visit(face.ctx, visit)
    url = face.sign_on_url(actor, visit.addon_id, visit.app_id, visit.path)
    return Answer({"url": url}, headers={"Cache-Control": "no-store"})
