"""Sending one notice: claim it, send it with no transaction open, settle. Also the watchdog, and forgetting what is old.

Killed after the server has taken the mail and before that is settled, it is sent again, with the same Message-ID: SMTP
has no way to ask whether it was. In every other case a notice is sent once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import delete, or_, select, update

from broker.flags.models import Flag
from broker.flags.switch import is_on
from broker.kernel.context import Context
from broker.kernel.db import Tx
from broker.notices.letters import Compose, Envelope, Fate, Letter, Post, Receipt, UnknownKind, pause_before
from broker.notices.models import Notice, NoticeState
from broker.notices.outbox import WORTH, drive, opened

LEASE: Final = timedelta(minutes=2)
"""Longer than any attempt can last: after it, another worker makes the attempt again."""
KEPT: Final = timedelta(days=180)
_PATIENCE: Final = timedelta(seconds=5)
_AT_ONCE: Final = 200
_ENDS: Final = {
    Fate.SENT: NoticeState.SENT,
    Fate.KEPT: NoticeState.KEPT,
    Fate.REFUSED: NoticeState.GIVEN_UP,
}
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Claim:
    id: UUID
    address: str
    kind: str
    facts: dict[str, Any]
    attempt: int
    at: datetime


async def send_notice(ctx: Context, compose: Compose, post: Post, notice_id: UUID) -> None:
    """Send a notice that is due. Running it twice, or at the same time, does no harm."""
    claim = await _claim(ctx, notice_id)
    if claim is None:
        return
    letter = _letter(compose, claim)
    if letter is None:
        receipt = Receipt(Fate.REFUSED, "there are no words for this kind of notice")
    else:
        receipt = await post(Envelope(claim.id, claim.address, letter, claim.at))
    await _settle(ctx, claim, receipt)


def _letter(compose: Compose, claim: _Claim) -> Letter | None:
    try:
        return compose.letter(claim.kind, claim.facts)
    except UnknownKind as error:
        _log.error("notice.without_words", kind=claim.kind, error=str(error))
        return None


async def _claim(ctx: Context, notice_id: UUID) -> _Claim | None:
    """Take the notice, if it is due and nobody holds it; one that is no longer worth telling is given up."""
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        row = (await tx.execute(select(Notice.__table__).where(Notice.id == notice_id).with_for_update())).one_or_none()
        if row is None or row.due_at is None or row.due_at > now or (row.lease_until and row.lease_until > now):
            return None
        if row.data_key is None and not await is_on(tx, Flag.NOTICES):
            return None  # it stays due; `look_after_notices` finds it again, and sees to it that it does not grow old
        if row.expires_at <= now:
            await _finish(tx, row.id, NoticeState.GIVEN_UP, now, row.last_error or "its time was over")
            return None
        taken = {"attempts": row.attempts + 1, "lease_until": now + LEASE}
        await tx.execute(update(Notice).where(Notice.id == row.id).values(taken))
        return _Claim(row.id, row.address, row.kind, opened(ctx.vault, row), row.attempts + 1, row.created_at)


async def _settle(ctx: Context, claim: _Claim, receipt: Receipt) -> None:
    now, state = ctx.clock.now(), _ENDS.get(receipt.fate)
    async with ctx.database.transaction() as tx:
        mine = select(Notice.expires_at).where(Notice.id == claim.id, Notice.attempts == claim.attempt)
        until = (await tx.execute(mine.where(Notice.due_at.is_not(None)).with_for_update())).scalar()
        if until is None:
            return  # somebody else has taken it meanwhile
        again_at = now + pause_before(claim.attempt)
        if state is None and again_at >= until:
            state = NoticeState.GIVEN_UP
        if state is None:
            later = {"due_at": again_at, "lease_until": None, "last_error": receipt.error}
            await tx.execute(update(Notice).where(Notice.id == claim.id).values(later))
            await drive(tx, claim.id, again_at)
        else:
            await _finish(tx, claim.id, state, now, receipt.error)
    _log.info("notice.attempted", notice=str(claim.id), kind=claim.kind, fate=receipt.fate.value, error=receipt.error)


async def _finish(tx: Tx, notice_id: UUID, state: NoticeState, now: datetime, error: str | None) -> None:
    done: dict[str, Any] = {
        "state": state,
        "due_at": None,
        "lease_until": None,
        "finished_at": now,
        "last_error": error,
    }
    if state is not NoticeState.KEPT:  # where no mail is sent, an operator hands it on
        done |= {"data_key": None, "secrets_sealed": None}
    await tx.execute(update(Notice).where(Notice.id == notice_id).values(done))


async def look_after_notices(ctx: Context) -> int:
    """Defer a job for each notice whose job was lost or whose worker died, and forget what is old; how many were revived.

    Secrets that were kept go as soon as they are worth nothing.
    """
    now = ctx.clock.now()
    free = or_(Notice.lease_until.is_(None), Notice.lease_until <= now)
    late = select(Notice.id).where(Notice.due_at <= now - _PATIENCE, free).limit(_AT_ONCE)
    old = select(Notice.id).where(Notice.created_at < now - KEPT, Notice.due_at.is_(None)).limit(_AT_ONCE)
    void = select(Notice.id).where(
        Notice.state == NoticeState.KEPT, Notice.data_key.is_not(None), Notice.expires_at <= now
    )
    async with ctx.database.transaction() as tx:
        if not await is_on(tx, Flag.NOTICES):
            late = late.where(Notice.data_key.is_not(None))
            await _keep_alive(tx, now)
        ids = list((await tx.execute(late.with_for_update(skip_locked=True))).scalars())
        for notice_id in ids:
            await drive(tx, notice_id)
        gone = update(Notice).where(Notice.id.in_(void.limit(_AT_ONCE).with_for_update(skip_locked=True)))
        await tx.execute(gone.values(data_key=None, secrets_sealed=None))
        await tx.execute(delete(Notice).where(Notice.id.in_(old.with_for_update(skip_locked=True))))
    return len(ids)


async def _keep_alive(tx: Tx, now: datetime) -> None:
    """The time in which operators have no mail sent does not count against what waits."""
    waiting = (Notice.due_at <= now, Notice.data_key.is_(None), Notice.expires_at < now + WORTH / 2)
    await tx.execute(update(Notice).where(*waiting).values(expires_at=now + WORTH))
