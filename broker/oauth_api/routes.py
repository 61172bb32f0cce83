"""Every endpoint of this face."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI

from broker.oauth_api import clients, metadata, token

NOUNS: Final = (token, clients, metadata)


def install(app: FastAPI) -> None:
    """Give the application every endpoint."""
    for noun in NOUNS:
        app.router.routes.extend(noun.router.routes)
