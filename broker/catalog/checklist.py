"""What a listing must have before everybody is sent to it: points that are looked up, and points that a person checks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from broker.catalog.views import GA, PlanView, ServiceView


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the checklist. `met` is None for what a person has to check and nobody has yet."""

    name: str
    title: str
    manual: bool
    met: bool | None

    def stored(self) -> dict[str, Any]:
        """As a review keeps it."""
        return {"name": self.name, "title": self.title, "manual": self.manual, "met": self.met}


MANUAL: Final = {
    "tried": "The operator has added it to an app, opened its dashboard and removed it again.",
    "support": "Its support address answers.",
    "terms": "Its partner has agreed to the terms of the marketplace.",
}
_MANUAL_FOR_GA: Final = {"prices": "Its prices and their payout are agreed."}


def checklist(service: ServiceView, plans: list[PlanView], wanted: str) -> list[Point]:
    """The points for bringing this listing to the state `wanted`."""
    listing, public = service.listing, [plan for plan in plans if plan.visible]
    looked_up = {
        "description": ("It says what it is for, in a tagline and a description.",
                        bool(listing.tagline and listing.description)),
        "docs": ("Its documentation is in the listing or linked from it.", bool(listing.docs or listing.docs_url)),
        "support_email": ("It has a support e-mail address.", bool(listing.support_email)),
        "logo": ("It has a logo.", bool(listing.logo or listing.logo_url)),
        "default_plan": ("Whoever adds it without naming a plan gets one.", any(plan.is_default for plan in public)),
        "kit": ("Its provider passes the test kit.", _passes(service.conformance)),
    }  # fmt: skip
    by_hand = MANUAL | (_MANUAL_FOR_GA if wanted == GA else {})
    return [Point(name, title, False, met) for name, (title, met) in looked_up.items()] + [
        Point(name, title, True, None) for name, title in by_hand.items()
    ]


def _passes(conformance: Mapping[str, Any] | None) -> bool:
    summary = (conformance or {}).get("summary")
    return isinstance(summary, Mapping) and summary.get("failed") == 0 and bool(summary.get("passed"))
