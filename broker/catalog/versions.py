"""The versions of a manifest: every one that was ever pushed, its secrets sealed. Making one is `publish.py`'s matter."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Select, insert, select

from broker.catalog.contents import Json, unmasked, with_base
from broker.catalog.manifest import Manifest
from broker.catalog.members import PartnerService, Role, member_service
from broker.catalog.models import ManifestVersion
from broker.catalog.shared_secrets import owner
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import NotFound
from broker.kernel.ids import as_uuid, new_id
from broker.kernel.vault import DataKey, Vault

_HIGHEST_REVISION: Final = 2**63


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """One version as lists show it."""

    id: UUID
    revision: int
    pushed_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class VersionView(VersionSummary):
    """One version whole. `contents` have masks instead of secrets unless the reader's role reaches to them."""

    contents: Json


async def add_version(
    tx: Tx, key: DataKey, service_id: UUID, revision: int, manifest: Manifest, actor: Actor, now: datetime
) -> None:
    """Keep what was pushed as the service's newest version."""
    version_id = new_id()
    secrets = json.dumps({path: secret.reveal() for path, secret in manifest.secrets.items()})
    row = {
        "id": version_id,
        "service_id": service_id,
        "revision": revision,
        "contents": manifest.contents,
        "secrets_sealed": key.seal(secrets.encode(), _place(version_id)),
        "actor_id": actor.id,
        "actor_email": actor.email,
        "created_at": now,
    }
    await tx.execute(insert(ManifestVersion).values(**row))


async def list_versions(ctx: Context, actor: Actor, slug: str) -> list[VersionSummary]:
    """All versions, newest first, for any member.

    Raises: NotFound.
    """
    columns = (
        ManifestVersion.id,
        ManifestVersion.revision,
        ManifestVersion.actor_email,
        ManifestVersion.created_at,
    )
    async with ctx.database.transaction() as tx:
        service = await member_service(tx, actor, slug, Role.DEVELOPER)
        wanted = select(*columns).where(ManifestVersion.service_id == service.id)
        rows = await tx.execute(wanted.order_by(ManifestVersion.revision.desc()))
        return [VersionSummary(*row) for row in rows]


async def get_version(ctx: Context, actor: Actor, slug: str, key: str | None = None) -> VersionView:
    """The version with this id or revision, or the newest.

    Raises: NotFound.
    """
    async with ctx.database.transaction() as tx:
        service = await member_service(tx, actor, slug, Role.DEVELOPER)
        return await read_version(tx, ctx.vault, service, key)


async def read_version(tx: Tx, vault: Vault, service: PartnerService, key: str | None = None) -> VersionView:
    """The same in the caller's transaction.

    Raises: NotFound.
    """
    found = await newest_version(tx, vault, service) if key is None else await _find(tx, vault, service, key)
    if found is None:
        raise NotFound("manifest", "Couldn't find that manifest; list the versions that there are.")
    return found


async def newest_version(tx: Tx, vault: Vault, service: PartnerService) -> VersionView | None:
    """The newest version, or None for a service that is older than the keeping of versions."""
    row = (await tx.execute(_versions(service.id).order_by(ManifestVersion.revision.desc()).limit(1))).one_or_none()
    return None if row is None else _view(row, service, vault)


async def _find(tx: Tx, vault: Vault, service: PartnerService, key: str) -> VersionView | None:
    wanted = _wanted(service.id, key)
    row = None if wanted is None else (await tx.execute(wanted)).one_or_none()
    return None if row is None else _view(row, service, vault)


def _versions(service_id: UUID) -> Select[Any]:
    return select(ManifestVersion.__table__).where(ManifestVersion.service_id == service_id)


def _wanted(service_id: UUID, key: str) -> Select[Any] | None:
    versions = _versions(service_id)
    if key.isascii() and key.isdigit() and int(key[:20]) < _HIGHEST_REVISION:
        return versions.where(ManifestVersion.revision == int(key))
    version_id = as_uuid(key)
    return None if version_id is None else versions.where(ManifestVersion.id == version_id)


def _view(row: Row[Any], service: PartnerService, vault: Vault) -> VersionView:
    contents = row.contents
    if service.role.reaches(Role.ADMIN):
        opened = vault.unwrap(service.data_key, owner(service.id)).open(row.secrets_sealed, _place(row.id))
        contents = unmasked(contents, json.loads(opened))
    stored = with_base(contents, row.revision)
    return VersionView(row.id, row.revision, row.actor_email, row.created_at, stored)


def _place(version_id: UUID) -> str:
    return f"manifest_versions:{version_id}:secrets:1"
