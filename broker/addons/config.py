"""The values that a provider gives: kept per add-on, and given to every attached app as config vars.

Called with locks held; never commits.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from broker.addons.attachment_facts import end_attachments
from broker.addons.locks import LockedAddon, LockedAttachment
from broker.addons.models import Addon, AddonConfig, AddonState, Attachment
from broker.addons.names import config_var_name, config_var_names
from broker.apps.models import ConfigVar
from broker.apps.releases import ConfigChange, cut_release
from broker.catalog.models import AddonService, Plan
from broker.kernel.context import Actor
from broker.kernel.db import Tx
from broker.kernel.direct import Direct, Record, filled, placeholders
from broker.kernel.secret import Secret
from broker.kernel.vault import DataKey

_NAME: Final = re.compile(r"[A-Z][0-9A-Z_]{0,127}")
_MOST_TOLD: Final = 20


def undeclared(addon: LockedAddon, names: Iterable[str]) -> list[str]:
    """Names that the manifest does not declare: such values are refused."""
    return sorted(set(names) - set(addon.declared))


def as_told(names: Iterable[str]) -> str:
    """Such names for messages and records. What can be no name may be a value in the wrong place: it is counted, never shown."""
    known: list[str] = []
    others = 0
    for name in names:
        if _NAME.fullmatch(name) and len(known) < _MOST_TOLD:
            known.append(name)
        else:
            others += 1
    counted = [f"and {others} that can't be shown (names have capital letters, digits and _)"] if others else []
    return ", ".join(known + counted)


async def stored_config(tx: Tx, addon_id: UUID, key: DataKey) -> dict[str, Secret]:
    """What the provider gave so far, under the manifest's names."""
    return _opened(addon_id, key, await _STORED.all(tx, addon_id=addon_id))


def _opened(addon_id: UUID, key: DataKey, rows: Iterable[Record]) -> dict[str, Secret]:
    return {
        name: Secret(key.open(sealed, _place(addon_id, name, generation)).decode()) for name, generation, sealed in rows
    }


_STORED: Final = Direct(
    select(AddonConfig.name, AddonConfig.generation, AddonConfig.value_sealed).where(
        AddonConfig.addon_id == bindparam("addon_id")
    )
)


async def store_config(tx: Tx, addon: LockedAddon, values: Mapping[str, Secret | None]) -> bool:
    """Merge `values` (None removes) into what is stored; False if that changes nothing."""
    key = addon.apps[addon.app_id].data_key
    rows = await _STORED.all(tx, addon_id=addon.id)
    before = _opened(addon.id, key, rows)
    removed = [name for name, value in values.items() if value is None and name in before]
    changed = {name: value for name, value in values.items() if value is not None and before.get(name) != value}
    if removed:
        await tx.execute(delete(AddonConfig).where(AddonConfig.addon_id == addon.id, AddonConfig.name.in_(removed)))
    if changed:
        generations = {row.name: row.generation for row in rows}
        put = [_row(addon.id, name, generations.get(name, 0) + 1, key, value) for name, value in changed.items()]
        await _PUT.many(tx, [filled(row) for row in put])
    return bool(removed or changed)


_NEW: Final = insert(AddonConfig).values(placeholders("addon_id name generation value_sealed"))
_PUT: Final = Direct(
    _NEW.on_conflict_do_update(
        index_elements=["addon_id", "name"],
        set_={"generation": _NEW.excluded.generation, "value_sealed": _NEW.excluded.value_sealed},
    )
)


async def reseal_config(tx: Tx, addon_id: UUID, old: DataKey, new: DataKey) -> None:
    """Seal what is stored of an add-on for another app."""
    for name, generation, sealed in await _STORED.all(tx, addon_id=addon_id):
        row = _row(
            addon_id, name, generation, new, Secret(old.open(sealed, _place(addon_id, name, generation)).decode())
        )
        await tx.execute(
            update(AddonConfig)
            .where(AddonConfig.addon_id == addon_id, AddonConfig.name == name)
            .values(value_sealed=row["value_sealed"])
        )


def _row(addon_id: UUID, name: str, generation: int, key: DataKey, value: Secret) -> dict[str, Any]:
    sealed = key.seal(value.reveal().encode(), _place(addon_id, name, generation))
    return {"addon_id": addon_id, "name": name, "generation": generation, "value_sealed": sealed}


def _place(addon_id: UUID, name: str, generation: int) -> str:
    return f"addon_config:{addon_id}:{name}:{generation}"


def vars_for(addon: LockedAddon, attachment_name: str, config: Mapping[str, Secret]) -> dict[str, str]:
    """The config vars that an attachment of this name gives."""
    return {config_var_name(name, addon.prefix, attachment_name): value.reveal() for name, value in config.items()}


async def give_to_apps(tx: Tx, addon: LockedAddon, verb: str, actor: Actor, at: datetime) -> dict[UUID, int]:
    """Put the stored config into every attached app, one release each; the versions by app. None while it is suspended:
    what is stored then is given when it is resumed.

    Raises: InvalidParams if an app's environment would become too large.
    """
    if addon.suspended_at is not None:
        return {}
    config = await stored_config(tx, addon.id, addon.apps[addon.app_id].data_key)
    there: dict[UUID, list[LockedAttachment]] = {}
    for attachment in addon.attachments:
        if attachment.app_id in addon.apps and attachment.namespace is None:  # others have values of their own
            there.setdefault(attachment.app_id, []).append(attachment)
    return {
        app_id: await _give(tx, addon, app_id, attachments, config, verb, actor, at)
        for app_id, attachments in there.items()
    }


async def give_to_app(
    tx: Tx,
    addon: LockedAddon,
    attachment: LockedAttachment,
    config: Mapping[str, Secret],
    verb: str,
    actor: Actor,
    at: datetime,
) -> None:
    """Put the values of one attachment into its app, and take away what it gave before and gives no more."""
    await _give(tx, addon, attachment.app_id, [attachment], config, verb, actor, at)


async def _give(
    tx: Tx,
    addon: LockedAddon,
    app_id: UUID,
    attachments: Sequence[LockedAttachment],
    config: Mapping[str, Secret],
    verb: str,
    actor: Actor,
    at: datetime,
) -> int:
    names: list[str] = []
    changes: list[ConfigChange] = []
    for waiting in attachments:
        name, found = await given_by(tx, addon, waiting, config, actor, at)
        names.append(name)
        changes += found
    return await _release(tx, addon, app_id, names, changes, verb, actor, at)


async def given_by(
    tx: Tx,
    addon: LockedAddon,
    waiting: LockedAttachment,
    config: Mapping[str, Secret],
    actor: Actor,
    at: datetime,
) -> tuple[str, list[ConfigChange]]:
    """What an attachment changes in its app when it gives these values, and the name that it has then."""
    attachment, taken = await _take_over(tx, waiting, actor, at)
    put = vars_for(addon, attachment.name, config)
    gone = set(config_var_names(addon.declared, addon.prefix, attachment.name)) - set(put)
    return attachment.name, [*taken, ConfigChange(put=put, remove=gone, attachment_id=attachment.id)]


def taken_by(addon: LockedAddon, attachment: LockedAttachment) -> ConfigChange:
    """What an attachment changes in its app when it gives nothing any more."""
    names = config_var_names(addon.declared, addon.prefix, attachment.name)
    return ConfigChange(remove=names, attachment_id=attachment.id)


async def _take_over(
    tx: Tx, attachment: LockedAttachment, actor: Actor, at: datetime
) -> tuple[LockedAttachment, list[ConfigChange]]:
    """Give the attachment the confirmed name that it was waiting for, from whichever attachment has it."""
    if attachment.wanted_name is None:
        return attachment, []
    changes = await displace(tx, attachment.app_id, attachment.wanted_name, actor, at)
    named = update(Attachment).where(Attachment.id == attachment.id)
    await tx.execute(named.values(name=attachment.wanted_name, wanted_name=None))
    return replace(attachment, name=attachment.wanted_name, wanted_name=None), changes


async def displace(tx: Tx, app_id: UUID, name: str, actor: Actor, at: datetime) -> list[ConfigChange]:
    """End the attachment that has this name in the app; the change that takes away all it gave."""
    changes = []
    for ended in await end_attachments(tx, actor, at, (Attachment.app_id == app_id) & (Attachment.name == name)):
        given = select(ConfigVar.name).where(ConfigVar.app_id == app_id, ConfigVar.attachment_id == ended)
        changes.append(ConfigChange(remove=list((await tx.execute(given)).scalars()), attachment_id=ended))
    return changes


async def _release(
    tx: Tx,
    addon: LockedAddon,
    app_id: UUID,
    names: Sequence[str],
    changes: Sequence[ConfigChange],
    verb: str,
    actor: Actor,
    at: datetime,
) -> int:
    return await cut_release(
        tx,
        addon.apps[app_id],
        changes,
        description=f"{verb} {', '.join(names)} ({addon.name})",
        actor=actor,
        at=at,
        addon_plan_names=await plan_names(tx, app_id),
    )


async def plan_names(tx: Tx, app_id: UUID) -> list[str]:
    """The plans of an app's add-ons, as its next release records them."""
    return [row[0] for row in await _PLAN_NAMES.all(tx, app_id=app_id)]


_PLAN_NAMES: Final = Direct(
    select(AddonService.slug + ":" + Plan.slug)
    .select_from(Addon)
    .join(AddonService, AddonService.id == Addon.service_id)
    .join(Plan, Plan.id == Addon.plan_id)
    .where(Addon.app_id == bindparam("app_id"), Addon.state == AddonState.PROVISIONED)
)


async def take_from_apps(
    tx: Tx, addon: LockedAddon, attachments: Collection[LockedAttachment], actor: Actor, at: datetime, *, release: bool
) -> None:
    """End attachments: their config vars go and each app gets a release (unless nothing was given, or all withdrawn)."""
    for attachment in attachments:
        await end_attachments(tx, actor, at, Attachment.id == attachment.id)
        if attachment.app_id in addon.apps and release and addon.suspended_at is None:
            change = taken_by(addon, attachment)
            await _release(tx, addon, attachment.app_id, [attachment.name], [change], "Detach", actor, at)
