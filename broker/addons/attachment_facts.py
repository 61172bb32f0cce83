"""Recording that attachments came and went. A row that is gone can't be read later: its facts carry what is told of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete

from broker.addons.models import Attachment
from broker.events.emit import emit
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor
from broker.kernel.db import Tx


async def note_attached(
    tx: Tx, actor: Actor, at: datetime, *, app_id: UUID, addon_id: UUID, attachment_id: UUID, name: str
) -> None:
    """An attachment was made; `name` is the one that it has, or takes over once its add-on is provisioned."""
    await emit(
        tx, "attachment.created", actor, at, app_id=app_id, addon_id=addon_id,
        attachment_id=str(attachment_id), attachment=name,
    )  # fmt: skip


async def end_attachments(tx: Tx, actor: Actor, at: datetime, which: ColumnElement[bool]) -> list[UUID]:
    """Delete the attachments that fit, and record it; their ids. What they gave to their apps is the caller's business."""
    ended = delete(Attachment).where(which).returning(Attachment.__table__)
    rows = (await tx.execute(ended)).all()
    for row in rows:
        await _note_detached(tx, actor, at, row)
    return [row.id for row in rows]


async def _note_detached(tx: Tx, actor: Actor, at: datetime, row: Any) -> None:
    await emit(
        tx, "attachment.destroyed", actor, at, app_id=row.app_id, addon_id=row.addon_id,
        attachment_id=str(row.id), attachment=row.name, namespace=row.namespace, since=rfc3339(row.created_at),
    )  # fmt: skip
