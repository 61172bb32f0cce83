"""Logins of their own to one add-on: asked for by name, used by attachments with `namespace: credential:NAME`.

The provider is asked by `lend.py`; here are the intents, and who sees what.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, insert, select, update
from sqlalchemy.exc import IntegrityError

from broker.addons.config import stored_config
from broker.addons.locks import LockedAddon
from broker.addons.models import AddonCredential, Attachment, CredentialState, Permission
from broker.addons.resolve import AddonKey, lock_visible_addon, visible_addon
from broker.addons.rotate import check_capability
from broker.addons.settle import with_locks
from broker.addons.wait import NO_WAIT, waiting
from broker.apps.models import App
from broker.events.emit import emit
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Database, Tx
from broker.kernel.errors import Conflict, InvalidParams, NotFound, ProviderRefused, ProviderUnavailable
from broker.kernel.ids import new_id
from broker.kernel.jobs import defer
from broker.kernel.secret import Secret
from broker.kernel.vault import DataKey

LEND: Final = "broker.lend"
"""Name of the job that asks a provider once to make or to remove a credential."""

CAPABILITY: Final = "attachment_credentials"
DEFAULT: Final = "default"
"""The credential that came with the add-on, and that `addons:rotate` changes."""

NAMESPACE: Final = "credential:"
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class CredentialView:
    """A credential without its values. `apps` are those with an attachment that uses it."""

    id: UUID
    addon_id: UUID
    name: str
    permission: str
    state: str
    while_attached: bool
    reason: str | None
    attempts: int
    next_at: datetime | None
    last_answer: str | None
    created_at: datetime
    apps: tuple[str, ...]


async def create_credential(
    ctx: Context,
    actor: Actor,
    key: AddonKey,
    name: str,
    permission: Permission = Permission.READ_WRITE,
    *,
    while_attached: bool = False,
    wait: timedelta = NO_WAIT,
) -> CredentialView:
    """Have the provider make a login of its own. With `while_attached`, it goes with its last attachment.

    Transactions: one for the intent, committed before any wait.
    Raises: NotFound, InvalidParams, Conflict; ProviderRefused or ProviderUnavailable if that is known within `wait`.
    """
    actor.require(Scope.WRITE_PROTECTED)
    if not _NAME.fullmatch(name) or name == DEFAULT:
        raise InvalidParams("name: must begin with a small letter and have only small letters, digits, - and _.")
    credential_id = new_id()

    async def record(tx: Tx) -> None:
        addon = await lock_visible_addon(tx, ctx, actor, key)
        await check_capability(tx, addon, CAPABILITY, "can't give out logins of their own")
        await _insert(tx, addon, credential_id, name, permission, while_attached, actor, ctx.clock.now())

    async with waiting(ctx, credential_id, wait, _settled) as outcome:
        try:
            await with_locks(ctx, record)
        except IntegrityError as error:
            if "uq_addon_credentials_name" not in str(error.orig):
                raise
            raise Conflict(f"There is a credential {name} already.") from None
        await outcome()
    async with ctx.database.transaction() as tx:
        found = await _views(tx, _CREDENTIALS.where(AddonCredential.id == credential_id))
    return _wanted(found[0] if found else None)


def _wanted(view: CredentialView | None) -> CredentialView:
    if view is None or view.state == CredentialState.REMOVING:
        raise ProviderUnavailable((view and view.reason) or "The credential was removed meanwhile.")
    if view.state == CredentialState.FAILED:
        raise ProviderRefused(view.reason or "The provider refused without saying why.")
    return view


async def _settled(database: Database, credential_id: UUID) -> bool:
    async with database.transaction() as tx:
        state = select(AddonCredential.state).where(AddonCredential.id == credential_id)
        return (await tx.execute(state)).scalar() != CredentialState.CREATING


async def _insert(
    tx: Tx, addon: LockedAddon, credential_id: UUID, name: str, permission: Permission, while_attached: bool,
    actor: Actor, now: datetime,
) -> None:  # fmt: skip
    row = {
        "id": credential_id,
        "addon_id": addon.id,
        "name": name,
        "permission": permission,
        "state": CredentialState.CREATING,
        "while_attached": while_attached,
        "was_attached": False,
        "attempts": 0,
        "next_at": now,
        "actor_id": actor.id,
        "actor_email": actor.email,
        "created_at": now,
        "updated_at": now,
    }
    await tx.execute(insert(AddonCredential).values(row))
    await defer(tx, LEND, {"credential_id": str(credential_id), "attempt": 0})
    await emit(
        tx, "credential.requested", actor, now, app_id=addon.app_id, addon_id=addon.id, name=name,
        permission=permission.value,
    )  # fmt: skip


async def list_credentials(ctx: Context, actor: Actor, key: AddonKey) -> list[CredentialView]:
    """The credentials of a visible add-on besides its default one, oldest first.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ)
    async with ctx.database.transaction() as tx:
        addon = await visible_addon(tx, actor, key)
        return await _views(tx, _CREDENTIALS.where(AddonCredential.addon_id == addon.id))


async def reveal_credential(ctx: Context, actor: Actor, key: AddonKey, name: str) -> Mapping[str, Secret]:
    """The values of a credential by name, `default` among them, for who may change the add-on. That it was read is recorded.

    Raises: NotFound, Forbidden.
    """
    actor.require(Scope.READ_PROTECTED)

    async def body(tx: Tx) -> Mapping[str, Secret]:
        addon = await lock_visible_addon(tx, ctx, actor, key)
        if addon.app_id not in addon.apps:
            raise NotFound("credential")  # its app was destroyed, and it is about to go
        data_key = addon.apps[addon.app_id].data_key
        if name == DEFAULT:
            values: Mapping[str, Secret] = await stored_config(tx, addon.id, data_key)
        else:
            values = await _open(tx, addon, name, data_key)
        await emit(tx, "credential.revealed", actor, ctx.clock.now(), app_id=addon.app_id, addon_id=addon.id, name=name)
        return values

    return await with_locks(ctx, body)


async def _open(tx: Tx, addon: LockedAddon, name: str, data_key: DataKey) -> Mapping[str, Secret]:
    named = (AddonCredential.addon_id == addon.id, AddonCredential.name == name)
    statement = select(AddonCredential.id, AddonCredential.config_sealed)
    row = (await tx.execute(statement.where(*named, AddonCredential.state == CredentialState.ACTIVE))).one_or_none()
    if row is None or row.config_sealed is None:
        raise NotFound("credential")
    return open_config(row.id, data_key, row.config_sealed)


async def destroy_credential(ctx: Context, actor: Actor, key: AddonKey, name: str) -> CredentialView:
    """Begin to remove a credential that no attachment uses; repeating it is harmless.

    Raises: NotFound, Forbidden; Conflict while it is attached.
    """
    actor.require(Scope.WRITE_PROTECTED)

    async def record(tx: Tx) -> CredentialView:
        addon = await lock_visible_addon(tx, ctx, actor, key)
        named = (AddonCredential.addon_id == addon.id, AddonCredential.name == name)
        found = await _views(tx, _CREDENTIALS.where(*named, AddonCredential.state != CredentialState.FAILED))
        if not found:
            raise NotFound("credential")
        if found[0].apps:
            raise Conflict(f"{name} is used by {', '.join(found[0].apps)}: detach it there first.")
        await begin_removing(tx, found[0].id, actor, ctx.clock.now())
        return (await _views(tx, _CREDENTIALS.where(AddonCredential.id == found[0].id)))[0]

    return await with_locks(ctx, record)


async def begin_removing(
    tx: Tx, credential_id: UUID, actor: Actor, now: datetime, at: datetime | None = None, reason: str | None = None
) -> None:
    """Have the provider remove it, from `at` on, for as long as that takes. Never commits."""
    removed = (
        update(AddonCredential)
        .where(AddonCredential.id == credential_id, AddonCredential.state != CredentialState.REMOVING)
        .values(
            state=CredentialState.REMOVING,
            attempts=AddonCredential.attempts + 1,
            next_at=at or now,
            lease_until=None,
            reason=reason,
            updated_at=now,
            config_sealed=None,
        )
        .returning(AddonCredential.attempts, AddonCredential.addon_id, AddonCredential.name)
    )
    row = (await tx.execute(removed)).one_or_none()
    if row is not None:
        await defer(tx, LEND, {"credential_id": str(credential_id), "attempt": row.attempts}, at=at)
        await emit(tx, "credential.remove_requested", actor, now, addon_id=row.addon_id, name=row.name)


async def config_of_credential(tx: Tx, addon: LockedAddon, namespace: str) -> Mapping[str, Secret]:
    """The values that an attachment with this namespace gives, under the manifest's names.

    Transactions: the caller's, with the add-on locked; from now on the credential counts as attached.
    Raises: InvalidParams if there is no such credential that can be used.
    """
    used = (
        update(AddonCredential)
        .where(
            AddonCredential.addon_id == addon.id,
            AddonCredential.name == namespace.removeprefix(NAMESPACE),
            AddonCredential.state == CredentialState.ACTIVE,
        )
        .values(was_attached=True)
        .returning(AddonCredential.id, AddonCredential.config_sealed)
    )
    row = (await tx.execute(used)).one_or_none() if namespace.startswith(NAMESPACE) else None
    if row is None or row.config_sealed is None:
        raise InvalidParams(f"There is no credential {namespace}: see `addons:credentials {addon.name}`.")
    return open_config(row.id, addon.apps[addon.app_id].data_key, row.config_sealed)


async def reseal_credentials(tx: Tx, addon_id: UUID, old: DataKey, new: DataKey) -> None:
    """Seal the logins of an add-on for another app."""
    ours = select(AddonCredential.id, AddonCredential.config_sealed).where(AddonCredential.addon_id == addon_id)
    for credential_id, sealed in (await tx.execute(ours)).all():
        if sealed is None:
            continue
        again = seal_config(credential_id, new, open_config(credential_id, old, sealed))
        await tx.execute(update(AddonCredential).where(AddonCredential.id == credential_id).values(config_sealed=again))


def seal_config(credential_id: UUID, key: DataKey, config: Mapping[str, Secret]) -> bytes:
    """The values as they are kept."""
    return key.seal(
        json.dumps({name: value.reveal() for name, value in config.items()}).encode(), _place(credential_id)
    )


def open_config(credential_id: UUID, key: DataKey, sealed: bytes) -> Mapping[str, Secret]:
    """What `seal_config` sealed."""
    return {name: Secret(value) for name, value in json.loads(key.open(sealed, _place(credential_id))).items()}


def _place(credential_id: UUID) -> str:
    return f"addon_credentials:{credential_id}:config:1"


_CREDENTIALS: Final[Select[*tuple[Any, ...]]] = (
    select(
        AddonCredential.id, AddonCredential.addon_id, AddonCredential.name, AddonCredential.permission,
        AddonCredential.state, AddonCredential.while_attached, AddonCredential.reason, AddonCredential.attempts,
        AddonCredential.next_at, AddonCredential.last_answer, AddonCredential.created_at,
    )
    .order_by(AddonCredential.created_at, AddonCredential.id)
)  # fmt: skip


async def _views(tx: Tx, statement: Select[*tuple[Any, ...]]) -> list[CredentialView]:
    rows: list[Any] = list((await tx.execute(statement)).all())
    names = CredentialView.__slots__[:-1]
    attached = (
        select(Attachment.addon_id, Attachment.namespace, App.name)
        .join(App, App.id == Attachment.app_id)
        .where(Attachment.addon_id.in_({row.addon_id for row in rows}), Attachment.namespace.is_not(None))
        .order_by(App.name)
    )
    used: dict[tuple[UUID, str], list[str]] = {}
    for addon_id, namespace, app in (await tx.execute(attached)).all():
        used.setdefault((addon_id, str(namespace)), []).append(app)
    return [
        CredentialView(
            **dict(zip(names, row, strict=True)), apps=tuple(used.get((row.addon_id, NAMESPACE + row.name), ()))
        )
        for row in rows
    ]
