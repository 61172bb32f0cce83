"""What the broker asks of a provider, for the `webhooks` of the OpenAPI document: there is no code of ours that answers it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from broker.faces.describe import gives, takes_shape
from broker.partner_api import shapes

_EMPTY: Final = {"description": "Done."}
_GONE: Final = {"description": "There is no such resource (any more): as good as done."}
_LATER: Final = {"description": "Accepted; the end is told by a call to `callback_url`."}
_NO: Final = gives(shapes.Refused, 422)[422] | {"description": "Refused, with a sentence for the user."}
_UUID: Final = {
    "name": "uuid",
    "in": "path",
    "required": True,
    "description": "That of the provision request.",
    "schema": {"type": "string", "format": "uuid"},
}
_OURS: Final = "An extension of ours, for manifests with the capability `{}`."


def _call(
    what: str,
    answers: Mapping[int | str, Any],
    takes: Any = None,
    *,
    of_one: bool = True,
    capability: str | None = None,
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": what,
        "tags": ["calls to a provider"],
        "responses": {str(status): answer for status, answer in answers.items()},
        "security": [{"manifest": []}],
    }
    if of_one:
        described["parameters"] = [_UUID]
    if capability:
        described["description"] = _OURS.format(capability)
    return described | (takes_shape(takes) if takes else {})


_MADE: Final = {**gives(shapes.ProvisionAnswer, 201), **gives(shapes.ProvisionAnswer), **gives(shapes.Accepted, 202)}
_CHANGED: Final = {**gives(shapes.Changed), 202: _LATER, 422: _NO}

CALLS: Final[dict[str, dict[str, Any]]] = {
    "POST base_url": {"post": _call("Make a resource.", {**_MADE, 422: _NO}, shapes.ProvisionRequest, of_one=False)},
    "PUT base_url/{uuid}": {
        "put": _call("Move it to another plan.", {**_CHANGED, 204: _EMPTY}, shapes.PlanChangeRequest)
    },
    "DELETE base_url/{uuid}": {
        "delete": _call("Remove it with its data.", {204: _EMPTY, 200: _EMPTY, 202: _LATER, 404: _GONE, 410: _GONE})
    },
    "GET base_url": {
        "get": _call(
            "Say which resources there are.",
            {200: gives(list[shapes.ListedResource])[200]},
            of_one=False,
            capability="list",
        )
    },
    "GET base_url/{uuid}": {"get": _call("Say which config holds now.", gives(shapes.Changed), capability="rotate")},
    "POST base_url/{uuid}/actions/rotate": {
        "post": _call(
            "Issue new credentials beside the old ones.", _CHANGED, shapes.RotationRequest, capability="rotate"
        )
    },
    "POST base_url/{uuid}/actions/revoke": {
        "post": _call(
            "Withdraw every credential that is older than those of the rotation.",
            {204: _EMPTY, 200: _EMPTY, 202: _LATER},
            shapes.RotationRequest,
            capability="rotate",
        )
    },
    "POST base_url/{uuid}/credentials": {
        "post": _call(
            "Make a login of its own.",
            {**gives(shapes.Changed, 201), **gives(shapes.Changed)},
            shapes.LoginRequest,
            capability="attachment_credentials",
        )
    },
    "DELETE base_url/{uuid}/credentials/{credential}": {
        "delete": _call(
            "Remove such a login.", {204: _EMPTY, 404: _GONE, 410: _GONE}, capability="attachment_credentials"
        )
    },
}
"""By method and URL: `base_url` is that of the manifest."""
