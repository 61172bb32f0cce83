"""Making a checked manifest what the marketplace offers. Idempotent; never takes anything away from existing add-ons."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, func, insert, select, update

from broker.catalog.faults import Fault, ManifestFaults
from broker.catalog.logos import keep_logo, logo_mark
from broker.catalog.manifest import Manifest
from broker.catalog.manifest_sign_on import SignOnRules
from broker.catalog.members import has_members
from broker.catalog.models import AddonService
from broker.catalog.plans import sync_plans
from broker.catalog.queries import get_service
from broker.catalog.search_index import index_service
from broker.catalog.shared_secrets import (
    OVERLAP,
    ServiceSecrets,
    open_secrets,
    owner,
    sealed_old_secrets,
    sealed_secrets,
)
from broker.catalog.versions import add_version
from broker.catalog.views import ServiceView
from broker.events.emit import emit
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.ids import new_id
from broker.kernel.secret import Secret
from broker.kernel.vault import DataKey

_DIGEST: Final = "catalog.manifest"


async def publish(ctx: Context, manifest: Manifest, actor: Actor, *, first_state: str = "ga") -> ServiceView:
    """Offer the service as the operator's manifest says, in `first_state` if it is new. The same again writes nothing.

    Plans go by name: new ones are added, changed ones updated (a new price is for new add-ons), left-out ones hidden.

    Raises: ManifestFaults, when the manifest contradicts what existing add-ons rely on, or the service is a partner's.
    """
    async with ctx.database.transaction() as tx:
        await alone_with(tx, manifest.id)
        row = await _present(tx, manifest.id)
        if row is not None and await has_members(tx, row["id"]):
            raise ManifestFaults([Fault("/id", f'"{manifest.id}" belongs to a partner: use another id.')])
        await store(tx, ctx, manifest, actor, first_state)
        return await get_service(tx, manifest.id)


async def alone_with(tx: Tx, slug: str) -> None:
    """Wait until nobody else publishes under this slug, also when there is no row yet that could be locked."""
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"publish:{slug}", 0))))


async def is_published(tx: Tx, slug: str) -> bool:
    """Whether there is a service with this slug, whoever's it is."""
    return await _present(tx, slug) is not None


async def is_stored(tx: Tx, ctx: Context, manifest: Manifest) -> bool:
    """Whether the newest version of the service says just that."""
    row = await _present(tx, manifest.id)
    return row is not None and ctx.vault.verify(_DIGEST, _canonical(manifest), row["digest"])


async def store(tx: Tx, ctx: Context, manifest: Manifest, actor: Actor, first_state: str) -> bool:
    """Make the manifest the service's newest version; whether that changed anything.

    Transactions: the caller is `alone_with` the slug.
    Raises: ManifestFaults, when the manifest contradicts what existing add-ons rely on.
    """
    row = await _present(tx, manifest.id)
    if row is None:
        await _create(tx, ctx, manifest, actor, first_state)
        return True
    if ctx.vault.verify(_DIGEST, _canonical(manifest), row["digest"]):
        return False
    await _update(tx, ctx, manifest, actor, row)
    return True


async def _present(tx: Tx, slug: str) -> RowMapping | None:
    columns = (
        AddonService.id,
        AddonService.digest,
        AddonService.data_key,
        AddonService.password_sealed,
        AddonService.sso_salt_sealed,
        AddonService.prefix,
        AddonService.revision,
    )
    return (await tx.execute(select(*columns).where(AddonService.slug == slug))).mappings().one_or_none()


async def _create(tx: Tx, ctx: Context, manifest: Manifest, actor: Actor, state: str) -> None:
    service_id, now = new_id(), ctx.clock.now()
    key, wrapped = ctx.vault.new_data_key(owner(service_id))
    values = _declared(ctx, manifest) | sealed_secrets(key, service_id, _secrets(manifest))
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
    await add_version(tx, key, service_id, 1, manifest, actor, now)
    await keep_logo(tx, service_id, manifest.listing.logo)
    await index_service(tx, service_id)
    await emit(tx, "addon_service.published", actor, now, service=manifest.id, revision=1)


async def _update(tx: Tx, ctx: Context, manifest: Manifest, actor: Actor, row: RowMapping) -> None:
    if manifest.prefix != row["prefix"]:
        advice = "add-ons have their config vars named by it; keep it, or publish under another id."
        raise ManifestFaults(
            [Fault("/api/config_vars_prefix", f"cannot change from {row['prefix']} to {manifest.prefix}: {advice}")]
        )
    now, revision = ctx.clock.now(), row["revision"] + 1
    key = ctx.vault.unwrap(row["data_key"], owner(row["id"]))
    values = _declared(ctx, manifest) | _changed_secrets(key, manifest, row, now)
    await tx.execute(
        update(AddonService).where(AddonService.id == row["id"]).values(revision=revision, updated_at=now, **values)
    )
    await sync_plans(tx, row["id"], manifest.plans, now)
    await add_version(tx, key, row["id"], revision, manifest, actor, now)
    await keep_logo(tx, row["id"], manifest.listing.logo)
    await index_service(tx, row["id"])
    await emit(tx, "addon_service.published", actor, now, service=manifest.id, revision=revision)


def _changed_secrets(key: DataKey, manifest: Manifest, row: RowMapping, now: datetime) -> dict[str, Any]:
    """The secrets' columns, with what they replace for the overlap."""
    before = open_secrets(key, row["id"], row["password_sealed"], row["sso_salt_sealed"])
    after = _secrets(manifest)
    if before == after:
        return {}
    return sealed_secrets(key, row["id"], after) | sealed_old_secrets(key, row["id"], before, now + OVERLAP)


def _declared(ctx: Context, manifest: Manifest) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "cli_plugin_name": manifest.cli_plugin_name,
        "api_version": manifest.api_version,
        "base_url": manifest.base_url,
        "sso_url": manifest.sso_url,
        "sso": manifest.sign_on.mode,
        "sso_paths": list(manifest.sign_on.paths),
        "sso_redirect_uris": list(manifest.sign_on.redirect_uris),
        "url_style": manifest.url_style,
        "prefix": manifest.prefix,
        "config_vars": list(manifest.config_vars),
        "requires": list(manifest.requires),
        "capabilities": list(manifest.capabilities),
        "regions": list(manifest.regions),
        "listing": asdict(replace(manifest.listing, logo=logo_mark(manifest.listing.logo))),
        "digest": ctx.vault.sign(_DIGEST, _canonical(manifest)),
    }


def _secrets(manifest: Manifest) -> ServiceSecrets:
    return ServiceSecrets(manifest.password, manifest.sso_salt)


def _canonical(manifest: Manifest) -> bytes:
    """All that the manifest says, as bytes for the digest, which is keyed because they hold the secrets.

    Members that we do not know count as well: they are kept for the partner.
    """
    fields = asdict(manifest)
    del fields["base"]
    # What was published before manifests could say these keeps its digest.
    if manifest.sign_on == SignOnRules():
        del fields["sign_on"]
    for member in ("categories", "logo"):
        if not fields["listing"][member]:
            del fields["listing"][member]
    for plan in fields["plans"]:
        for later in ("trial_days", "suspended_cents"):
            if not plan[later]:
                del plan[later]
    return json.dumps(fields, sort_keys=True, default=Secret.reveal).encode()
