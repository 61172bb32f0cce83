"""Add-ons for providers: info, config, the end of what they do asynchronously, attachments."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import AfterValidator, BeforeValidator, Field

from broker.addons import callbacks
from broker.addons import partner_views as views
from broker.addons.partner import Partner
from broker.addons.queries import AddonView, AttachmentView
from broker.faces import serialize, shapes
from broker.faces.answers import Answer
from broker.faces.describe import REFUSED, gives, takes
from broker.faces.ranges import page
from broker.faces.reading import Body, checked, read_object, storable
from broker.kernel.context import Actor
from broker.kernel.errors import InvalidParams
from broker.kernel.secret import Secret
from broker.partner_api.deps import CurrentPartner, ctx_of
from broker.partner_api.shapes import ConfigEntry

router = APIRouter(tags=["add-ons"], responses=REFUSED)

_LONGEST_VALUE: Final = 64 * 1024


def _text(value: Any) -> Any:
    """Numbers as text, as some providers send them."""
    return str(value) if type(value) in (int, float) else value


Value = Annotated[str, Field(max_length=_LONGEST_VALUE), BeforeValidator(_text), AfterValidator(storable)]


class NewValue(Body):
    """A config var under the manifest's name; null takes it away."""

    name: Annotated[str, Field(max_length=200)]
    value: Value | None


class ConfigBody(Body):
    """New values of some config vars; the others stay."""

    config: Annotated[list[NewValue], Field(max_length=500)]


def _nowhere(_actor: Actor, _addon_id: UUID, _app_id: UUID, _path: str = "") -> None:
    """Links that sign a user on are made for that user, never for a provider."""


def _seer(partner: Partner) -> serialize.Seer:
    return serialize.Seer(partner.actor, _nowhere)


def addon_shapes(partner: Partner, found: list[AddonView]) -> list[shapes.Addon]:
    """Add-ons as a provider is shown them."""
    return [serialize.addon(view, _seer(partner)) for view in found]


def attachment_shapes(partner: Partner, found: list[AttachmentView]) -> list[shapes.Attachment]:
    """The same of attachments."""
    return [serialize.attachment(view, _seer(partner)) for view in found]


def _one(partner: Partner, view: AddonView) -> Answer:
    return Answer(serialize.addon(view, _seer(partner)))


@router.get("/addons", responses=gives(shapes.Addon, many=True))
async def list_(request: Request, partner: CurrentPartner) -> Answer:
    """The add-ons of its service that the token sees."""
    return page(request, addon_shapes(partner, await views.list_addons(ctx_of(request), partner)))


@router.get("/users/{user}/addons", responses=gives(shapes.Addon, many=True))
async def list_of_user(request: Request, partner: CurrentPartner, user: str) -> Answer:
    """Those on apps of one owner."""
    return page(request, addon_shapes(partner, await views.list_addons_of(ctx_of(request), partner, user)))


@router.get("/addons/{addon}", responses=gives(shapes.Addon))
async def info(request: Request, partner: CurrentPartner, addon: str) -> Answer:
    """One add-on by id or name."""
    return _one(partner, await views.read_addon(ctx_of(request), partner, addon))


@router.get("/addons/{addon}/config", responses=gives(list[ConfigEntry]))
async def config(request: Request, partner: CurrentPartner, addon: str) -> Answer:
    """Its config vars under the manifest's names, null for what was not given."""
    ctx = ctx_of(request)
    return _config(await callbacks.read_config(ctx, await views.own_addon(ctx, partner, addon)))


@router.patch(
    "/addons/{addon}/config", openapi_extra=takes(ConfigBody, required=True), responses=gives(list[ConfigEntry])
)
async def update_config(request: Request, partner: CurrentPartner, addon: str) -> Answer:
    """New values: a release of every attached app, unless the add-on is still being provisioned."""
    ctx = ctx_of(request)
    body = checked(ConfigBody, await read_object(request, request.app.state.bounds))
    addon_id = await views.own_addon(ctx, partner, addon)
    return _config(await callbacks.update_config(ctx, addon_id, _values(body)))


def _values(body: ConfigBody) -> dict[str, Secret | None]:
    values = {item.name: None if item.value is None else Secret(item.value) for item in body.config}
    if len(values) < len(body.config):
        raise InvalidParams("config: names the same config var twice.")
    return values


def _config(values: dict[str, Secret | None]) -> Answer:
    return Answer([{"name": name, "value": value and value.reveal()} for name, value in values.items()])


@router.post("/addons/{addon}/actions/provision", responses=gives(shapes.Addon))
async def provisioned(request: Request, partner: CurrentPartner, addon: str) -> Answer:
    """The provider has finished what it had accepted: the apps get the config, and billing goes on."""
    ctx = ctx_of(request)
    return _one(partner, await callbacks.report_provisioned(ctx, await views.own_addon(ctx, partner, addon)))


@router.post("/addons/{addon}/actions/deprovision", responses=gives(shapes.Addon))
async def deprovisioned(request: Request, partner: CurrentPartner, addon: str) -> Answer:
    """The provider has removed the resource, or gives up making it. This ends the token too."""
    ctx = ctx_of(request)
    return _one(partner, await callbacks.report_deprovisioned(ctx, await views.own_addon(ctx, partner, addon)))


@router.get("/addons/{addon}/addon-attachments", responses=gives(shapes.Attachment, many=True))
async def attachments(request: Request, partner: CurrentPartner, addon: str) -> Answer:
    """Where an add-on is attached, as far as the token sees."""
    ctx = ctx_of(request)
    addon_id = (await views.read_addon(ctx, partner, addon)).id
    found = await views.list_attachments(ctx, partner, addon_id=addon_id)
    return page(request, attachment_shapes(partner, found))
