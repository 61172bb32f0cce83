"""What a provider gets with its manifest's id and password: every add-on of its service, and a fresh grant for one.

Source: the legacy App Info API of version 1; it serves version 3 as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, select

from broker.addons.callbacks import read_config, update_config
from broker.addons.models import Addon, AddonState
from broker.addons.ports import Grant
from broker.addons.protocol_names import app_of_heroku_id
from broker.addons.queries import AddonView, addons_where
from broker.addons.work import mint_grant
from broker.kernel.context import Context
from broker.kernel.db import Tx
from broker.kernel.errors import MultipleMatches, NotFound
from broker.kernel.ids import as_uuid
from broker.kernel.secret import Secret

PAGE: Final = 4000


async def list_installs(ctx: Context, service_id: UUID, after: UUID | None, limit: int = PAGE) -> list[AddonView]:
    """The service's add-ons that exist, by id, from the one behind `after` on."""
    condition = _live(service_id)
    if after is not None:
        condition = condition & (Addon.id > after)
    first = select(Addon.id).where(condition).order_by(Addon.id).limit(limit)
    async with ctx.database.transaction() as tx:
        found = await addons_where(tx, Addon.id.in_(first))
    return sorted(found, key=lambda view: view.id)


async def read_install(ctx: Context, service_id: UUID, key: str) -> tuple[AddonView, Mapping[str, Secret | None]]:
    """One of them with its config, by the add-on's id or the app's `heroku_id`.

    Raises: NotFound, also until it is provisioned; MultipleMatches for an app that has several.
    """
    async with ctx.database.transaction() as tx:
        view = await _install(tx, service_id, key)
    if view.state is AddonState.PROVISIONING:
        raise NotFound("add_on", f"{view.name} is still being provisioned.")
    return view, await read_config(ctx, view.id)


async def set_install_config(
    ctx: Context, service_id: UUID, key: str, values: Mapping[str, Secret | None]
) -> Mapping[str, Secret | None]:
    """Give one of them new config.

    Raises: as `read_install` and `update_config`.
    """
    async with ctx.database.transaction() as tx:
        view = await _install(tx, service_id, key)
    return await update_config(ctx, view.id, values)


async def fresh_grant(ctx: Context, service_id: UUID, key: str) -> Grant:
    """A grant for an add-on whose first one was lost, at any time in its life.

    Raises: NotFound.
    """
    addon_id = as_uuid(key)
    async with ctx.database.transaction() as tx:
        found = select(Addon.id).where(_live(service_id), Addon.id == addon_id).with_for_update(key_share=True)
        if addon_id is None or (await tx.execute(found)).scalar() is None:
            raise NotFound("resource")
        return await mint_grant(tx, addon_id, ctx.clock.now())


async def _install(tx: Tx, service_id: UUID, key: str) -> AddonView:
    addon_id, app_id = as_uuid(key), app_of_heroku_id(key)
    if addon_id is None and app_id is None:
        raise NotFound("app")
    named = Addon.id == addon_id if addon_id else Addon.app_id == app_id
    found = await addons_where(tx, _live(service_id) & named)
    if not found:
        raise NotFound("app")
    if len(found) > 1:
        raise MultipleMatches(f"There are {len(found)} on that app: use the uuid of the one that is meant.")
    return found[0]


def _live(service_id: UUID) -> ColumnElement[bool]:
    return (Addon.service_id == service_id) & (Addon.state != AddonState.DEPROVISIONED)
