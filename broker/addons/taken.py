"""What is taken in an app: attachment names, and config var names that are the app's own or reserved by attachments."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, null, select, union_all

from broker.addons.models import Addon, Attachment
from broker.addons.names import config_var_names
from broker.apps.models import ConfigVar
from broker.catalog.models import AddonService
from broker.kernel.db import Tx
from broker.kernel.direct import Direct
from broker.kernel.errors import ConfirmationRequired


@dataclass(frozen=True, slots=True)
class Taken:
    """Names in use in one app. `reserved` are those that attachments give, or will give once provisioned."""

    attachments: frozenset[str]
    reserved: frozenset[str]
    own: frozenset[str]

    @property
    def vars(self) -> frozenset[str]:
        return self.reserved | self.own


async def taken_in_app(tx: Tx, app_id: UUID) -> Taken:
    """Read them all, in one statement."""
    names: set[str] = set()
    reserved: set[str] = set()
    own: set[str] = set()
    for name, wanted, prefix, declared in await _TAKEN.all(tx, app_id=app_id):
        if prefix is None:
            own.add(name)
            continue
        names.add(name)
        reserved.update(config_var_names(declared, prefix, name))
        reserved.update(config_var_names(declared, prefix, wanted) if wanted else ())
    return Taken(frozenset(names), frozenset(reserved), frozenset(own))


_TAKEN: Final = Direct(
    union_all(
        select(Attachment.name, Attachment.wanted_name, AddonService.prefix, AddonService.config_vars)
        .join(Addon, Addon.id == Attachment.addon_id)
        .join(AddonService, AddonService.id == Addon.service_id)
        .where(Attachment.app_id == bindparam("app_id")),
        select(ConfigVar.name, null(), null(), null()).where(
            ConfigVar.app_id == bindparam("app_id"), ConfigVar.attachment_id.is_(None)
        ),
    )
)
"""Attachments with what names their config vars, and the app's own config vars by name alone."""


async def reserved_names(tx: Tx, app_id: UUID) -> frozenset[str]:
    """Config var names that belong to attachments of the app, given already or not."""
    return (await taken_in_app(tx, app_id)).reserved


def needs_takeover(app_name: str, name: str, var_names: Collection[str], taken: Taken, confirm: str | None) -> bool:
    """Whether an attachment of this name would overwrite something; with `confirm` naming the app that is allowed.

    Raises: ConfirmationRequired, saying what would be overwritten.
    """
    lost = sorted(set(var_names) & taken.vars)
    if name not in taken.attachments and not lost:
        return False
    if confirm != app_name:
        what = f"the attachment {name}" if name in taken.attachments else f"the config vars {', '.join(lost)}"
        raise ConfirmationRequired(
            f"This would overwrite {what} on {app_name}. To go on, confirm with the name of the app: {app_name}",
            app={"name": app_name},
        )
    return True
