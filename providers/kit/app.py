"""The provider's HTTP face: the calls of the add-on partner protocol, single sign-on, health.

A provider adds its pages to what `create_provider_app` returns. Whatever goes wrong is answered with a sentence:
as JSON `message` to the broker, as a page to a browser.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from markupsafe import Markup
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException

from providers.kit import sso
from providers.kit.dashboard import page
from providers.kit.lifecycle import Lifecycle
from providers.kit.manifest import Manifest
from providers.kit.secrets import ProviderKey
from providers.kit.service import ProviderError, Provisioned, ProvisionRequest, Refused, Service, Unknown
from providers.kit.store import Resource, ResourceStore
from providers.kit.wire import Boundary

BODY_LIMIT = 64 * 1024

broker_calls = APIRouter(prefix="/heroku/resources")
browser_calls = APIRouter()


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Kit:
    """What the routes work with; `app.state.kit`."""

    manifests: Mapping[str, Manifest]
    store: ResourceStore
    key: ProviderKey
    lifecycle: Lifecycle
    service: Service
    title: str
    clock: Callable[[], datetime]


def create_provider_app(
    service: Service,
    manifests: tuple[Manifest, ...],
    *,
    store: ResourceStore,
    key: ProviderKey,
    title: str,
    clock: Callable[[], datetime] = utc_now,
    body_limits: Mapping[str, int] | None = None,
) -> FastAPI:
    """The application of a provider. `body_limits` (path prefix to bytes) lifts the limit for its own paths."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            await service.start()
            yield
        finally:
            await service.stop()
            store.close()

    app = FastAPI(title=title, lifespan=lifespan, openapi_url=None)
    app.state.kit = Kit(
        {manifest.id: manifest for manifest in manifests},
        store,
        key,
        Lifecycle(service, store, clock),
        service,
        title,
        clock,
    )
    app.add_middleware(Boundary, limits={"": BODY_LIMIT, **(body_limits or {})})
    app.add_exception_handler(ProviderError, _answer_refusal)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.include_router(broker_calls)
    app.include_router(browser_calls)
    return app


# -- the broker's calls -----------------------------------------------------------------------------------------------


class _ProvisionBody(BaseModel):
    """Both versions of the protocol; unknown fields are tolerated."""

    uuid: UUID
    plan: str = Field(min_length=1, max_length=100)
    name: str | None = Field(None, max_length=500)
    region: str | None = Field(None, max_length=100)
    options: dict[str, Any] | None = None
    callback_url: str | None = Field(None, max_length=2000)


class _CredentialBody(BaseModel):
    credential: UUID
    permission: Literal["read_write", "read_only"] = "read_write"


class _RotationBody(BaseModel):
    rotation: UUID


class _PlanBody(BaseModel):
    plan: str = Field(min_length=1, max_length=100)


def get_kit(request: Request) -> Kit:
    kit = request.app.state.kit
    assert isinstance(kit, Kit)
    return kit


KitOf = Annotated[Kit, Depends(get_kit)]


def authenticated(
    kit: KitOf, credentials: Annotated[HTTPBasicCredentials | None, Depends(HTTPBasic(auto_error=False))]
) -> Manifest:
    """The manifest whose id and password the caller presents."""
    manifest = kit.manifests.get(credentials.username) if credentials else None
    # Compared even for an unknown id, so that the time tells nothing.
    expected = manifest.password.get_secret_value() if manifest else "\0"
    given = credentials.password if credentials else ""
    if not hmac.compare_digest(given.encode(), expected.encode()) or manifest is None:
        raise HTTPException(401, "The id or the password is wrong.", {"WWW-Authenticate": 'Basic realm="provider"'})
    return manifest


Caller = Annotated[Manifest, Depends(authenticated)]


@broker_calls.post("")
async def provision(request: Request, kit: KitOf, caller: Caller) -> Response:
    body = await _parse(request, _ProvisionBody)
    wanted = ProvisionRequest(
        uuid=body.uuid,
        plan=body.plan,
        manifest=caller,
        name=body.name or "",
        region=body.region or "",
        options={name: _option(value) for name, value in (body.options or {}).items()},
        callback_url=body.callback_url or "",
    )
    return _provisioned(await _to_the_end(kit.lifecycle.provision(wanted)), 201)


@broker_calls.put("/{uuid}")
async def change_plan(uuid: str, request: Request, kit: KitOf, caller: Caller) -> Response:
    resource = _uuid(uuid)
    plan = (await _parse(request, _PlanBody)).plan
    return _provisioned(await _to_the_end(kit.lifecycle.change_plan(resource, plan, caller)), 200)


@broker_calls.delete("/{uuid}")
async def deprovision(uuid: str, kit: KitOf, caller: Caller) -> Response:
    await _to_the_end(kit.lifecycle.deprovision(_uuid(uuid), caller))
    return Response(status_code=204)


@broker_calls.get("/{uuid}")
async def config(uuid: str, kit: KitOf, caller: Caller) -> Response:
    """What holds now, for a broker that asks again."""
    return _provisioned(await kit.lifecycle.config(_uuid(uuid), caller), 200)


@broker_calls.post("/{uuid}/credentials")
async def lend(uuid: str, request: Request, kit: KitOf, caller: Caller) -> Response:
    """A login of its own, for attachments that name it."""
    body = await _parse(request, _CredentialBody)
    read_only = body.permission == "read_only"
    return _provisioned(await _to_the_end(kit.lifecycle.lend(_uuid(uuid), body.credential, read_only, caller)), 201)


@broker_calls.delete("/{uuid}/credentials/{credential}")
async def take_back(uuid: str, credential: str, kit: KitOf, caller: Caller) -> Response:
    """Nobody uses the login any more."""
    await _to_the_end(kit.lifecycle.take_back(_uuid(uuid), _uuid(credential), caller))
    return Response(status_code=204)


@broker_calls.post("/{uuid}/actions/rotate")
async def rotate(uuid: str, request: Request, kit: KitOf, caller: Caller) -> Response:
    """New credentials, beside which the old ones go on working."""
    rotation = (await _parse(request, _RotationBody)).rotation
    return _provisioned(await _to_the_end(kit.lifecycle.rotate(_uuid(uuid), rotation, caller)), 200)


@broker_calls.post("/{uuid}/actions/revoke")
async def revoke(uuid: str, request: Request, kit: KitOf, caller: Caller) -> Response:
    """Everybody has the new credentials: the old ones can go."""
    rotation = (await _parse(request, _RotationBody)).rotation
    await _to_the_end(kit.lifecycle.revoke(_uuid(uuid), rotation, caller))
    return Response(status_code=204)


@broker_calls.get("")
async def list_resources(kit: KitOf, caller: Caller) -> list[dict[str, str]]:
    """Every resource of the service that is not gone: the broker compares this with what it believes."""
    return [_listed(resource) for resource in kit.store.all() if resource.manifest == caller.id]


def _listed(resource: Resource) -> dict[str, str]:
    return {
        "id": str(resource.uuid),
        "uuid": str(resource.uuid),
        "name": resource.name,
        "plan": resource.plan,
        "state": resource.state,
        "created_at": resource.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


T = TypeVar("T")


async def _to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Finish the work even when the caller hangs up: what was begun is never left half done by a closed connection."""
    return await asyncio.shield(asyncio.ensure_future(work))


def _provisioned(answer: Provisioned, status: int) -> Response:
    content = {"id": answer.id, "config": dict(answer.config), "message": answer.message}
    return JSONResponse(content, status, {"Cache-Control": "no-store"})


def _option(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Unknown from None


B = TypeVar("B", bound=BaseModel)


async def _parse(request: Request, kind: type[B]) -> B:
    """The body as JSON, whatever its content type claims."""
    try:
        return kind.model_validate_json(await request.body())
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, fault["loc"]))
        raise Refused(f"The field {field}: {fault['msg']}." if field else "The body is not a JSON object.") from None


# -- the browser's calls ----------------------------------------------------------------------------------------------


@browser_calls.get("/health")
async def health(kit: KitOf) -> JSONResponse:
    healthy = await kit.service.healthy()
    return JSONResponse({"status": "ok" if healthy else "unavailable"}, 200 if healthy else 503)


@browser_calls.post("/sso/login")
async def sign_on(request: Request, kit: KitOf) -> Response:
    """Let a user in whom the broker vouches for, into one resource's dashboard; `path` says where in it."""
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    resource = kit.store.get(_uuid(form.get("resource_id") or form.get("id") or ""))
    salt = kit.manifests[resource.manifest].sso_salt.get_secret_value()
    user = sso.verify(form, resource.uuid, salt, kit.clock(), kit.store)
    return let_in(request, kit, resource, user, sso.path_in(form.get("path", "")))


def let_in(request: Request, kit: Kit, resource: Resource, user: sso.User, path: str) -> Response:
    """Into the dashboard, with a session. `path` is where in it."""
    where = f"/dashboard/{resource.uuid}"
    answer = RedirectResponse(where + path, 303, {"Cache-Control": "no-store"})
    answer.set_cookie(
        sso.COOKIE,
        sso.seal(resource.uuid, user, kit.key, kit.clock()),
        max_age=int(sso.SESSION.total_seconds()),
        path=where,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return answer


def current_session(uuid: str, request: Request, kit: KitOf) -> sso.Session:
    """For the pages at and below `/dashboard/{uuid}`: the user who signed on, if the resource is still there.

    Raises: SignOnRefused, Gone, Unknown.
    """
    session = sso.unseal(request.cookies.get(sso.COOKIE, ""), _uuid(uuid), kit.key, kit.clock())
    kit.store.get(session.uuid)
    return session


CurrentSession = Annotated[sso.Session, Depends(current_session)]


# -- errors -----------------------------------------------------------------------------------------------------------


async def _answer_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProviderError)
    return _say(request, error.status, error.message)


async def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _say(request, error.status_code, str(error.detail), error.headers)


def _say(request: Request, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    if request.url.path.startswith(("/dashboard", "/sso")):
        return page(get_kit(request).title, Markup("<p>{}</p>").format(message), status=status)
    return JSONResponse({"message": message}, status, headers)
