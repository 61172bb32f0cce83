"""What is offered to somebody costs, in the shapes of this face."""

from __future__ import annotations

from collections.abc import Sequence

from broker.addons.offered import OfferedPlan
from broker.platform_api import term_shapes


def offered_shapes(plans: Sequence[OfferedPlan]) -> list[term_shapes.OfferedPlan]:
    """The plans of what is offered."""
    return [
        {"plan": each.plan, "price_cents": each.price_cents, "currency": each.currency, "metered": each.metered}
        for each in plans
    ]
