"""The OpenAPI document for whoever writes a provider: what it can ask of the broker, and what the broker asks of it."""

from __future__ import annotations

import json
import re
from copy import copy
from importlib.metadata import version
from typing import Any, Final

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from broker.faces import shapes as common
from broker.faces import webhook_shapes
from broker.faces.describe import REFS, gives, shape_schemas, takes_shape
from broker.partner_api import addon_usage, addons, apps, logs, manifests, shapes, usage, vendor, webhooks
from broker.partner_api.provider_calls import CALLS

_DESCRIPTION: Final = """\
`servers` is the origin of the `callback_url` that a provision request has. Which credentials an endpoint takes is said
with it. Lists come in parts: `Next-Range` in an answer of 206 is the `Range` of the next request."""
_SCHEMES: Final[dict[str, Any]] = {
    "grant": {
        "type": "http",
        "scheme": "bearer",
        "description": "An access token of one add-on, for which a grant was exchanged. It reaches that add-on and what belongs to it.",
    },
    "manifest": {
        "type": "http",
        "scheme": "basic",
        "description": "The manifest's id and password, in both directions.",
    },
    "user": {"type": "http", "scheme": "bearer", "description": "The API token of somebody who works on the service."},
    "address": {
        "type": "http",
        "scheme": "basic",
        "description": "What stands in the address that a provider was given.",
    },
}
_TAKERS: Final = {
    "grant": (addons, apps, webhooks, addon_usage),
    "manifest": (vendor, usage),
    "user": (manifests,),
    "address": (logs,),
}
"""Which credentials the endpoints of which modules take."""

_REF: Final = re.compile(f'"{REFS.format(model="([A-Za-z]+)")}"')

_TOKEN: Final[dict[str, Any]] = {
    "summary": "Token",
    "description": "Exchange a grant, or a refresh token, for tokens of its add-on. The client secret says who asks.",
    "operationId": "token_oauth_token_post",
    "tags": ["tokens"],
    "security": [],
    **takes_shape(shapes.TokenRequest, "application/x-www-form-urlencoded", required=False),
    "responses": {
        "200": gives(shapes.Tokens)[200],
        "default": gives(shapes.TokenRefusal, 400)[400] | {"description": "Refused."},
    },
}


def document() -> dict[str, Any]:
    """The document as it is committed."""
    head = {"title": "Addon Broker for providers", "version": version("addon-broker"), "description": _DESCRIPTION}
    found = get_openapi(**head, routes=[])  # type: ignore[arg-type]  # the texts of its head are its first parameters
    found["servers"] = [{"url": "/"}]
    found["paths"] = {"/oauth/token": {"post": _TOKEN}}
    for scheme, nouns in _TAKERS.items():
        routes = [_shown(route) for noun in nouns for route in noun.router.routes]
        found["paths"] |= _secured(get_openapi(title="", version="", routes=routes)["paths"], scheme)
    found["webhooks"] = CALLS
    schemas = shape_schemas(common, webhook_shapes, shapes)
    named = _named([found["paths"], found["webhooks"]], schemas)
    found["components"] = {"schemas": {name: schemas[name] for name in named}, "securitySchemes": _SCHEMES}
    return found


def _named(node: Any, schemas: dict[str, Any]) -> set[str]:
    """The schemas that are referred to, directly or by others."""
    found: set[str] = set()
    left = set(_REF.findall(json.dumps(node)))
    while left:
        found |= left
        left = set(_REF.findall(json.dumps([schemas[name] for name in left]))) - found
    return found


def _shown(route: BaseRoute) -> BaseRoute:
    """Some are left out of the Platform API's document, with which they share an application."""
    shown = copy(route)
    if isinstance(shown, APIRoute):
        shown.include_in_schema = True
    return shown


def _secured(paths: dict[str, Any], scheme: str) -> dict[str, Any]:
    for operations in paths.values():
        for operation in operations.values():
            operation["security"] = [{scheme: []}]
    return paths
