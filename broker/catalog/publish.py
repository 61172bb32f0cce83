"""Making a checked manifest what the marketplace offers. Idempotent; never takes anything away from existing add-ons."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, func, insert, select, update

from broker.catalog.faults import Fault, ManifestFaults
from broker.catalog.manifest import Manifest
from broker.catalog.models import AddonService
from broker.catalog.plans import sync_plans
from broker.catalog.queries import get_service
from broker.catalog.shared_secrets import ServiceSecrets, owner, sealed_secrets
from broker.catalog.views import ServiceView
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.ids import new_id
from broker.kernel.secret import Secret
from broker.kernel.vault import DataKey

_DIGEST: Final = "catalog.manifest"


async def publish(ctx: Context, manifest: Manifest, actor: Actor, *, first_state: str = "ga") -> ServiceView:
    """Offer the service as the manifest says, in `first_state` if it is new. The same manifest again writes nothing.

    Plans go by name: new ones are added, changed ones updated (a new price is for new add-ons), left-out ones hidden.

    Raises: ManifestFaults, when the manifest contradicts what existing add-ons rely on.
    """
    async with ctx.database.transaction() as tx:
        await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"publish:{manifest.id}", 0))))
        row = await _present(tx, manifest.id)
        if row is None:
            await _create(tx, ctx, manifest, actor, first_state)
        elif not ctx.vault.verify(_DIGEST, _canonical(manifest), row["digest"]):
            await _update(tx, ctx, manifest, actor, row)
        return await get_service(tx, manifest.id)


async def _present(tx: Tx, slug: str) -> RowMapping | None:
    columns = (
        AddonService.id,
        AddonService.digest,
        AddonService.data_key,
        AddonService.prefix,
        AddonService.revision,
    )
    return (await tx.execute(select(*columns).where(AddonService.slug == slug))).mappings().one_or_none()


async def _create(tx: Tx, ctx: Context, manifest: Manifest, actor: Actor, state: str) -> None:
    service_id, now = new_id(), ctx.clock.now()
    key, wrapped = ctx.vault.new_data_key(owner(service_id))
    values = _declared(ctx, manifest) | _sealed(key, service_id, manifest)
    await tx.execute(
        insert(AddonService).values(
            id=service_id,
            slug=manifest.id,
            state=state,
            data_key=wrapped,
            revision=1,
            created_at=now,
            updated_at=now,
            **values,
        )
    )
    await sync_plans(tx, service_id, manifest.plans, now)
    await emit(tx, "addon_service.published", actor, now, service=manifest.id, revision=1)


async def _update(tx: Tx, ctx: Context, manifest: Manifest, actor: Actor, row: RowMapping) -> None:
    if manifest.prefix != row["prefix"]:
        advice = "add-ons have their config vars named by it; keep it, or publish under another id."
        raise ManifestFaults(
            [Fault("/api/config_vars_prefix", f"cannot change from {row['prefix']} to {manifest.prefix}: {advice}")]
        )
    now, revision = ctx.clock.now(), row["revision"] + 1
    key = ctx.vault.unwrap(row["data_key"], owner(row["id"]))
    values = _declared(ctx, manifest) | _sealed(key, row["id"], manifest)
    await tx.execute(
        update(AddonService).where(AddonService.id == row["id"]).values(revision=revision, updated_at=now, **values)
    )
    await sync_plans(tx, row["id"], manifest.plans, now)
    await emit(tx, "addon_service.published", actor, now, service=manifest.id, revision=revision)


def _declared(ctx: Context, manifest: Manifest) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "cli_plugin_name": manifest.cli_plugin_name,
        "api_version": manifest.api_version,
        "base_url": manifest.base_url,
        "sso_url": manifest.sso_url,
        "url_style": manifest.url_style,
        "prefix": manifest.prefix,
        "config_vars": list(manifest.config_vars),
        "requires": list(manifest.requires),
        "capabilities": list(manifest.capabilities),
        "regions": list(manifest.regions),
        "listing": asdict(manifest.listing),
        "digest": ctx.vault.sign(_DIGEST, _canonical(manifest)),
    }


def _sealed(key: DataKey, service_id: UUID, manifest: Manifest) -> dict[str, bytes | None]:
    return sealed_secrets(key, service_id, ServiceSecrets(manifest.password, manifest.sso_salt))


def _canonical(manifest: Manifest) -> bytes:
    """The manifest as bytes for the digest, which is keyed because they hold the secrets."""
    fields = asdict(manifest)
    del fields["base"]
    return json.dumps(fields, sort_keys=True, default=Secret.reveal).encode()
