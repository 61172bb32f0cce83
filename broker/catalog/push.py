"""Pushing a manifest: the first push registers the service, each further one adds a version. What it changes for the
marketplace is `publish.py`'s matter.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import update

from broker.accounts.tokens import token_hash
from broker.catalog.addresses import address_faults, insecure_allowed
from broker.catalog.client_secrets import new_client_secret
from broker.catalog.comparison import Change, differences
from broker.catalog.contents import BASE, Json, masked, unmasked
from broker.catalog.faults import Fault, ManifestFaults
from broker.catalog.manifest import Manifest, parse
from broker.catalog.manifest_plans import SLUG
from broker.catalog.members import PartnerService, Role, add_owner, member_service
from broker.catalog.models import AddonService
from broker.catalog.publish import alone_with, is_published, is_stored, store
from broker.catalog.reading import too_deep
from broker.catalog.versions import VersionView, newest_version, read_version
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, NotFound
from broker.kernel.public_addresses import Network
from broker.kernel.secret import Secret

_FIRST_STATE: Final = "alpha"
"""The state of a service that its partner has just registered."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """The newest version after a push. `client_secret` is there at the registration, and never again."""

    version: VersionView
    changed: bool
    client_secret: Secret | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What a push would publish. `changes` are those since the newest version, None where there is none yet."""

    manifest: Manifest
    changes: tuple[Change, ...] | None


async def push_manifest(
    ctx: Context, actor: Actor, slug: str, contents: object, *, networks: Sequence[Network] = ()
) -> Pushed:
    """Make the contents the newest version. The same contents again change nothing.

    `networks` are those that providers may live in although they are not public; with loopback among them, plain http is
    let in there.
    Raises: ManifestFaults with all faults, Conflict when it is based on an older version, Forbidden.
    """
    actor.require_own_token()
    whole = _object(slug, contents)
    async with ctx.database.transaction() as tx:
        await alone_with(tx, slug)
        service = await _own(tx, actor, slug)
        if service is None:
            return await _register(tx, ctx, actor, slug, _checked(unmasked(whole, {}), networks))
        return await _add(tx, ctx, actor, service, whole, networks)


async def check_push(
    ctx: Context, actor: Actor, slug: str, contents: object, *, networks: Sequence[Network] = ()
) -> Checked:
    """What a push of the contents would do; nothing is stored.

    Raises: ManifestFaults with all faults, Conflict when it is based on an older version, Forbidden.
    """
    actor.require_own_token()
    whole = _object(slug, contents)
    async with ctx.database.transaction() as tx:
        service = await _own(tx, actor, slug)
        if service is None:
            return Checked(_checked(unmasked(whole, {}), networks), None)
        newest = await newest_version(tx, ctx.vault, service)
    manifest = _on_top_of(newest, whole, networks)
    if newest is None:
        return Checked(manifest, None)
    given = {path: secret.reveal() for path, secret in manifest.secrets.items()}
    changes = differences(newest.contents, unmasked(manifest.contents, given))
    if changes:
        _refuse_outdated(whole.get(BASE), service, newest)
    return Checked(manifest, changes)


async def rotate_secrets(ctx: Context, actor: Actor, slug: str, *, immediate: bool = False) -> VersionView:
    """A new password, and a new salt if there is one, as a version of their own. Towards the provider they are used at
    once; from it the old ones are accepted for a day more, or not at all if `immediate`.

    Raises: NotFound, Forbidden.
    """
    async with ctx.database.transaction() as tx:
        service = await member_service(tx, actor, slug, Role.ADMIN)
        await alone_with(tx, slug)
        contents = (await read_version(tx, ctx.vault, service)).contents
        fresh = {key: secrets.token_hex(16) for key in ("password", "sso_salt") if contents["api"].get(key)}
        manifest = parse(contents | {"api": contents["api"] | fresh}, allow_insecure=True)
        await store(tx, ctx, manifest, actor, _FIRST_STATE)
        if immediate:
            gone = {"old_password_sealed": None, "old_sso_salt_sealed": None, "old_secrets_until": None}
            await tx.execute(update(AddonService).where(AddonService.id == service.id).values(**gone))
        return await read_version(tx, ctx.vault, service)


def _object(slug: str, contents: object) -> Mapping[str, Any]:
    if complaint := SLUG.complaint(slug):
        raise ManifestFaults([Fault("/id", complaint)])
    if not isinstance(contents, Mapping):
        raise ManifestFaults([Fault("", "must be a JSON object, as `contents`: see the reference of the manifest.")])
    if too_deep(contents):
        raise ManifestFaults([Fault("", "is nested too deeply: simplify it.")])
    declared = contents.get("id")
    if isinstance(declared, str) and declared != slug:
        raise ManifestFaults([Fault("/id", f"is another one than in the address, {slug}: push it to its own.")])
    return contents


async def _own(tx: Tx, actor: Actor, slug: str) -> PartnerService | None:
    """The service that is pushed to, or None when there is no such service yet."""
    try:
        return await member_service(tx, actor, slug, Role.ADMIN)
    except NotFound:
        if await is_published(tx, slug):
            raise ManifestFaults([Fault("/id", f'"{slug}" is taken: choose another id.')]) from None
        return None


def _checked(contents: Json, networks: Sequence[Network]) -> Manifest:
    """The manifest, if neither its form nor where it leads is at fault."""
    faults = address_faults(contents, networks)
    try:
        manifest = parse(contents, allow_insecure=insecure_allowed(networks))
    except ManifestFaults as refusal:
        raise ManifestFaults([*refusal.faults, *faults]) from None
    if faults:
        raise ManifestFaults(faults)
    return manifest


async def _register(tx: Tx, ctx: Context, actor: Actor, slug: str, manifest: Manifest) -> Pushed:
    client_secret, now = new_client_secret(), ctx.clock.now()
    await store(tx, ctx, manifest, actor, _FIRST_STATE)
    hashed = update(AddonService).where(AddonService.slug == slug).returning(AddonService.id)
    hashed = hashed.values(client_secret_hash=token_hash(client_secret.reveal()))
    await add_owner(tx, (await tx.execute(hashed)).scalar_one(), actor, now)
    service = await member_service(tx, actor, slug, Role.OWNER)
    return Pushed(await read_version(tx, ctx.vault, service), True, client_secret)


async def _add(
    tx: Tx,
    ctx: Context,
    actor: Actor,
    service: PartnerService,
    contents: Mapping[str, Any],
    networks: Sequence[Network],
) -> Pushed:
    newest = await newest_version(tx, ctx.vault, service)
    manifest = _on_top_of(newest, contents, networks)
    if newest and await is_stored(tx, ctx, manifest):
        return Pushed(
            newest, False
        )  # also when the answer to the same push was lost, and its base is outdated by itself
    _refuse_outdated(contents.get(BASE), service, newest)
    changed = await store(tx, ctx, manifest, actor, _FIRST_STATE)
    return Pushed(await read_version(tx, ctx.vault, service), changed)


def _on_top_of(newest: VersionView | None, contents: Mapping[str, Any], networks: Sequence[Network]) -> Manifest:
    """The contents as a manifest, with the secrets of the newest version behind their masks."""
    known = masked(newest.contents)[1] if newest else {}
    return _checked(unmasked({**contents, BASE: None}, known), networks)


def _refuse_outdated(base: object, service: PartnerService, newest: VersionView | None) -> None:
    # Who leaves the base out has never pulled: there is nothing that it could have overlooked knowingly.
    if base is None or str(base) == str(service.revision):
        return
    pushed = f", pushed by {newest.pushed_by} at {newest.created_at:%Y-%m-%dT%H:%M:%SZ}" if newest else ""
    raise Conflict(
        f"This manifest is based on revision {base!s:.20}, and the newest is {service.revision}{pushed}:"
        " pull that, make your change again, and push."
    )
