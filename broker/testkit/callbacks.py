"""The broker's side that a provider calls: grant exchange, config, actions, the oldest App Info. An ASGI application.

Every call is noted with what was wrong with it, if anything was. Nothing is kept beyond the run.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID, uuid5

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from broker.catalog.manifest import Manifest
from broker.kernel.ids import as_uuid
from broker.testkit.expectations import Callback, Expectations, Expected
from broker.testkit.redact import Redactor, show_body, show_form

_TOKEN_LIFE_S: Final = 28799
_LARGEST: Final = 1024 * 1024
_LONG_AGO: Final = "2026-01-01T00:00:00Z"


class _Refusal(Exception):
    def __init__(self, status: int, error_id: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_id = error_id
        self.message = message


class Callbacks:
    """What `callback_url` leads to. `app` is mounted at the root of an origin."""

    def __init__(self, manifest: Manifest, expectations: Expectations, redactor: Redactor) -> None:
        self._manifest = manifest
        self._known = expectations
        self._redactor = redactor

    def routes(self) -> list[Route]:
        """For an application that has pages of its own, too."""
        return [
            self._route("/oauth/token", self._token, "POST"),
            self._route("/addons", self._list, "GET"),
            self._route("/addons/{uuid}", self._info, "GET"),
            self._route("/addons/{uuid}/config", self._config, "GET", "PATCH"),
            self._route("/addons/{uuid}/actions/provision", self._provisioned, "POST"),
            self._route("/addons/{uuid}/actions/deprovision", self._deprovisioned, "POST"),
            self._route("/vendor/apps", self._vendor_list, "GET"),
            self._route("/vendor/apps/{uuid}", self._vendor_app, "GET", "PUT"),
            self._route("/vendor/resources/{uuid}/oauth-grant", self._lost_grant, "GET"),
        ]

    def app(self) -> Starlette:
        return Starlette(routes=self.routes(), exception_handlers={404: self._unknown_route, 405: self._unknown_route})

    def _route(self, path: str, answer: Callable[[Request, bytes], tuple[UUID | None, Any]], *methods: str) -> Route:
        async def endpoint(request: Request) -> Response:
            body = await _body(request)
            uuid = as_uuid(str(request.path_params.get("uuid", "")))
            try:
                concerned, content = answer(request, body)
            except _Refusal as refusal:
                self._note(request, body, uuid, refusal.status, refusal.message)
                return _error(refusal)
            self._note(request, body, concerned or uuid, 200)
            return JSONResponse(content, headers={"Cache-Control": "no-store"})

        return Route(path, endpoint, methods=list(methods))

    async def _unknown_route(self, request: Request, _: Exception) -> Response:
        refusal = _Refusal(404, "not_found", f"The test kit has no {request.method} {request.url.path}.")
        self._note(request, await _body(request), None, 404, refusal.message)
        return _error(refusal)

    def _note(self, request: Request, body: bytes, uuid: UUID | None, status: int, refusal: str | None = None) -> None:
        form = dict(parse_qsl(request.url.query)) or _form_of(request, body)
        sent = "\n".join(text for text in (show_form(form), "" if form else show_body(body)) if text)
        what = f"{request.method} {request.url.path}"
        self._known.callbacks.append(Callback(uuid, what, sent, status, refusal))

    # -- tokens ---------------------------------------------------------------------------------------------------------

    def _token(self, request: Request, body: bytes) -> tuple[UUID | None, Any]:
        given = {**dict(parse_qsl(request.url.query)), **_form_of(request, body)}
        self._redactor.learn(given.get("client_secret", ""))
        kind = given.get("grant_type")
        if kind not in ("authorization_code", "refresh_token"):
            raise _Refusal(400, "unsupported_grant_type", "grant_type must be authorization_code or refresh_token.")
        if not given.get("client_secret"):
            raise _Refusal(401, "invalid_client", "client_secret is missing: send the one that the first push gave.")
        expected = self._redeemed(given) if kind == "authorization_code" else self._refreshed(given)
        token = expected.new_access_token()
        self._redactor.learn(token, expected.refresh_token)
        return expected.uuid, {
            "access_token": token,
            "refresh_token": expected.refresh_token,
            "token_type": "Bearer",
            "expires_in": _TOKEN_LIFE_S,
            "user_id": str(expected.uuid),
            "session_nonce": None,
        }

    def _redeemed(self, given: dict[str, str]) -> Expected:
        expected = self._known.by_code(given.get("code", ""))
        if expected is None:
            raise _Refusal(400, "invalid_grant", "code is not one that was in a provision request.")
        if expected.codes[given["code"]]:
            raise _Refusal(400, "invalid_grant", "code was used before: exchange it once and keep the tokens.")
        expected.codes[given["code"]] = True
        return expected

    def _refreshed(self, given: dict[str, str]) -> Expected:
        expected = self._known.by_refresh_token(given.get("refresh_token", ""))
        if expected is None:
            raise _Refusal(400, "invalid_grant", "refresh_token is not one that was given.")
        return expected

    def _bearer(self, request: Request) -> Expected:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        expected = self._known.by_access_token(token.strip()) if kind.lower() == "bearer" else None
        if expected is None:
            raise _Refusal(401, "unauthorized", "Authorization must be Bearer and the token of the grant exchange.")
        return expected

    def _resource(self, request: Request) -> Expected:
        """The resource in the path, if the token is one for it."""
        expected = self._bearer(request)
        if str(expected.uuid) != request.path_params["uuid"] and expected.name != request.path_params["uuid"]:
            raise _Refusal(404, "not_found", "The token is for another resource than the one in the URL.")
        return expected

    # -- the Platform API for Partners ----------------------------------------------------------------------------------

    def _list(self, request: Request, _: bytes) -> tuple[UUID, Any]:
        expected = self._bearer(request)
        return expected.uuid, [self._shown(expected)]

    def _info(self, request: Request, _: bytes) -> tuple[UUID, Any]:
        expected = self._resource(request)
        return expected.uuid, self._shown(expected)

    def _shown(self, expected: Expected) -> dict[str, Any]:
        service = self._manifest
        return {
            "id": str(expected.uuid),
            "name": expected.name,
            "state": expected.state,
            "provider_id": expected.provider_id,
            "plan": {"id": str(uuid5(expected.uuid, expected.plan)), "name": f"{service.id}:{expected.plan}"},
            "addon_service": {"id": str(uuid5(expected.app_id, service.id)), "name": service.id},
            "app": {"id": str(expected.app_id), "name": expected.app_name},
            "billing_entity": {"id": str(expected.app_id), "name": expected.app_name, "type": "app"},
            "billed_price": {"cents": 0, "contract": False, "unit": "month"},
            "config_vars": list(service.config_vars),
            "actions": [],
            "web_url": None,
            "created_at": _LONG_AGO,
            "updated_at": _LONG_AGO,
        }

    def _config(self, request: Request, body: bytes) -> tuple[UUID, Any]:
        expected = self._resource(request)
        if request.method == "PATCH":
            data = _json(body)
            entries = data.get("config") if isinstance(data, dict) else None
            if not isinstance(entries, list) or not all(_is_pair(entry) for entry in entries):
                raise _Refusal(422, "invalid_params", 'The body must be {"config": [{"name": …, "value": …}]}.')
            self._take(expected, {str(entry["name"]): entry.get("value") for entry in entries})
        return expected.uuid, [{"name": name, "value": value} for name, value in expected.config.items()]

    def _take(self, expected: Expected, values: dict[str, Any]) -> None:
        self._redactor.learn_config(values)
        for name, value in values.items():
            if name not in self._manifest.config_vars:
                raise _Refusal(422, "invalid_params", f"{name} is not among the manifest's config_vars.")
            if value is not None and not isinstance(value, str):
                raise _Refusal(422, "invalid_params", f"The value of {name} must be a string.")
        expected.set_config(values)
        expected.patched.set()

    def _provisioned(self, request: Request, _: bytes) -> tuple[UUID, Any]:
        expected = self._resource(request)
        expected.state = "provisioned"
        expected.provisioned.set()
        return expected.uuid, self._shown(expected)

    def _deprovisioned(self, request: Request, _: bytes) -> tuple[UUID, Any]:
        expected = self._resource(request)
        expected.state = "deprovisioned"
        expected.deprovisioned.set()
        return expected.uuid, self._shown(expected)

    # -- with the manifest's password -----------------------------------------------------------------------------------

    def _basic(self, request: Request) -> None:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        wanted = f"{self._manifest.id}:{self._manifest.password.reveal()}".encode()
        if kind.lower() != "basic" or given.strip() != base64.b64encode(wanted).decode():
            raise _Refusal(401, "unauthorized", "Authorization must be Basic, with the manifest's id and password.")

    def _vendor_list(self, request: Request, _: bytes) -> tuple[None, Any]:
        self._basic(request)
        return None, [self._vendor_entry(request, one) for one in self._known.all()]

    def _vendor_app(self, request: Request, body: bytes) -> tuple[UUID, Any]:
        self._basic(request)
        expected = self._at(request)
        if request.method == "PUT":
            data = _json(body)
            values = data.get("config") if isinstance(data, dict) else None
            if not isinstance(values, dict):
                raise _Refusal(422, "invalid_params", 'The body must be {"config": {"NAME": "value"}}.')
            self._take(expected, values)
        more: dict[str, Any] = {
            "id": expected.heroku_id,
            "name": expected.app_name,
            "config": expected.config,
            "owner_email": "owner@example.com",
            "region": "amazon-web-services::us-east-1",
            "domains": [],
            "logplex_token": None,
            "log_input_url": None,
        }
        return expected.uuid, self._vendor_entry(request, expected) | more

    def _vendor_entry(self, request: Request, expected: Expected) -> dict[str, Any]:
        return {
            "provider_id": expected.provider_id,
            "heroku_id": expected.heroku_id,
            "callback_url": str(request.base_url.replace(path=f"/vendor/apps/{expected.uuid}")),
            "plan": expected.plan,
            "resource": {"uuid": str(expected.uuid), "name": expected.name},
            "state": expected.state,
        }

    def _lost_grant(self, request: Request, _: bytes) -> tuple[UUID, Any]:
        self._basic(request)
        expected = self._at(request)
        return expected.uuid, {"code": expected.new_code(), "type": "authorization_code"}

    def _at(self, request: Request) -> Expected:
        key = request.path_params["uuid"]
        uuid = as_uuid(key)
        expected = self._known.of(uuid) if uuid else self._known.of_app(key)
        if expected is None:
            raise _Refusal(404, "not_found", "There is no such resource.")
        return expected


async def _body(request: Request) -> bytes:
    parts = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > _LARGEST:
            break
        parts.append(part)
    return b"".join(parts)


def _form_of(request: Request, body: bytes) -> dict[str, str]:
    is_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    return dict(parse_qsl(body.decode("utf-8", errors="replace"))) if is_form else {}


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise _Refusal(400, "bad_request", "The body is not JSON.") from None


def _is_pair(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("name"), str)


def _error(refusal: _Refusal) -> Response:
    content = {"id": refusal.error_id, "error": refusal.error_id, "message": refusal.message}
    return JSONResponse(content, refusal.status)


def refusals(callbacks: Sequence[Callback]) -> list[str]:
    """One line for each call that could not be taken."""
    return [str(callback) for callback in callbacks if callback.refusal]
