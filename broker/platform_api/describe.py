"""Describing endpoints for the OpenAPI document: what they take and what they give."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from broker.platform_api import shapes

REFUSED: dict[int | str, dict[str, Any]] = {"default": {"model": shapes.Error, "description": "Refused."}}
"""What every endpoint may answer besides."""


def gives(shape: Any, status: int = 200, *, many: bool = False) -> dict[int | str, dict[str, Any]]:
    """The answer of an endpoint: one shape, or a list of them that may be a part (206)."""
    if not many:
        return {status: {"model": shape, "description": "Done."}}
    part = {"description": "A part of the list; `Next-Range` asks for the next."}
    return {200: {"model": list[shape], "description": "The list."}, 206: {"model": list[shape], **part}}


_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A repetition of the request with the same key within 24 hours makes nothing anew.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def takes(model: type[BaseModel], *, required: bool = False, repeatable: bool = False) -> dict[str, Any]:
    """The body of an endpoint; `repeatable` ones understand `Idempotency-Key`."""
    schema = model.model_json_schema()
    content = {"application/json": {"schema": _inlined(schema, schema.pop("$defs", {}))}}
    body = {"requestBody": {"required": required, "content": content}}
    return body | ({"parameters": [_IDEMPOTENCY_KEY]} if repeatable else {})


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    """The schema without references, which would point nowhere inside the whole document."""
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(definitions[node["$ref"].rsplit("/", 1)[1]], definitions)
    return {key: _inlined(value, definitions) for key, value in node.items()}
