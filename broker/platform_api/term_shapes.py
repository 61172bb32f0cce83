"""The JSON shapes of payers, transfers, trials, scheduled plan changes and tags. Only the app transfer is in the public schema."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from broker.faces.shapes import Ref, UserRef


class OfferedPlan(TypedDict):
    """The plan of an add-on that somebody would pay for, per month; `metered`: and what is used of it."""

    plan: str
    price_cents: int
    currency: str
    metered: bool


class AppTransfer(TypedDict):
    """An app that is offered to somebody. `declined` also when the sender took it back; `plans` while it is pending."""

    id: str
    app: Ref
    owner: UserRef
    recipient: UserRef
    state: Literal["pending", "accepted", "declined"]
    plans: list[OfferedPlan]
    created_at: str
    updated_at: str


class AddonTransfer(TypedDict):
    """An add-on that is offered to somebody; `app` is the one that it was billed to, `to_app` the id of where it went."""

    id: str
    addon: Ref
    app: Ref
    to_app: str | None
    owner: UserRef
    recipient: UserRef
    state: Literal["pending", "accepted", "declined"]
    plans: list[OfferedPlan]
    created_at: str
    updated_at: str


class Payer(TypedDict):
    """Somebody who was asked to pay for an app in its owner's place. `state` is `pending`, `accepted`, `declined`,
    `withdrawn` (by the owner, before the answer) or `ended`."""

    id: str
    app: Ref
    owner: UserRef
    payer: UserRef
    state: str
    plans: list[OfferedPlan]
    created_at: str
    accepted_at: str | None
    ended_at: str | None


class Trial(TypedDict):
    """An account's trial of a service. `addon` has it now; `accepted_at`: the account agreed to pay from `ends_at` on;
    `outcome`: `paid` or `suspended`, once it is over."""

    addon_service: str
    addon: Ref | None
    app: Ref | None
    plan: str | None
    price_cents: int | None
    currency: str | None
    started_at: str | None
    ends_at: str | None
    accepted_at: str | None
    outcome: str | None


class ScheduledPlanChange(TypedDict):
    """The plan that an add-on is going to have."""

    plan: str
    effective_at: str
    asked_by: str


class AddonTerms(TypedDict):
    """What is going to change about an add-on, and who pays for it."""

    payer: UserRef
    trial: Trial | None
    scheduled_plan_change: ScheduledPlanChange | None


class TagSet(TypedDict):
    """Names and values."""

    tags: dict[str, str]
