"""Every page of this face."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI

from broker.web import authorizations, consent, go, landing, listing, login, marketplace, sitemap, sso
from broker.web.assets import Assets

NOUNS: Final = (sso, go, consent, login, authorizations, landing, marketplace, listing, sitemap)


def install(app: FastAPI) -> None:
    """Give the application every page, and what pages load."""
    for noun in NOUNS:
        app.include_router(noun.router)
    app.mount("/static", Assets(), name="static")
