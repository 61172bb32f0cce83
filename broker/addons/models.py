"""Tables of add-ons, attachments and operations, and the state machines with their legal transitions."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from broker.kernel.db import Base


class AddonState(StrEnum):
    """Where an add-on is in its life; the words are the Platform API's."""

    PROVISIONING = "provisioning"
    PROVISIONED = "provisioned"
    DEPROVISIONING = "deprovisioning"
    DEPROVISIONED = "deprovisioned"


ADDON_TRANSITIONS: Final[dict[AddonState, frozenset[AddonState]]] = {
    AddonState.PROVISIONING: frozenset({AddonState.PROVISIONED, AddonState.DEPROVISIONING, AddonState.DEPROVISIONED}),
    AddonState.PROVISIONED: frozenset({AddonState.DEPROVISIONING}),
    AddonState.DEPROVISIONING: frozenset({AddonState.DEPROVISIONED}),
    AddonState.DEPROVISIONED: frozenset(),
}


class OperationKind(StrEnum):
    """What an operation does."""

    PROVISION = "provision"
    PLAN_CHANGE = "plan_change"
    PLAN_RESTORE = "plan_restore"
    """A plan change failed and may have taken effect all the same: the provider is brought back to the plan that is billed."""
    DEPROVISION = "deprovision"
    REFRESH = "refresh"
    """The provider sent new config: done when it is recorded. Or it is asked for the config that holds now."""
    ROTATE = "rotate"
    """The provider issues new credentials, while the old ones go on working."""


class OperationState(StrEnum):
    """Where an operation is. `pending`: to be run at `next_at`; `running`: claimed until `lease_until`;
    `waiting`: the provider accepted and will call back before `deadline_at`."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Ownership(StrEnum):
    """Where the resource behind an add-on comes from. Only what the broker had made is ever deleted by itself."""

    CREATED = "created"
    IMPORTED = "imported"


class Suspension(StrEnum):
    """Why a provisioned add-on can't be used for the time being."""

    UNPAID = "unpaid"
    """For want of payment: until the account pays, at the plan's price of suspension."""
    UNBILLED = "unbilled"
    """Through no fault of its user's: until an operator ends it, and without any charge."""
    TRIAL = "trial"
    """Its trial is over: until the account agrees to pay for it, and without any charge."""


class OrphanState(StrEnum):
    """`open` until the provider says that it is gone (`deleted`), or an operator says why it is no longer ours to delete
    (`resolved`)."""

    OPEN = "open"
    DELETED = "deleted"
    RESOLVED = "resolved"


class RotationState(StrEnum):
    """Where one change of an add-on's credentials is. `overlap`: old and new ones work; `revoking`: the old ones are
    being withdrawn."""

    ISSUING = "issuing"
    OVERLAP = "overlap"
    REVOKING = "revoking"
    FINISHED = "finished"
    FAILED = "failed"


class CredentialState(StrEnum):
    """Where a credential of its own is. `removing`: the provider is asked until it is gone, and then the row goes."""

    CREATING = "creating"
    ACTIVE = "active"
    REMOVING = "removing"
    FAILED = "failed"


class Permission(StrEnum):
    """What a credential may do with the data."""

    READ_WRITE = "read_write"
    READ_ONLY = "read_only"


class Acknowledgement(StrEnum):
    """How it is known that an app runs with its new credentials; `deadline`: it is not, and the overlap is over."""

    RUN = "broker run"
    API = "api"
    WEBHOOK = "webhook"
    DEADLINE = "deadline"


UNFINISHED: Final = (OperationState.PENDING, OperationState.RUNNING, OperationState.WAITING)


class Addon(Base):
    """One provisioned resource. Its id is the `uuid` that the provider knows it by."""

    __tablename__ = "addons"
    __table_args__ = (
        Index("uq_addons_name", "name", unique=True, postgresql_where=text("state <> 'deprovisioned'")),
        Index("ix_addons_name", "name"),
        Index("ix_addons_app_id", "app_id"),
        Index("ix_addons_service_id", "service_id"),
        Index("ix_addons_suspended", "id", postgresql_where=text("suspended_at is not null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    app_id: Mapped[UUID] = mapped_column(ForeignKey("apps.id"))
    service_id: Mapped[UUID] = mapped_column(ForeignKey("addon_services.id"))
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plans.id"))
    price_cents: Mapped[int]
    currency: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str | None]
    """Why it is not what was asked for, in words for the user."""
    region: Mapped[str]
    ownership: Mapped[str] = mapped_column(server_default=Ownership.CREATED)
    provider_id: Mapped[str | None]
    provision_message: Mapped[str | None]
    suspended_at: Mapped[datetime | None]
    suspended_for: Mapped[str | None]
    """Why: see `Suspension`."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deprovisioned_at: Mapped[datetime | None]


class AddonConfig(Base):
    """One value that the provider gave, under the manifest's name, sealed with the billing app's data key."""

    __tablename__ = "addon_config"

    addon_id: Mapped[UUID] = mapped_column(ForeignKey("addons.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    generation: Mapped[int]
    value_sealed: Mapped[bytes]


class Attachment(Base):
    """A link from an add-on to an app under a name; while it stands, its config vars are the app's."""

    __tablename__ = "attachments"
    __table_args__ = (UniqueConstraint("app_id", "name"), Index("ix_attachments_addon_id", "addon_id"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    app_id: Mapped[UUID] = mapped_column(ForeignKey("apps.id"))
    addon_id: Mapped[UUID] = mapped_column(ForeignKey("addons.id"))
    name: Mapped[str]
    wanted_name: Mapped[str | None]
    """The confirmed name that it takes over, from whatever has it, when the add-on is provisioned."""
    namespace: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Operation(Base):
    """One durable run of provision, plan change or deprovision. The row is the truth; a job only says: advance it."""

    __tablename__ = "operations"
    __table_args__ = (
        Index("ix_operations_addon_id", "addon_id", "created_at"),
        Index("uq_operations_unfinished", "addon_id", unique=True, postgresql_where=text("finished_at is null")),
        Index("ix_operations_due", "next_at", postgresql_where=text("finished_at is null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    addon_id: Mapped[UUID] = mapped_column(ForeignKey("addons.id"))
    kind: Mapped[str]
    state: Mapped[str]
    step: Mapped[str]
    attempts: Mapped[int]
    fencing: Mapped[int]
    """Counted up by each claim and each settlement from outside; whoever holds an old number has lost."""
    next_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    deadline_at: Mapped[datetime]
    may_exist: Mapped[bool]
    """Whether some earlier attempt may have left a resource at the provider; decides about the orphan ledger."""
    reason: Mapped[str | None]
    error_id: Mapped[str | None]
    plan_id: Mapped[UUID | None]
    """The plan that a plan change goes to."""
    options_sealed: Mapped[bytes | None]
    actor_id: Mapped[UUID]
    actor_email: Mapped[str]
    authorization_id: Mapped[UUID | None]
    """The token that it was asked for with: what a budget of that token counts."""
    history: Mapped[list[Any]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Orphan(Base):
    """A resource that may exist at a provider though the broker does not want it; kept until it is known to be gone."""

    __tablename__ = "orphans"
    __table_args__ = (Index("ix_orphans_due", "next_at", postgresql_where=text("state = 'open'")),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    addon_id: Mapped[UUID] = mapped_column(unique=True)
    service_id: Mapped[UUID] = mapped_column(ForeignKey("addon_services.id"))
    plan_id: Mapped[UUID] = mapped_column(ForeignKey("plans.id"))
    provider_id: Mapped[str | None]
    price_cents: Mapped[int]
    reason: Mapped[str]
    state: Mapped[str]
    attempts: Mapped[int]
    """Counted up by each claim: the number of an attempt is its fencing token."""
    next_at: Mapped[datetime | None]
    """When it is tried next; null for what is never tried, because it was not made here."""
    lease_until: Mapped[datetime | None]
    """While a call is under way: until when nobody else makes one."""
    last_answer: Mapped[str | None]
    history: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    since: Mapped[datetime]
    updated_at: Mapped[datetime]


class Rotation(Base):
    """One change of an add-on's credentials, from the question for new ones to the end of the old. Its id is what the
    provider knows it by."""

    __tablename__ = "rotations"
    __table_args__ = (
        Index("ix_rotations_addon_id", "addon_id", "created_at"),
        Index("ix_rotations_due", "next_at", postgresql_where=text("finished_at is null")),
        Index("ix_rotations_leased", "lease_until", postgresql_where=text("lease_until is not null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    addon_id: Mapped[UUID] = mapped_column(ForeignKey("addons.id"))
    operation_id: Mapped[UUID | None]
    """The operation that asks for the new credentials, whose history goes on until the old ones are gone."""
    generation: Mapped[int | None]
    """Of the credentials that it issued; counted from 1, which are those of the provision."""
    state: Mapped[str]
    by_provider: Mapped[bool]
    """Whether the provider sent new config by itself."""
    overlap_s: Mapped[int]
    revoke_at: Mapped[datetime | None]
    """When the old credentials are withdrawn at the latest."""
    attempts: Mapped[int]
    """Counted up by each claim: the number of an attempt is its fencing token."""
    next_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    last_answer: Mapped[str | None]
    actor_id: Mapped[UUID]
    actor_email: Mapped[str]
    created_at: Mapped[datetime]
    issued_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class RotationApp(Base):
    """An app that got the credentials of a rotation with a release, and whether it runs with them."""

    __tablename__ = "rotation_apps"
    __table_args__ = (Index("ix_rotation_apps_app_id", "app_id", postgresql_where=text("acknowledged_at is null")),)

    rotation_id: Mapped[UUID] = mapped_column(ForeignKey("rotations.id"), primary_key=True)
    app_id: Mapped[UUID] = mapped_column(ForeignKey("apps.id"), primary_key=True)
    release_version: Mapped[int]
    acknowledged_at: Mapped[datetime | None]
    how: Mapped[str | None]


class AddonCredential(Base):
    """A login of its own to an add-on, for the attachments that name it. Its id is what the provider knows it by."""

    __tablename__ = "addon_credentials"
    __table_args__ = (
        Index("uq_addon_credentials_name", "addon_id", "name", unique=True, postgresql_where=text("state <> 'failed'")),
        Index("ix_addon_credentials_due", "next_at", postgresql_where=text("next_at is not null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    addon_id: Mapped[UUID] = mapped_column(ForeignKey("addons.id"))
    name: Mapped[str]
    permission: Mapped[str]
    state: Mapped[str]
    while_attached: Mapped[bool]
    """Whether it goes with the last attachment that uses it."""
    was_attached: Mapped[bool]
    config_sealed: Mapped[bytes | None]
    """The values that the provider gave, as JSON, sealed with the billing app's data key."""
    reason: Mapped[str | None]
    attempts: Mapped[int]
    """Counted up by each claim: the number of an attempt is its fencing token."""
    next_at: Mapped[datetime | None]
    """When its provider is asked next, to make it or to remove it."""
    lease_until: Mapped[datetime | None]
    last_answer: Mapped[str | None]
    actor_id: Mapped[UUID]
    actor_email: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class SsoSignOn(Base):
    """The newest second for which a sign-on was minted, per add-on and user: no two share one."""

    __tablename__ = "sso_sign_ons"

    addon_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    last_timestamp: Mapped[int]


class ProviderHealth(Base):
    """How a service's provider has been answering, and what it may take: one row per service, see `gate.py`."""

    __tablename__ = "provider_health"

    service_id: Mapped[UUID] = mapped_column(ForeignKey("addon_services.id"), primary_key=True)
    circuit: Mapped[str]
    faults: Mapped[int]
    """In a row, without an answer in between."""
    retry_at: Mapped[datetime | None]
    next_slot: Mapped[datetime | None]
    crowded_until: Mapped[datetime | None]
    """Until then, jobs of this service go behind those of others."""
    last_ok_at: Mapped[datetime | None]
    last_fault_at: Mapped[datetime | None]
    last_fault: Mapped[str | None]


class ReconcileRun(Base):
    """One comparison of what we believe, what the providers list and what is billed; its report, once it is finished."""

    __tablename__ = "reconcile_runs"
    __table_args__ = (
        Index("ix_reconcile_runs_created_at", "created_at"),
        Index("ix_reconcile_runs_unfinished", "lease_until", postgresql_where=text("finished_at is null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str]
    service_id: Mapped[UUID | None] = mapped_column(ForeignKey("addon_services.id"))
    """The one service that is looked at; null for all."""
    fix: Mapped[bool]
    actor_id: Mapped[UUID]
    actor_email: Mapped[str]
    fencing: Mapped[int]
    lease_until: Mapped[datetime | None]
    report: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class PartnerToken(Base):
    """A token of a provider, good for one add-on; stored as a hash. `kind` is `access` or `refresh`."""

    __tablename__ = "partner_tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    addon_id: Mapped[UUID] = mapped_column(ForeignKey("addons.id"), index=True)
    grant_id: Mapped[UUID] = mapped_column(index=True)
    """The grant that it goes back to: when its code turns up again, everything that came of it is revoked."""
    kind: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    minted_under: Mapped[bytes]
    """The hash of the client secret that it was asked for with: an access token dies with that secret."""
    expires_at: Mapped[datetime | None]
    """Null for refresh tokens, which live as long as the add-on."""
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
