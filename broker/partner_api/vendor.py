"""The legacy App Info API: what a provider reads and sets with its manifest's id and password.

Here config is a map, in contrast to the list of version 3.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from pydantic import Field

from broker.addons import installs
from broker.addons.protocol_names import callback_path, heroku_id, region_name
from broker.addons.queries import AddonView
from broker.catalog.manifest_auth import AuthenticatedService
from broker.faces.answers import Answer
from broker.faces.describe import REFUSED, gives, takes
from broker.faces.reading import Body, checked, read_object
from broker.kernel.clock import rfc3339
from broker.kernel.errors import InvalidParams
from broker.kernel.ids import as_uuid
from broker.kernel.secret import Secret
from broker.partner_api import shapes
from broker.partner_api.addons import Value
from broker.partner_api.deps import ByPassword, CurrentService, ctx_of

router = APIRouter(tags=["installs"], responses=REFUSED, route_class=ByPassword, include_in_schema=False)


class ConfigMap(Body):
    """New values under the manifest's names; the others stay, null takes one away."""

    config: Annotated[dict[str, Value | None], Field(max_length=500)]


@router.get("/api/v3/apps", responses=gives(list[shapes.Install]))
@router.get("/vendor/apps", responses=gives(list[shapes.Install]))
async def list_(request: Request, service: CurrentService) -> Answer:
    """Every add-on of the service, in parts; the header `Link` leads to the next."""
    after, limit = request.query_params.get("after"), _limit(request)
    start = as_uuid(after) if after else None
    if after and start is None:
        raise InvalidParams("after: must be the id that `Link` gave.")
    found = await installs.list_installs(ctx_of(request), service.id, start, limit + 1)
    shown = found[:limit]
    return Answer(
        [_entry(request, service, view) for view in shown], headers=_next(request, shown, limit, len(found) > limit)
    )


@router.get("/vendor/apps/{key}", responses=gives(shapes.InstallInfo))
async def info(request: Request, service: CurrentService, key: str) -> Answer:
    """One of them, by the id in its callback URL or by the app's `heroku_id`."""
    view, config = await installs.read_install(ctx_of(request), service.id, key)
    given = {name: value.reveal() for name, value in config.items() if value is not None}
    shown: dict[str, Any] = {
        "id": heroku_id(view.app_id),
        "name": view.app_name,
        "config": given,
        "owner_email": view.owner_email,
        "region": region_name(view.region),
        "domains": [],
        "logplex_token": None,
        "log_input_url": None,
    }
    return Answer(_entry(request, service, view) | shown)


@router.put("/vendor/apps/{key}", openapi_extra=takes(ConfigMap, required=True), responses=gives(shapes.InstallConfig))
async def set_config(request: Request, service: CurrentService, key: str) -> Answer:
    """New config: a release of every attached app."""
    body = checked(ConfigMap, await read_object(request, request.app.state.bounds))
    values = {name: None if value is None else Secret(value) for name, value in body.config.items()}
    config = await installs.set_install_config(ctx_of(request), service.id, key, values)
    return Answer({"config": {name: value and value.reveal() for name, value in config.items()}})


@router.get("/vendor/resources/{resource}/oauth-grant", responses=gives(shapes.Grant))
async def oauth_grant(request: Request, service: CurrentService, resource: str) -> Answer:
    """A fresh grant, as the provision request has it."""
    grant = await installs.fresh_grant(ctx_of(request), service.id, resource)
    shown = {"code": grant.code.reveal(), "type": "authorization_code", "expires_at": rfc3339(grant.expires_at)}
    return Answer(shown, headers={"Cache-Control": "no-store"})


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "")
    wanted = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
    return min(wanted, installs.PAGE) or installs.PAGE


def _next(request: Request, shown: list[AddonView], limit: int, more: bool) -> dict[str, str]:
    if not more:
        return {}
    query = urlencode({"after": shown[-1].id, "limit": limit})
    return {"Link": f'<{_public_url(request)}{request.url.path}?{query}>; rel="next"'}


def _entry(request: Request, service: AuthenticatedService, view: AddonView) -> dict[str, Any]:
    return {
        "provider_id": view.provider_id,
        "heroku_id": heroku_id(view.app_id),
        "callback_url": _public_url(request) + callback_path(view.id, service.api_version == "1"),
        "plan": view.plan.slug,
        "resource": {"uuid": str(view.id), "name": view.name},
        "state": view.state.value,
    }


def _public_url(request: Request) -> str:
    url: str = request.app.state.public_url
    return url
