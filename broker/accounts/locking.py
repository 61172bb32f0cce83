"""Locking accounts and unlocking them: operators shut a person out and let it in again. What is the person's goes on.

A lock ends the sessions of browsers for good. Tokens are refused and hold again afterwards, unless they are revoked with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, select, update

from broker.accounts.change import end_sessions, revoke_tokens_of, void_cli_logins
from broker.accounts.emails import user_with
from broker.accounts.locked import refuse_locked
from broker.accounts.mail_tokens import void_links
from broker.accounts.models import User
from broker.events.emit import emit
from broker.events.webhook_stops import release_webhooks, silence_webhooks
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor, Context
from broker.kernel.db import Tx, again_on_deadlock
from broker.kernel.errors import Conflict, InvalidParams, NotFound
from broker.kernel.ids import as_uuid
from broker.notices.outbox import notify

LONGEST_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class LockView:
    """A person's account, and since when, by whom and why it is locked, if it is."""

    id: UUID
    email: str
    locked_at: datetime | None
    locked_by: str | None
    locked_reason: str | None


async def list_locked(ctx: Context, actor: Actor) -> list[LockView]:
    """The accounts that are locked, the newest lock first.

    Raises: NotFound for everybody but operators.
    """
    actor.require_operator()
    wanted = _views().where(User.locked_at.is_not(None)).order_by(User.locked_at.desc(), User.id)
    async with ctx.database.transaction() as tx:
        return [LockView(*row) for row in await tx.execute(wanted)]


async def get_lock(ctx: Context, actor: Actor, key: str) -> LockView:
    """How an account stands, by e-mail address or id.

    Raises: NotFound, also for everybody but operators.
    """
    actor.require_operator()
    async with ctx.database.transaction() as tx:
        return await _view(tx, await _meant(tx, key))


async def lock_account(ctx: Context, actor: Actor, key: str, reason: str, *, revoke_tokens: bool = False) -> LockView:
    """Let nobody in to an account from now on. One that is locked already stays so, for this reason.

    Transactions: one of its own.
    Raises: NotFound, also for everybody but operators; InvalidParams for the reason; Conflict for the actor's own account.
    """
    actor.require_operator()
    why = _checked(reason)
    return await again_on_deadlock(lambda: _lock(ctx, actor, key, why, revoke_tokens))


async def unlock_account(ctx: Context, actor: Actor, key: str, reason: str = "") -> LockView:
    """Let its person in again. Sessions that have ended stay ended; webhooks that were stopped with the lock start again.

    Transactions: one of its own.
    Raises: NotFound, also for everybody but operators; InvalidParams for the reason.
    """
    actor.require_operator()
    why = _checked(reason) if reason.strip() else None
    return await again_on_deadlock(lambda: _unlock(ctx, actor, key, why))


async def _lock(ctx: Context, actor: Actor, key: str, reason: str, revoke_tokens: bool) -> LockView:
    now = ctx.wall.now()
    async with ctx.database.transaction() as tx:
        user_id = await _meant(tx, key)
        if user_id == actor.id:
            raise Conflict("You can't lock your own account: another operator has to.")
        found = await _held(tx, (actor.id, user_id))
        refuse_locked(ctx, found[actor.id].locked_at)  # two operators who lock each other: the second comes too late
        before = found[user_id]
        await end_sessions(tx, user_id, now)
        await void_links(tx, user_id, now)
        await void_cli_logins(tx, user_id)
        if revoke_tokens:
            await revoke_tokens_of(tx, user_id, now)
        if before.locked_reason == reason and not revoke_tokens:
            return await _view(tx, user_id)
        values = {"locked_at": before.locked_at or now, "locked_reason": reason, "locked_by": actor.email}
        await tx.execute(update(User).where(User.id == user_id).values(values))
        await emit(
            tx, "account.locked", actor, now, user=str(user_id), email=before.email, reason=reason,
            tokens_revoked=revoke_tokens,
        )  # fmt: skip
        if before.locked_at is None:
            await silence_webhooks(tx, actor, user_id, now)
            facts = {"email": before.email, "at": rfc3339(now), "contact": ctx.rules.contact}
            await notify(tx, user_id, "account.locked", facts, now)
        return await _view(tx, user_id)


async def _unlock(ctx: Context, actor: Actor, key: str, reason: str | None) -> LockView:
    now = ctx.wall.now()
    async with ctx.database.transaction() as tx:
        user_id = await _meant(tx, key)
        before = (await _held(tx, (user_id,)))[user_id]
        if before.locked_at is not None:
            open_again = {"locked_at": None, "locked_reason": None, "locked_by": None}
            await tx.execute(update(User).where(User.id == user_id).values(open_again))
            await emit(
                tx, "account.unlocked", actor, now, user=str(user_id), email=before.email, reason=reason,
                locked_at=rfc3339(before.locked_at), locked_for=before.locked_reason,
            )  # fmt: skip
            await release_webhooks(tx, actor, user_id, now)
            await notify(tx, user_id, "account.unlocked", {"email": before.email, "at": rfc3339(now)}, now)
        return await _view(tx, user_id)


async def _meant(tx: Tx, key: str) -> UUID:
    """The person's account of this address or id.

    Raises: NotFound.
    """
    user_id = as_uuid(key)
    if user_id is not None:
        named = select(User.id).where(User.id == user_id, User.team_name.is_(None))
        user_id = (await tx.execute(named)).scalar_one_or_none()
    elif key.isprintable() and (known := await user_with(tx, key)) is not None:
        user_id = known.id
    if user_id is None:
        raise NotFound("account", "No person has an account under that e-mail address or id here.")
    return user_id


async def _held(tx: Tx, user_ids: Iterable[UUID]) -> dict[UUID, LockView]:
    """These accounts, in one order for everybody: nobody else locks or unlocks them, or makes a token or session for them."""
    wanted = _views().where(User.id.in_(list(user_ids))).order_by(User.id)
    rows = await tx.execute(wanted.with_for_update(key_share=True))
    return {row.id: LockView(*row) for row in rows}


async def _view(tx: Tx, user_id: UUID) -> LockView:
    return LockView(*(await tx.execute(_views().where(User.id == user_id))).one())


def _views() -> Select[*tuple[Any, ...]]:
    return select(*(getattr(User, name) for name in LockView.__slots__))


def _checked(reason: str) -> str:
    text = " ".join(reason.split())
    if not text or len(text) > LONGEST_REASON or not text.isprintable():
        raise InvalidParams(f"reason: say why, in at most {LONGEST_REASON} characters, all of them visible.")
    return text
