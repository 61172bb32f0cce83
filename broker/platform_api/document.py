"""The OpenAPI document of this face, as FastAPI makes it, with the ways to sign in."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI

from broker.faces.describe import shape_schemas
from broker.platform_api import shapes

_SCHEMES: Final[dict[str, Any]] = {
    "token": {"type": "http", "scheme": "bearer", "description": "An API token."},
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "An API token as the password of any user; to make a token also e-mail address and password.",
    },
}


class DescribedApp(FastAPI):
    """An application whose document says how requests are authenticated."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            document["components"] = {"schemas": shape_schemas(shapes), "securitySchemes": _SCHEMES}
            document["security"] = [{name: []} for name in _SCHEMES]
            self.openapi_schema = document
        return self.openapi_schema
