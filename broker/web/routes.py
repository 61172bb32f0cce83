"""Every page of this face."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI

from broker.web import (
    app_access,
    app_activity,
    app_addon,
    app_credentials,
    app_move,
    app_plan,
    app_removal,
    app_resources,
    app_settings,
    app_tags,
    app_vars,
    authorizations,
    billing,
    budgets,
    cli_login,
    consent,
    dashboard,
    door,
    explained,
    factors,
    go,
    install_addon,
    invoices,
    listing,
    login,
    marketplace,
    notices,
    operator_accounts,
    operator_audit,
    operator_flags,
    operator_listings,
    operator_orphans,
    operator_overview,
    operator_payouts,
    operator_queues,
    operator_reconcile,
    operator_settings,
    payment,
    profile,
    provider_access,
    provider_deliveries,
    provider_home,
    provider_manifest,
    provider_work,
    reset,
    sign_up,
    sitemap,
    spending,
    sso,
)
from broker.web.assets import Assets

NOUNS: Final = (
    sso,
    go,
    consent,
    login,
    sign_up,
    reset,
    profile,
    factors,
    payment,
    spending,
    budgets,
    cli_login,
    authorizations,
    dashboard,
    app_resources,
    app_addon,
    app_credentials,
    app_move,
    app_plan,
    app_removal,
    app_activity,
    app_access,
    app_settings,
    app_tags,
    app_vars,
    install_addon,
    marketplace,
    listing,
    operator_overview,
    operator_orphans,
    operator_listings,
    operator_reconcile,
    operator_accounts,
    operator_payouts,
    operator_audit,
    operator_queues,
    operator_settings,
    operator_flags,
    provider_home,
    provider_manifest,
    provider_work,
    provider_deliveries,
    provider_access,
    sitemap,
)


def install(app: FastAPI) -> None:
    """Give the application every page, and what pages load."""
    app.router.routes[:0] = (
        door.ACCOUNT,
        *door.DASHBOARD,
        *billing.TWINS,
        *invoices.TWINS,
        *budgets.TWINS,
        *notices.TWINS,
    )
    for noun in NOUNS:
        app.include_router(noun.router)
    app.mount("/static", Assets(), name="static")
    explained.install(app)
