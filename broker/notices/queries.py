"""Reading notices: a user's own, and for operators all that this installation has sent or should have."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import NotFound
from broker.kernel.ids import as_uuid
from broker.notices.models import Notice
from broker.notices.outbox import opened

MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A notice; the words are found by who shows it."""

    id: UUID
    address: str
    kind: str
    state: str
    attempts: int
    last_error: str | None
    facts: dict[str, Any]
    created_at: datetime
    finished_at: datetime | None


async def list_notices(ctx: Context, actor: Actor) -> list[NoticeView]:
    """What the actor was told, the newest first.

    Raises: Forbidden, also for a token that is limited to some apps.
    """
    actor.require(Scope.READ)
    actor.require_every_app()
    statement = select(Notice.__table__).where(Notice.user_id == actor.id)
    async with ctx.database.transaction() as tx:
        rows = await tx.execute(statement.order_by(Notice.created_at.desc(), Notice.id.desc()).limit(MOST))
        return [_view(row, row.facts) for row in rows]


async def list_mails(ctx: Context, actor: Actor, state: str | None = None) -> list[NoticeView]:
    """What was or is to be sent to anybody, the newest first. For operators.

    Raises: NotFound for everybody else.
    """
    actor.require_operator()
    statement = select(Notice.__table__).order_by(Notice.created_at.desc(), Notice.id.desc()).limit(MOST)
    if state is not None:
        statement = statement.where(Notice.state == state)
    async with ctx.database.transaction() as tx:
        return [_view(row, row.facts) for row in await tx.execute(statement)]


async def get_mail(ctx: Context, actor: Actor, key: str) -> NoticeView:
    """One of them, as its receiver should read it: where no mail is sent, with the link that it is about. For operators.

    Raises: NotFound.
    """
    actor.require_operator()
    notice_id = as_uuid(key)
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(select(Notice.__table__).where(Notice.id == notice_id))).one_or_none()
    if row is None:
        raise NotFound("mail")
    return _view(row, opened(ctx.vault, row) if row.state == "kept" else row.facts)


def _view(row: Any, facts: dict[str, Any]) -> NoticeView:
    return NoticeView(
        row.id,
        row.address,
        row.kind,
        row.state,
        row.attempts,
        row.last_error,
        dict(facts),
        row.created_at,
        row.finished_at,
    )
