"""The JSON shapes of budgets and previews: all outside of the public Platform API schema.

Amounts are integers of minor units (cents for usd), with their currency beside them.
"""

from __future__ import annotations

from typing_extensions import TypedDict


class BudgetScope(TypedDict):
    """What a budget is for: the whole `account`, an `app`, a `service` or a `token`."""

    kind: str
    id: str
    name: str


class Budget(TypedDict):
    """What may be spent in a month. `used_minor` is what has accrued, and what everything that is there costs until the end
    of the `month`; `policy` is `notify`, `block_new` or `suspend_metered`."""

    id: str
    scope: BudgetScope
    limit_minor: int
    used_minor: int
    currency: str
    month: str
    policy: str
    created_at: str
    updated_at: str


class BudgetNotice(TypedDict):
    """That a part of a budget was reached; `step` in percent."""

    month: str
    step: int
    used_minor: int
    limit_minor: int
    currency: str
    created_at: str


class BudgetRequest(TypedDict):
    """Somebody asks for what a budget does not allow: `pending`, `approved` or `refused`. `amount_minor` is what it costs until
    the end of the month in which it was asked for."""

    id: str
    asked_by: str
    app: str
    addon: str | None
    what: str
    amount_minor: int
    currency: str
    state: str
    decided_at: str | None
    expires_at: str
    used_at: str | None
    created_at: str


class PreviewCost(TypedDict):
    """The price per month, now and then, and by how much the account's `month` gets dearer until its end."""

    currency: str
    monthly_before_minor: int
    monthly_after_minor: int
    month: str
    month_delta_minor: int
    metered: bool


class PreviewApp(TypedDict):
    """What an app would get: its release (null: perhaps none) with the names of config vars that are other in it."""

    name: str
    release: int | None
    added: list[str]
    changed: list[str]
    removed: list[str]
    may_change: list[str]


class PreviewObstacle(TypedDict):
    """Why the change would be refused as it was asked for."""

    id: str
    message: str


class Preview(TypedDict):
    """What a change would do; none of it was done. `cost` is null where there is none, and for who does not pay."""

    action: str
    addon: str | None
    plan: str
    cost: PreviewCost | None
    apps: list[PreviewApp]
    reversible: bool
    reversibility: str
    obstacles: list[PreviewObstacle]
