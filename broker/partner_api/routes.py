"""The endpoints of this face, in two tables: what comes with a provider's token, and what comes with other credentials."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI

from broker.partner_api import addon_usage, addons, apps, logs, manifests, usage, vendor, webhooks

FOR_TOKENS: Final = (addons, apps, webhooks, addon_usage)
"""For access tokens of providers, in an application of their own."""
FOR_OTHERS: Final = (manifests, vendor, usage, logs)
"""For users' tokens, for manifests' passwords and for addresses that say who asks, beside the Platform API."""


def install(app: FastAPI) -> None:
    """Give the application the endpoints for others."""
    for noun in FOR_OTHERS:
        app.router.routes.extend(noun.router.routes)


def install_for_tokens(app: FastAPI) -> None:
    """Give the application the endpoints for providers' tokens, each as a route of its own."""
    for noun in FOR_TOKENS:
        app.router.routes.extend(noun.router.routes)
