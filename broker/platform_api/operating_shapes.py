"""The JSON shapes of what the running of a broker needs: all outside of the public Platform API schema.

`shapes.py` shows them in the OpenAPI document.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict


class Orphan(TypedDict):
    """A resource that may be left at a provider though nobody wants it. `price_cents` is the last price, per month."""

    id: str
    provider: str
    service: str
    addon_id: str
    addon: str
    app: str
    ownership: str
    resource_id: str | None
    plan: str
    price_cents: int
    currency: str
    reason: str
    since: str
    state: str
    attempts: int
    next_attempt_at: str | None
    last_answer: str | None
    history: list[dict[str, Any]]
    updated_at: str


class Flag(TypedDict):
    """What the installation does, unless an operator has switched it off; as a whole, or for one service."""

    name: str
    service: str | None
    on: bool
    meaning: str
    reason: str | None
    changed_by: str | None
    changed_at: str | None


class AccountLock(TypedDict):
    """Whether a person's account is locked; since when, by which operator and why."""

    id: str
    email: str
    locked: bool
    locked_at: str | None
    locked_by: str | None
    reason: str | None


class ProviderHealth(TypedDict):
    """How the provider of a service has been answering. `faults` are those in a row."""

    service: str
    name: str
    circuit: str
    faults: int
    last_fault: str | None
    last_fault_at: str | None
    last_ok_at: str | None
    next_try_at: str | None
    running: int
    queued: int
    waiting: int


class PendingOperation(TypedDict):
    """An unfinished operation: why it is not finished, and when it is tried next."""

    id: str
    addon: dict[str, str]
    app: dict[str, str]
    kind: str
    state: str
    attempts: int
    next_attempt_at: str | None
    deadline_at: str
    reason: str | None
    created_at: str
    updated_at: str


class Drift(TypedDict):
    """One thing that does not agree. `fix` is what a run with `fix` does about it, if it is safe."""

    kind: str
    service: str
    addon_id: str | None
    addon: str | None
    resource_id: str | None
    price_cents: int
    currency: str
    explanation: str
    fix: str | None
    fixed: bool


class ReconciledService(TypedDict):
    """What was seen of a service. `listed` is null, with a `note`, if its provider gave no list."""

    service: str
    in_use: int
    listed: int | None
    note: str | None


class DriftMoney(TypedDict):
    """What drifts cost in a month: there and not paid for, and paid for and not there."""

    currency: str
    unpaid_cents: int
    overbilled_cents: int


class DriftReport(TypedDict):
    """The outcome of a run. Of very many drifts some are not shown, but counted in `not_shown` and `money`."""

    services: list[ReconciledService]
    drifts: list[Drift]
    not_shown: int
    money: list[DriftMoney]


class ReconcileRun(TypedDict):
    """One comparison of what we believe, what providers list and what is billed. `state`: pending, running, finished, failed."""

    id: str
    state: str
    service: str | None
    fix: bool
    requested_by: str
    created_at: str
    finished_at: str | None
    report: DriftReport | None


class AuditEntry(TypedDict):
    """A fact: who did what to what, from where, with which token. `position` and `digest` are its link of the chain, once sealed."""

    id: str
    at: str
    kind: str
    actor: dict[str, str]
    app_id: str | None
    addon_id: str | None
    data: dict[str, Any]
    authorization_id: str | None
    client_id: str | None
    address: str | None
    request_id: str | None
    position: int | None
    digest: str | None


class AuditVerification(TypedDict):
    """A part of the audit chain that was computed again. `head` and `digest` are of its last link: worth keeping elsewhere.

    `state` is `agrees`, `differs` or `waits`: nothing differs, but the `unsealed` facts wait since `waiting_since` because
    no worker seals them.
    """

    links: int
    head: int
    digest: str
    differences: list[str]
    after: int | None
    unsealed: int
    waiting_since: str | None
    state: str


class TestClock(TypedDict):
    """What the broker's clock says, how many seconds that is before the machine's, and where it is being set forward to."""

    now: str
    ahead_s: int
    aim_at: str | None
