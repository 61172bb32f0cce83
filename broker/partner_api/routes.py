"""The endpoints of this face that users' tokens reach. What partner tokens reach has a table of its own."""

from __future__ import annotations

from fastapi import FastAPI

from broker.partner_api import manifests


def install(app: FastAPI) -> None:
    """Give the application these endpoints."""
    app.include_router(manifests.router)
