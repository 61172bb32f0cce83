"""Plans side by side, by what their features are called. Drawing the table is the faces' matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from broker.catalog.views import PlanView


@dataclass(frozen=True, slots=True)
class Comparison:
    """Plans side by side: a row per plan, a cell per label, empty where a plan does not say."""

    labels: tuple[str, ...]
    rows: tuple[tuple[PlanView, tuple[str, ...]], ...]


def compare(plans: Sequence[PlanView]) -> Comparison:
    """The features of the plans, labels in the order in which the plans bring them up."""
    labels = tuple(dict.fromkeys(label for plan in plans for label in plan.features))
    return Comparison(labels, tuple((plan, tuple(plan.features.get(label, "") for label in labels)) for plan in plans))
