"""What the add-ons of an app cost a month by their prices, as people want to know it at a glance. Bills are billing's. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from broker.addons.models import AddonState, Suspension
from broker.addons.queries import AddonView
from broker.kernel.money import Money

_BILLED = (AddonState.PROVISIONING, AddonState.PROVISIONED)


def monthly_estimate(addons: Iterable[AddonView], app_id: UUID) -> tuple[Money, ...]:
    """The sum of the prices of what is billed to an app, one for each currency; before usage, trials and tax."""
    sums: dict[str, int] = {}
    for addon in addons:
        if addon.app_id == app_id and addon.state in _BILLED:
            sums[addon.currency] = sums.get(addon.currency, 0) + _price(addon)
    return tuple(Money(minor, currency) for currency, minor in sorted(sums.items()))


def _price(addon: AddonView) -> int:
    if addon.suspended_for is None:
        return addon.price_cents
    return addon.plan.suspended_cents if addon.suspended_for == Suspension.UNPAID else 0
