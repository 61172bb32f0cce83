"""Every endpoint of this face."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI

from broker.platform_api import (
    account,
    addon_services,
    addons,
    app_parts,
    apps,
    attachments,
    audit,
    authorizations,
    bookkeeping,
    budgets,
    canaries,
    cli_logins,
    clients,
    clock,
    collaborators,
    config_vars,
    costs,
    databases,
    dunning,
    flags,
    health,
    inventory,
    invitations,
    invoices,
    listings,
    named_credentials,
    notices,
    orphans,
    payers,
    payment_keeping,
    payments,
    payouts,
    pre_authorizations,
    previews,
    receipts,
    reconcile,
    releases,
    rotations,
    service_people,
    sessions,
    sso,
    tags,
    terms,
    tokens,
    transfers,
    webhooks,
)

NOUNS: Final = (
    addons,
    attachments,
    apps,
    config_vars,
    releases,
    collaborators,
    app_parts,
    audit,
    account,
    addon_services,
    authorizations,
    clients,
    clock,
    sessions,
    tokens,
    inventory,
    health,
    flags,
    orphans,
    reconcile,
    rotations,
    named_credentials,
    databases,
    sso,
    webhooks,
    listings,
    canaries,
    service_people,
    costs,
    budgets,
    payers,
    transfers,
    terms,
    tags,
    notices,
    cli_logins,
    invitations,
    pre_authorizations,
    previews,
    invoices,
    bookkeeping,
    payouts,
    payments,
    payment_keeping,
    receipts,
    dunning,
)
"""In the order in which paths are tried: what is asked for most comes first."""


def install(app: FastAPI) -> None:
    """Give the application every endpoint as a route of its own.

    Not by `include_router`, whose nested matching costs more per request than the rest of the routing.
    """
    for noun in NOUNS:
        app.router.routes.extend(noun.router.routes)
