"""What not everybody may do who sees an add-on: change it, and change what it costs. What is seen, `visibility.py` says."""

from __future__ import annotations

from uuid import UUID

from broker.apps.collaborators import role_of
from broker.apps.visibility import Role
from broker.kernel.context import Actor
from broker.kernel.db import Tx
from broker.kernel.errors import Forbidden


async def require_part(tx: Tx, actor: Actor, billing_app_id: UUID, addon: str) -> None:
    """Go on only for those who work on the app that the add-on is billed to; to others it is attached at most.

    Raises: Forbidden.
    """
    role = await role_of(tx, actor, billing_app_id)
    if role is None:
        raise Forbidden(f"{addon} is billed to another app: only those who work on that one can do this.")
    if role is Role.VIEWER:
        raise Forbidden(f"{addon} is billed to an app of a team, in which your role lets you look but not change it.")


async def require_hand(tx: Tx, actor: Actor, addon: str, *app_ids: UUID) -> None:
    """Go on only for those who work on one of these apps: that which the add-on is billed to, or that it is attached to.

    Raises: Forbidden.
    """
    for app_id in app_ids:
        if await role_of(tx, actor, app_id) not in (None, Role.VIEWER):
            return
    raise Forbidden(f"{addon} is on an app of a team, in which your role lets you look but not change it.")


async def require_payer(tx: Tx, actor: Actor, billing_app_id: UUID, what: str) -> None:
    """Go on only for the owner of the billing app, who pays.

    Raises: Forbidden.
    """
    if await role_of(tx, actor, billing_app_id) is not Role.OWNER:
        raise Forbidden(f"This app belongs to somebody else, who pays for it: only the owner can {what}.")
