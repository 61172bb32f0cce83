"""The OpenAPI document of this face, as FastAPI makes it, with the ways to sign in."""

from __future__ import annotations

from typing import Any, Final, Literal

from fastapi import FastAPI
from pydantic import TypeAdapter
from typing_extensions import is_typeddict

from broker.platform_api import shapes
from broker.platform_api.describe import REFS

_SCHEMES: Final[dict[str, Any]] = {
    "token": {"type": "http", "scheme": "bearer", "description": "An API token."},
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "An API token as the password of any user; to make a token also e-mail address and password.",
    },
}


def _shapes() -> dict[str, Any]:
    """Every shape as JSON schema, by name."""
    shown = [(name, shape) for name, shape in vars(shapes).items() if is_typeddict(shape)]
    adapters: list[tuple[str, Literal["serialization"], TypeAdapter[Any]]] = [
        (name, "serialization", TypeAdapter(shape)) for name, shape in shown
    ]
    _, schema = TypeAdapter.json_schemas(adapters, ref_template=REFS)
    found: dict[str, Any] = schema["$defs"]
    return found


class DescribedApp(FastAPI):
    """An application whose document says how requests are authenticated."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            document["components"] = {"schemas": _shapes(), "securitySchemes": _SCHEMES}
            document["security"] = [{name: []} for name in _SCHEMES]
            self.openapi_schema = document
        return self.openapi_schema
