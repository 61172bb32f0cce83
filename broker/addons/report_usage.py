"""Reporting usage: of any add-on of a service, and by an add-on's token of that add-on."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from broker.addons.partner import Partner
from broker.addons.partner_views import own_addon
from broker.addons.usage_caps import beyond_budgets
from broker.billing.intake import Report, Result, Status, take_in
from broker.catalog.manifest_auth import AuthenticatedService, require_capability
from broker.catalog.models import AddonService
from broker.kernel.context import Context

_OTHER = "This token is another add-on's: use the one of the add-on that was used, or the manifest's password."


async def report_service_usage(ctx: Context, service: AuthenticatedService, reports: Sequence[Report]) -> list[Result]:
    """Take in these reports about add-ons of the service; a result for each, in their order."""
    return await take_in(ctx, service.slug, reports, beyond_budgets)


async def report_usage(ctx: Context, partner: Partner, key: str, reports: Sequence[Report]) -> list[Result]:
    """Take in these reports, as far as they are about the add-on of the token; a result for each, in their order.

    Raises: NotFound; Forbidden for another add-on in the path, and for a manifest without the capability.
    """
    addon_id = await own_addon(ctx, partner, key)
    async with ctx.database.transaction() as tx:
        columns = (AddonService.slug, AddonService.capabilities)
        service = (await tx.execute(select(*columns).where(AddonService.id == partner.service_id))).one()
    require_capability(service.capabilities, "usage")
    own = [report for report in reports if report.addon_id == addon_id]
    results = iter(await take_in(ctx, service.slug, own, beyond_budgets))
    return [
        next(results) if report.addon_id == addon_id else Result(report.id, Status.REFUSED, "unknown_addon", _OTHER)
        for report in reports
    ]
