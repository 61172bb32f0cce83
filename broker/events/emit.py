"""Recording facts in the caller's transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert

from broker.events.models import Event
from broker.kernel.context import Actor
from broker.kernel.db import Tx
from broker.kernel.direct import Direct, filled, placeholders
from broker.kernel.ids import new_id


async def emit(
    tx: Tx,
    kind: str,
    actor: Actor,
    at: datetime,
    *,
    app_id: UUID | None = None,
    addon_id: UUID | None = None,
    **data: Any,
) -> None:
    """Record that `kind` (noun.verb) happened. `data` is public to whoever sees the app: no secrets."""
    event = {
        "id": new_id(),
        "at": at,
        "kind": kind,
        "actor_id": actor.id,
        "actor_email": actor.email,
        "app_id": app_id,
        "addon_id": addon_id,
        "data": data,
    }
    await _EVENT.all(tx, **filled(event))


_EVENT: Final = Direct(insert(Event).values(placeholders("id at kind actor_id actor_email app_id addon_id data")))
