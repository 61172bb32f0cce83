"""Describing endpoints for the OpenAPI document: what they take and what they give."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from typing_extensions import is_typeddict

from broker.faces import shapes

REFS: Final = "#/components/schemas/{model}"


def _schema(shape: Any) -> dict[str, Any]:
    """A reference to the shape; the document puts the shapes themselves where it points."""
    if get_origin(shape) is list:
        return {"type": "array", "items": _schema(get_args(shape)[0])}
    if shape == dict[str, str]:
        return {"type": "object", "additionalProperties": {"type": "string"}}
    return {"$ref": REFS.format(model=shape.__name__)}


def _answer(shape: Any, description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _schema(shape)}}}


REFUSED: Final[dict[int | str, dict[str, Any]]] = {"default": _answer(shapes.Error, "Refused.")}
"""What every endpoint may answer besides."""


def gives(shape: Any, status: int = 200, *, many: bool = False) -> dict[int | str, dict[str, Any]]:
    """The answer of an endpoint: one shape, or a list of them that may be a part (206).

    Given as finished JSON schema, and not as a model, so that the application need not build a validator that never runs.
    """
    if not many:
        return {status: _answer(shape, "Done.")}
    part = "A part of the list; `Next-Range` asks for the next."
    return {200: _answer(list[shape], "The list."), 206: _answer(list[shape], part)}


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


def takes_shape(shape: Any, media: str = "application/json", *, required: bool = True) -> dict[str, Any]:
    """The same of what is no model but a shape, since it is read in a way of its own."""
    return {"requestBody": {"required": required, "content": {media: {"schema": _schema(shape)}}}}


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    """The schema without references, which would point nowhere inside the whole document."""
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(definitions[node["$ref"].rsplit("/", 1)[1]], definitions)
    return {key: _inlined(value, definitions) for key, value in node.items()}


def shape_schemas(*modules: ModuleType) -> dict[str, Any]:
    """Every shape of these modules as JSON schema, by name."""
    shown = {name: shape for module in modules for name, shape in vars(module).items() if is_typeddict(shape)}
    adapters: list[tuple[str, Literal["serialization"], TypeAdapter[Any]]] = [
        (name, "serialization", TypeAdapter(shape)) for name, shape in shown.items()
    ]
    _, schema = TypeAdapter.json_schemas(adapters, ref_template=REFS)
    found: dict[str, Any] = schema["$defs"]
    return found
