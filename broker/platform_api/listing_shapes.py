"""The JSON shapes of a partner's side of the marketplace: outside of the public Platform API schema.

`shapes.py` shows them in the OpenAPI document.
"""

from __future__ import annotations

from typing_extensions import TypedDict

from broker.faces.shapes import Conformance, Reliability, Sunset


class ChecklistPoint(TypedDict):
    """One point of a checklist. `met` is null for what a person checks and nobody has yet."""

    name: str
    title: str
    manual: bool
    met: bool | None


class PlanPriceVersion(TypedDict):
    """A price of a plan from an instant on. Units: `price_cents` per month."""

    price_cents: int
    currency: str
    valid_from: str


class ListedPlan(TypedDict):
    """A plan as its partner sees it, with every price that it had, oldest first."""

    name: str
    state: str
    default: bool
    price_cents: int
    currency: str
    prices: list[PlanPriceVersion]


class OwnService(TypedDict):
    """A service that one works on, and as what. `revision` is that of its manifest."""

    id: str
    name: str
    human_name: str
    state: str
    role: str
    revision: int
    sunset: Sunset | None
    conformance: Conformance | None
    reliability: Reliability | None
    created_at: str
    updated_at: str


class OwnListing(OwnService):
    """The same with what is sold, and what is needed for the next state."""

    plans: list[ListedPlan]
    next_state: str | None
    review_pending: bool
    checklist: list[ChecklistPoint]


class ServiceReview(TypedDict):
    """A review that would bring a listing to the state `wanted`."""

    id: str
    service: str
    wanted: str
    state: str
    checklist: list[ChecklistPoint]
    note: str | None
    requested_by: str
    decided_by: str | None
    created_at: str
    decided_at: str | None


class ServiceMember(TypedDict):
    """Somebody who works for the partner of a service."""

    user: str
    email: str
    role: str
    created_at: str


class Entitlement(TypedDict):
    """A user who is let in where not everybody is: to a plan, or without one to the whole service."""

    email: str
    plan: str | None
    created_at: str
