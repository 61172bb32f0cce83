"""What the answers to "issue new credentials" and "say which config holds" change. Part of `settle.py`: same locks."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import update

from broker.addons.config import give_to_apps, store_config
from broker.addons.generations import issued, issuing, record_new_config
from broker.addons.models import AddonState, OperationState, Rotation, RotationState
from broker.addons.outcomes import told
from broker.addons.settlement import SettledElsewhere, Settlement, acceptable, error_id_of, finish, update_operation
from broker.events.emit import emit
from broker.kernel.context import Context
from broker.kernel.db import Tx
from broker.kernel.errors import InvalidParams, ProviderUnavailable

CONFIG_WITHIN: Final = timedelta(hours=1)
"""How long a provider that answered 202 has to send the new credentials. Shorter than for other work, because nothing
else can be done with the add-on meanwhile."""


async def rotated(tx: Tx, ctx: Context, s: Settlement) -> None:
    """The new credentials are in the answer, or came by a call of the provider's while it was on its way."""
    rotation_id = await issuing(tx, s.addon.id)
    try:
        async with tx.begin_nested():
            is_new = await _take_config(tx, s, "Rotate")
            if is_new is not None and rotation_id is not None:
                await issued(tx, s.addon, rotation_id, is_new, s.actor, s.at)
    except InvalidParams as refusal:
        await _failed(tx, s, f"{s.addon.service_name}: {refusal.message}", InvalidParams.id)
        return
    if is_new is None and rotation_id is not None:
        await _failed(tx, s, f"{s.addon.service_name} sent no new credentials.", ProviderUnavailable.id)
        return
    await finish(tx, s, OperationState.SUCCEEDED)


async def _take_config(tx: Tx, s: Settlement, verb: str) -> dict[UUID, int] | None:
    """The releases with the config of the reply; None if there is nothing new in it.

    Raises: InvalidParams if an app's environment would become too large; SettledElsewhere if it is not in use.
    """
    if s.addon.state is not AddonState.PROVISIONED:
        raise SettledElsewhere
    if not await store_config(tx, s.addon, acceptable(s.addon, s.reply)):
        return None
    return await give_to_apps(tx, s.addon, verb, s.actor, s.at)


async def rotation_accepted(tx: Tx, ctx: Context, s: Settlement) -> None:
    """The credentials will come by a call of the provider's, if they have not come already."""
    if await issuing(tx, s.addon.id) is None:
        await finish(tx, s, OperationState.SUCCEEDED)
        return
    waiting = OperationState.WAITING
    deadline = s.at + CONFIG_WITHIN
    values = {"state": waiting, "step": waiting, "deadline_at": deadline, "lease_until": None, "next_at": None}
    await update_operation(tx, s, values)


async def rotation_failed(tx: Tx, ctx: Context, s: Settlement) -> None:
    """There are no new credentials, or none that we know; the old ones stay."""
    if await issuing(tx, s.addon.id) is None:  # they came otherwise
        await finish(tx, s, OperationState.SUCCEEDED)
        return
    await _failed(tx, s, told(s.decision.row, s.addon.service_name, s.reply), error_id_of(s.reply))


async def _failed(tx: Tx, s: Settlement, said: str, error_id: str) -> None:
    asked = update(Rotation).where(Rotation.addon_id == s.addon.id, Rotation.state == RotationState.ISSUING)
    await tx.execute(asked.values(state=RotationState.FAILED, finished_at=s.at))
    await emit(
        tx, "credentials.rotation_failed", s.actor, s.at, app_id=s.addon.app_id, addon_id=s.addon.id, reason=said
    )
    await finish(tx, s, OperationState.FAILED, said, error_id)


async def refreshed(tx: Tx, ctx: Context, s: Settlement) -> None:
    """The config that holds at the provider is ours now; where it differed, that is a new generation."""
    try:
        async with tx.begin_nested():
            releases = await _take_config(tx, s, "Refresh")
            if releases is not None:
                await record_new_config(tx, s.addon, releases, s.at, operation_id=s.work.operation_id)
    except InvalidParams as refusal:
        said = f"{s.addon.service_name}: {refusal.message}"
        await finish(tx, s, OperationState.FAILED, said, InvalidParams.id)
        return
    await finish(tx, s, OperationState.SUCCEEDED)


async def refresh_failed(tx: Tx, ctx: Context, s: Settlement) -> None:
    """Nothing is known, nothing changes."""
    await finish(
        tx, s, OperationState.FAILED, told(s.decision.row, s.addon.service_name, s.reply), error_id_of(s.reply)
    )
