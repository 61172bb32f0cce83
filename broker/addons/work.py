"""Claiming an operation and loading all that its call needs. No provider is called here."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import JSONB

from broker.addons.gate import Limits, admit
from broker.addons.hold import given_up, hold
from broker.addons.models import Addon, Operation, OperationKind, OperationState, Rotation
from broker.addons.ports import (
    Answer,
    DeprovisionCall,
    Grant,
    PlanChangeCall,
    ProviderAccess,
    ProvisionCall,
    RefreshCall,
    Reply,
    RotateCall,
)
from broker.apps.models import App
from broker.catalog.models import AddonService, Plan
from broker.catalog.shared_secrets import old_password, open_secrets, owner
from broker.kernel.context import Context
from broker.kernel.db import Tx
from broker.kernel.direct import Direct, Record, filled, placeholders
from broker.kernel.ids import new_id
from broker.kernel.secret import Secret
from broker.oauth.models import OAuthGrant

LEASE: Final = timedelta(seconds=10)
"""How long a claim lasts without a heartbeat: after it, another worker takes the operation over."""

ADVANCE: Final = "broker.advance"
"""Name of the job that advances one operation."""

GRANT_LIFE: Final = timedelta(minutes=5)

Call = ProvisionCall | PlanChangeCall | DeprovisionCall | RotateCall | RefreshCall


@dataclass(frozen=True, slots=True)
class Work:
    """A claimed operation: with the call to make, or with the reply that stands without one."""

    operation_id: UUID
    addon_id: UUID
    service_id: UUID
    kind: OperationKind
    fencing: int
    attempts: int
    expired: bool
    call: Call | None
    reply: Reply | None = None


def history_entry(at: datetime, step: str, outcome: str, **more: Any) -> list[dict[str, Any]]:
    """One entry to append to an operation's history. Never a secret, never a body."""
    entry = {"at": at.isoformat(timespec="milliseconds"), "step": step, "outcome": outcome}
    return [entry | {key: value for key, value in more.items() if value is not None}]


async def claim(ctx: Context, operation_id: UUID, limits: Limits, lease: timedelta = LEASE) -> Work | None:
    """Take the operation if it is due, nobody holds it and its service has a place, and note that a call begins.

    Transactions: one of its own, committed before the call, so that a crash leads to a repeat and never to oblivion.
    """
    async with ctx.database.transaction() as tx:
        now = ctx.clock.now()
        row = await _DUE.first(tx, operation_id=operation_id, now=now)
        if row is None:
            return None
        reply = Reply(Answer.DEADLINE) if row.state == OperationState.WAITING else None
        if reply is None and (held := await admit(tx, row.service_id, row.service_name, now, limits)):
            reply = given_up(row, held, now)
            if reply is None:
                await hold(tx, operation_id, row, held, now, due=_due(now), job=ADVANCE)
                return None
        return await _take(tx, ctx, operation_id, row.service_id, reply, now, lease)


def _due(now: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    return and_(
        Operation.finished_at.is_(None),
        or_(
            and_(Operation.state == OperationState.PENDING, Operation.next_at <= now),
            and_(Operation.state == OperationState.RUNNING, Operation.lease_until <= now),
            and_(Operation.state == OperationState.WAITING, Operation.deadline_at <= now),
        ),
    )


_NOW: Final = bindparam("now", type_=Operation.created_at.type)
_OPERATION: Final = bindparam("operation_id", type_=Operation.id.type)
_DUE: Final = Direct(
    select(
        Operation.kind,
        Operation.state,
        Operation.may_exist,
        Operation.created_at,
        Addon.service_id,
        AddonService.name.label("service_name"),
    )
    .join(Addon, Addon.id == Operation.addon_id)
    .join(AddonService, AddonService.id == Addon.service_id)
    .where(Operation.id == _OPERATION, _due(_NOW))
)


async def _take(
    tx: Tx, ctx: Context, operation_id: UUID, service_id: UUID, reply: Reply | None, now: datetime, lease: timedelta
) -> Work | None:
    entry = history_entry(now, "call", "started")
    claimed = await _CLAIM.first(tx, operation_id=operation_id, now=now, until=now + lease, entry=entry)
    if claimed is None:
        return None
    kind = OperationKind(claimed["kind"])
    return Work(
        operation_id=operation_id,
        addon_id=claimed["addon_id"],
        service_id=service_id,
        kind=kind,
        fencing=claimed["fencing"],
        attempts=claimed["attempts"],
        expired=claimed["deadline_at"] <= now or reply is not None,
        call=None if reply else await _call(tx, ctx, operation_id, kind, claimed, now),
        reply=reply,
    )


_CLAIM: Final = Direct(
    update(Operation)
    .where(Operation.id == _OPERATION, _due(_NOW))
    .values(
        may_exist=or_(Operation.may_exist, Operation.state == OperationState.RUNNING),
        state=OperationState.RUNNING,
        fencing=Operation.fencing + 1,
        attempts=Operation.attempts + 1,
        lease_until=bindparam("until"),
        updated_at=_NOW,
        history=Operation.history.op("||")(bindparam("entry", type_=JSONB)),
    )
    .returning(
        Operation.addon_id,
        Operation.kind,
        Operation.fencing,
        Operation.attempts,
        Operation.deadline_at,
        Operation.plan_id,
        Operation.options_sealed,
    )
)


async def heartbeat(ctx: Context, work: Work, lease: timedelta = LEASE) -> bool:
    """Extend the claim; False if somebody else has settled or taken the operation."""
    async with ctx.database.transaction() as tx:
        result = await tx.execute(
            update(Operation)
            .where(
                Operation.id == work.operation_id, Operation.fencing == work.fencing, Operation.finished_at.is_(None)
            )
            .values(lease_until=ctx.clock.now() + lease)
        )
        return result.rowcount == 1


async def _call(tx: Tx, ctx: Context, operation_id: UUID, kind: OperationKind, claimed: Record, now: datetime) -> Call:
    row = await _SUBJECT.first(tx, addon_id=claimed["addon_id"], plan_id=claimed["plan_id"])
    assert row is not None, "operations refer to add-ons"
    access = _access(ctx, row)
    if kind is OperationKind.DEPROVISION:
        return DeprovisionCall(access, row.id, row.provider_id)
    if kind in (OperationKind.PLAN_CHANGE, OperationKind.PLAN_RESTORE):
        return PlanChangeCall(access, row.id, row.app_id, row.provider_id, row.plan_slug)
    if kind is OperationKind.ROTATE:
        rotation = select(Rotation.id).where(Rotation.operation_id == operation_id)
        return RotateCall(access, row.id, row.provider_id, (await tx.execute(rotation)).scalar_one())
    if kind is OperationKind.REFRESH:
        return RefreshCall(access, row.id, row.provider_id)
    grant = None if access.is_v1 else await mint_grant(tx, row.id, now)
    options = open_options(ctx, row.app_id, row.app_data_key, claimed["options_sealed"], row.id)
    requires = tuple(row.requires)
    return ProvisionCall(access, row.id, row.name, row.app_id, row.plan_slug, row.region, options, grant, requires)


_SUBJECT: Final = Direct(
    select(
        Addon.id,
        Addon.name,
        Addon.app_id,
        Addon.region,
        Addon.provider_id,
        Plan.slug.label("plan_slug"),
        App.data_key.label("app_data_key"),
        AddonService.id.label("service_id"),
        AddonService.slug,
        AddonService.api_version,
        AddonService.base_url,
        AddonService.url_style,
        AddonService.requires,
        AddonService.data_key,
        AddonService.password_sealed,
        AddonService.old_password_sealed,
        AddonService.old_secrets_until,
    )
    .join(App, App.id == Addon.app_id)
    .join(AddonService, AddonService.id == Addon.service_id)
    .join(Plan, Plan.id == func.coalesce(bindparam("plan_id", type_=Plan.id.type), Addon.plan_id))
    .where(Addon.id == bindparam("addon_id"))
)


def _access(ctx: Context, row: Record) -> ProviderAccess:
    service_id, until = row.service_id, row.old_secrets_until
    key = ctx.vault.unwrap(row.data_key, owner(service_id))
    password = open_secrets(key, service_id, row.password_sealed, None).password
    old = old_password(key, service_id, row.old_password_sealed, until, ctx.clock.now())
    return ProviderAccess(row.slug, row.api_version, row.base_url, row.url_style, password, old)


async def mint_grant(tx: Tx, addon_id: UUID, now: datetime) -> Grant:
    """A fresh grant for one call. Its code is nowhere in the database, only its hash.

    Transactions: committed before the provider sees the code, because real providers exchange it inside the call.
    """
    code = Secret(str(UUID(bytes=secrets.token_bytes(16), version=4)))
    expires_at = now + GRANT_LIFE
    code_hash = hashlib.sha256(code.reveal().encode()).digest()
    row = {"id": new_id(), "addon_id": addon_id, "code_hash": code_hash, "expires_at": expires_at, "created_at": now}
    await _GRANT.all(tx, **filled(row))
    return Grant(code, expires_at)


_GRANT: Final = Direct(insert(OAuthGrant).values(placeholders("id addon_id code_hash expires_at created_at")))


def options_place(addon_id: UUID) -> str:
    """Where the options of a provision are sealed for."""
    return f"operations:{addon_id}:options:1"


def open_options(
    ctx: Context, app_id: UUID, app_data_key: bytes | None, sealed: bytes | None, addon_id: UUID
) -> Mapping[str, str]:
    """The options that the user gave, which may hold secrets; none once the app and its key are gone."""
    if sealed is None or app_data_key is None:
        return {}
    key = ctx.vault.unwrap(app_data_key, f"apps:{app_id}")
    options: dict[str, str] = json.loads(key.open(sealed, options_place(addon_id)))
    return options
