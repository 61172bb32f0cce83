"""Every endpoint of this face, in one router."""

from __future__ import annotations

from fastapi import APIRouter

from broker.platform_api import (
    account,
    addon_services,
    addons,
    app_parts,
    apps,
    attachments,
    authorizations,
    config_vars,
    inventory,
    releases,
)

router = APIRouter()
for noun in (
    account,
    authorizations,
    apps,
    app_parts,
    config_vars,
    releases,
    addon_services,
    addons,
    attachments,
    inventory,
):
    router.include_router(noun.router)
