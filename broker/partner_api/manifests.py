"""The registry of manifests, as the command line of Heroku's partners speaks it: users push and pull with their token.

Source: the addons-admin plugin of the Heroku CLI. Errors are in `error`: a sentence, or `base` with every fault.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from broker.accounts.authenticate import authenticate
from broker.catalog.client_secrets import rotate_client_secret
from broker.catalog.faults import ManifestFaults
from broker.catalog.push import push_manifest, rotate_secrets
from broker.catalog.versions import VersionSummary, VersionView, get_version, list_versions
from broker.faces.answers import Answer
from broker.faces.describe import gives, takes, takes_shape
from broker.faces.errors import refusal, status_of
from broker.faces.reading import Body, checked, read_object
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor, Context
from broker.kernel.errors import BrokerError, Unauthorized
from broker.partner_api import shapes


def told(error: BrokerError) -> Answer:
    """A refusal as both kinds of client read it: the plugin `error`, ours `id` and `message`."""
    faults = [str(fault) for fault in error.faults] if isinstance(error, ManifestFaults) else None
    content = {"id": error.id, "message": error.message, "error": {"base": faults} if faults else error.message}
    headers = dict(refusal(error).headers)
    for name in ("content-length", "content-type"):
        headers.pop(name, None)
    return Answer(content | error.fields, status_of(type(error)), headers)


class ManifestRoute(APIRoute):
    """A route whose refusals have this registry's form."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def answer_or_tell(request: Request) -> Response:
            try:
                return await answer(request)
            except BrokerError as error:
                return told(error)

        return answer_or_tell


router = APIRouter(
    prefix="/api/v3/addons/{slug}",
    tags=["manifests"],
    responses={"default": gives(shapes.ManifestRefusal)[200] | {"description": "Refused."}},
    route_class=ManifestRoute,
    include_in_schema=False,
)


class RotationBody(Body):
    """Whether the old secret shall be refused from now on."""

    immediate: bool = False


@router.post(
    "/manifests",
    openapi_extra=takes_shape(shapes.ManifestPush),
    responses={**gives(shapes.ManifestVersion), **gives(shapes.ManifestVersion, 201)},
)
async def push(request: Request, slug: str) -> Answer:
    """Make the contents the service's newest version; the first push registers the service."""
    actor = await _actor(request)
    body = await read_object(request, request.app.state.bounds)
    networks = request.app.state.provider_networks
    pushed = await push_manifest(_ctx(request), actor, slug, body.get("contents"), networks=networks)
    shown = _whole(pushed.version)
    if pushed.client_secret is not None:
        shown["client_secret"] = pushed.client_secret.reveal()
    return Answer(shown, 201 if pushed.changed else 200)


@router.get("/manifests", responses=gives(list[shapes.ManifestSummary]))
async def versions(request: Request, slug: str) -> Answer:
    """All versions, newest first."""
    return Answer([_summary(version) for version in await list_versions(_ctx(request), await _actor(request), slug)])


@router.get("/current_manifest", responses=gives(shapes.ManifestVersion))
async def current(request: Request, slug: str) -> Answer:
    """The newest version."""
    return Answer(_whole(await get_version(_ctx(request), await _actor(request), slug)))


@router.get("/manifests/{version}", responses=gives(shapes.ManifestVersion))
async def one(request: Request, slug: str, version: str) -> Answer:
    """The version with this id or revision."""
    return Answer(_whole(await get_version(_ctx(request), await _actor(request), slug, version)))


@router.post("/client-secret", openapi_extra=takes(RotationBody), responses=gives(shapes.ClientSecret, 201))
async def client_secret(request: Request, slug: str) -> Answer:
    """A new client secret, shown this once."""
    actor, body = await _actor(request), await _rotation(request)
    fresh = await rotate_client_secret(_ctx(request), actor, slug, immediate=body.immediate)
    return Answer({"client_secret": fresh.reveal()}, 201)


@router.post("/secrets", openapi_extra=takes(RotationBody), responses=gives(shapes.ManifestVersion, 201))
async def secrets(request: Request, slug: str) -> Answer:
    """A new password and salt, as a version of their own."""
    actor, body = await _actor(request), await _rotation(request)
    return Answer(_whole(await rotate_secrets(_ctx(request), actor, slug, immediate=body.immediate)), 201)


def _ctx(request: Request) -> Context:
    return cast("Context", request.app.state.ctx)


async def _actor(request: Request) -> Actor:
    """The user whose token it is. The plugin sends it as Bearer, or as the password beside the e-mail address."""
    credentials = request.state.credentials
    if credentials is None:
        raise Unauthorized("Send your API token: `Authorization: Bearer TOKEN`.")
    actor = await authenticate(_ctx(request), credentials.secret)
    request.state.vouch()
    return actor


async def _rotation(request: Request) -> RotationBody:
    return checked(RotationBody, await read_object(request, request.app.state.bounds))


def _summary(version: VersionSummary) -> dict[str, Any]:
    return {
        "id": str(version.id),
        "created_at": rfc3339(version.created_at),
        "revision": version.revision,
        "pushed_by": version.pushed_by,
    }


def _whole(version: VersionView) -> dict[str, Any]:
    return _summary(version) | {"contents": version.contents}
