"""Apps for providers, read only: those that the add-on is attached to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field

from broker.addons import partner_views as views
from broker.faces import serialize, shapes
from broker.faces.answers import Answer
from broker.faces.describe import REFUSED, gives, takes
from broker.faces.ranges import page
from broker.faces.reading import Body, checked, read_object
from broker.partner_api.addons import addon_shapes, attachment_shapes
from broker.partner_api.deps import CurrentPartner, ctx_of

router = APIRouter(tags=["apps"], responses=REFUSED)


class Wanted(Body):
    """The ids that are asked for."""

    id: Annotated[list[str], Field(max_length=1000)] | None = None


class FilterBody(Body):
    """Which apps; without ids, all of them."""

    in_: Annotated[Wanted | None, Field(alias="in")] = None


def _public_url(request: Request) -> str:
    url: str = request.app.state.public_url
    return url


@router.get("/apps", responses=gives(shapes.App, many=True))
async def list_(request: Request, partner: CurrentPartner) -> Answer:
    """The apps that the add-on is attached to."""
    found = await views.list_apps(ctx_of(request), partner)
    return page(request, [serialize.app(app, _public_url(request)) for app in found])


@router.post("/filters/apps", openapi_extra=takes(FilterBody), responses=gives(shapes.App, many=True))
async def filter_(request: Request, partner: CurrentPartner) -> Answer:
    """Those of them that have one of the given ids."""
    body = checked(FilterBody, await read_object(request, request.app.state.bounds))
    ids = None if body.in_ is None or body.in_.id is None else set(body.in_.id)
    found = [app for app in await views.list_apps(ctx_of(request), partner) if ids is None or str(app.id) in ids]
    return page(request, [serialize.app(app, _public_url(request)) for app in found])


@router.get("/apps/{app}", responses=gives(shapes.App))
async def info(request: Request, partner: CurrentPartner, app: str) -> Answer:
    """One of them by id or name."""
    return Answer(serialize.app(await views.get_app(ctx_of(request), partner, app), _public_url(request)))


@router.get("/apps/{app}/addons", responses=gives(shapes.Addon, many=True))
async def addons(request: Request, partner: CurrentPartner, app: str) -> Answer:
    """The add-ons of the service on an app."""
    return page(request, addon_shapes(partner, await views.list_addons(ctx_of(request), partner, app)))


@router.get("/apps/{app}/addon-attachments", responses=gives(shapes.Attachment, many=True))
async def attachments(request: Request, partner: CurrentPartner, app: str) -> Answer:
    """The attachments of the service on an app."""
    found = await views.list_attachments(ctx_of(request), partner, app_key=app)
    return page(request, attachment_shapes(partner, found))


@router.get("/apps/{app}/addon-attachments/{attachment}", responses=gives(shapes.Attachment))
async def attachment(request: Request, partner: CurrentPartner, app: str, attachment: str) -> Answer:
    """One of them by name or id."""
    found = await views.get_attachment(ctx_of(request), partner, app, attachment)
    return Answer(attachment_shapes(partner, [found])[0])


@router.get("/apps/{app}/collaborators", responses=gives(shapes.Collaborator, many=True))
async def collaborators(request: Request, partner: CurrentPartner, app: str) -> Answer:
    """Who works on an app."""
    found = await views.list_collaborators(ctx_of(request), partner, app)
    return page(request, [serialize.collaborator(view) for view in found])


@router.get("/apps/{app}/domains", responses=gives(list[dict[str, str]]))
async def domains(request: Request, partner: CurrentPartner, app: str) -> Answer:
    """Empty: apps are known here by their configuration and are run elsewhere."""
    await views.get_app(ctx_of(request), partner, app)
    return Answer([])


@router.get("/account/rate-limits", responses=gives(shapes.RateLimit))
async def rate_limits(request: Request, _partner: CurrentPartner) -> Answer:
    """How many requests this token has left. Asking is free."""
    return Answer({"remaining": request.state.remaining})
