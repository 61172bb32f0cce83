"""Locking an add-on with every app that it touches, always in one order: apps by id, then the add-on, then its operation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Text, bindparam, cast, select, union

from broker.addons.models import Addon, AddonState, Attachment, Suspension
from broker.addons.term_models import Trial
from broker.apps.releases import LockedApp, lock_app
from broker.billing.timeline import Mode
from broker.catalog.manifest_meters import is_priced
from broker.catalog.models import AddonService, Plan
from broker.kernel.context import Context
from broker.kernel.db import Tx
from broker.kernel.direct import Direct, Record


class AttachmentsMoved(Exception):
    """An attachment to a further app appeared while the locks were being taken, or it is billed to another one: begin the
    transaction again."""


@dataclass(frozen=True, slots=True)
class LockedAttachment:
    """One attachment of a locked add-on."""

    id: UUID
    app_id: UUID
    name: str
    wanted_name: str | None
    namespace: str | None


@dataclass(frozen=True, slots=True)
class LockedAddon:
    """An add-on that nobody else can change until the transaction ends. `apps` holds the live apps that it touches."""

    id: UUID
    name: str
    state: AddonState
    app_id: UUID
    payer_id: UUID | None
    service_id: UUID
    service: str
    service_name: str
    prefix: str
    declared: tuple[str, ...]
    plan_id: UUID
    plan: str
    meters: tuple[Mapping[str, Any], ...]
    price_cents: int
    currency: str
    suspended_cents: int
    suspended_at: datetime | None
    suspended_for: str | None
    trial_days: int
    on_trial: bool
    ownership: str
    provider_id: str | None
    apps: Mapping[UUID, LockedApp]
    attachments: tuple[LockedAttachment, ...]

    @property
    def plan_name(self) -> str:
        return f"{self.service}:{self.plan}"

    @property
    def mode(self) -> Mode:
        """On which terms its time is counted."""
        if self.suspended_for:
            return _MODES[Suspension(self.suspended_for)]
        return Mode.TRIAL if self.on_trial and self.trial_days else Mode.PAID

    @property
    def is_free(self) -> bool:
        """Whether it can never cost anything."""
        return not self.price_cents and not any(map(is_priced, self.meters))


_MODES: Final = {
    Suspension.UNPAID: Mode.SUSPENDED,
    Suspension.UNBILLED: Mode.UNBILLED,
    Suspension.TRIAL: Mode.UNBILLED,
}


async def lock_addon(tx: Tx, ctx: Context, addon_id: UUID, *further_apps: UUID) -> LockedAddon | None:
    """Lock it, its apps, and `further_apps`; None if there is no such add-on.

    Raises: AttachmentsMoved; the caller rolls back and starts over (`with_locks` does).
    """
    wanted = sorted({*await _app_ids(tx, addon_id), *further_apps})
    apps = {app_id: app for app_id in wanted if (app := await lock_app(tx, ctx.vault, app_id))}
    row = await _ADDON.first(tx, addon_id=addon_id)
    if row is None:
        return None
    attachments = await _attachments(tx, addon_id)
    if not {row["app_id"], *(item.app_id for item in attachments)} <= set(wanted):
        raise AttachmentsMoved
    return _locked(row, apps, attachments)


def _locked(row: Record, apps: Mapping[UUID, LockedApp], attachments: tuple[LockedAttachment, ...]) -> LockedAddon:
    billing = apps.get(row["app_id"])
    values = {str(key): value for key, value in row.items() if key not in ("state", "declared", "meters")}
    return LockedAddon(
        **values,
        state=AddonState(row["state"]),
        declared=tuple(row["declared"]),
        meters=tuple(json.loads(row["meters"])),
        payer_id=billing.payer_id if billing else None,
        apps=apps,
        attachments=attachments,
    )


async def _app_ids(tx: Tx, addon_id: UUID) -> set[UUID]:
    return {row[0] for row in await _APP_IDS.all(tx, addon_id=addon_id)}


async def _attachments(tx: Tx, addon_id: UUID) -> tuple[LockedAttachment, ...]:
    return tuple(LockedAttachment(*row) for row in await _ATTACHMENTS.all(tx, addon_id=addon_id))


_ID: Final = bindparam("addon_id", type_=Addon.id.type)
_APP_IDS: Final = Direct(
    union(select(Addon.app_id).where(Addon.id == _ID), select(Attachment.app_id).where(Attachment.addon_id == _ID))
)
_ATTACHMENTS: Final = Direct(
    select(Attachment.id, Attachment.app_id, Attachment.name, Attachment.wanted_name, Attachment.namespace)
    .where(Attachment.addon_id == _ID)
    .order_by(Attachment.created_at, Attachment.id)
)
_ADDON: Final = Direct(
    select(
        Addon.id,
        Addon.name,
        Addon.state,
        Addon.app_id,
        Addon.service_id,
        AddonService.slug.label("service"),
        AddonService.name.label("service_name"),
        AddonService.prefix,
        AddonService.config_vars.label("declared"),
        Addon.plan_id,
        Plan.slug.label("plan"),
        cast(Plan.meters, Text).label("meters"),
        Addon.price_cents,
        Addon.currency,
        Plan.suspended_cents,
        Addon.suspended_at,
        Addon.suspended_for,
        Plan.trial_days,
        Trial.addon_id.is_not(None).label("on_trial"),
        Addon.ownership,
        Addon.provider_id,
    )
    .join(AddonService, AddonService.id == Addon.service_id)
    .join(Plan, Plan.id == Addon.plan_id)
    .outerjoin(Trial, (Trial.addon_id == Addon.id) & Trial.outcome.is_(None))
    .where(Addon.id == _ID)
    .with_for_update(of=Addon)
)
