"""What not everybody may do who sees an add-on: change it, and change what it costs. What is seen, `visibility.py` says."""

from __future__ import annotations

from uuid import UUID

from broker.apps.collaborators import Role, role_of
from broker.kernel.context import Actor
from broker.kernel.db import Tx
from broker.kernel.errors import Forbidden


async def require_part(tx: Tx, actor: Actor, billing_app_id: UUID, addon: str) -> None:
    """Go on only for those who work on the app that the add-on is billed to; to others it is attached at most.

    Raises: Forbidden.
    """
    if await role_of(tx, actor, billing_app_id) is None:
        raise Forbidden(f"{addon} is billed to another app: only those who work on that one can do this.")


async def require_payer(tx: Tx, actor: Actor, billing_app_id: UUID, what: str) -> None:
    """Go on only for the owner of the billing app, who pays.

    Raises: Forbidden.
    """
    if await role_of(tx, actor, billing_app_id) is not Role.OWNER:
        raise Forbidden(f"This app belongs to somebody else, who pays for it: only the owner can {what}.")
