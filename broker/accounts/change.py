"""Changing what proves a person: the password, by whoever knows it or reads the account's mail; the address; the name.

Every change of the password signs all browsers out; whoever made it begins a new session.
"""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import DateTime, Uuid, column, delete, table, update
from sqlalchemy.exc import IntegrityError

from broker.accounts.cli_logins import LoginState
from broker.accounts.emails import checked_email, user_with
from broker.accounts.mail_tokens import Purpose, look_at, new_link, use_up, void_links
from broker.accounts.models import Authorization, User
from broker.accounts.passwords import checked_password, hash_password
from broker.accounts.proof_models import Authenticator, CliLogin
from broker.accounts.sign_up import checked_name, may_mail
from broker.events.emit import emit
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx, in_vain
from broker.kernel.errors import Conflict, InvalidParams
from broker.kernel.origin import current_origin
from broker.kernel.secret import Secret
from broker.notices.outbox import notify, notify_address, send_secrets

_SESSIONS: Final = table(
    "sessions", column("user_id", Uuid), column("ended_at", DateTime(timezone=True)), column("id", Uuid)
)
_CODES: Final = table(
    "oauth_codes",
    column("user_id", Uuid),
    column("used_at", DateTime(timezone=True)),
    column("expires_at", DateTime(timezone=True)),
)
"""Tables of `oauth`, above us; named here so that a new password and the end of all sessions are one transaction."""


async def ask_for_reset(ctx: Context, email: str) -> None:
    """Send a link for choosing a new password, if there is such an account; whoever asks is not told whether, nor by how long
    it takes.

    Raises: InvalidParams for what is no address; RateLimited for who asks too often.
    """
    address = checked_email(email)
    if not await may_mail(ctx, Purpose.RESET, address):
        return
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        known = await user_with(tx, address)
        async with nullcontext() if known else in_vain(tx):
            user_id, email = (known.id, known.email) if known else (None, address)
            token, until = await new_link(tx, Purpose.RESET, email, now, user_id)
            facts = {"email": email, "address": current_origin().address}
            await send_secrets(tx, ctx.vault, email, "password.reset", facts, {"token": token}, now, until)


async def reset_address(ctx: Context, token: Secret) -> str:
    """Whose password a link is about. Does not use it up.

    Raises: InvalidParams.
    """
    async with ctx.database.transaction() as tx:
        return (await look_at(tx, token, ctx.clock.now(), Purpose.RESET)).email


async def reset_password(ctx: Context, token: Secret, password: Secret, *, revoke_tokens: bool) -> Actor:
    """Give the account a new password, and use the link up. The second factor stays as it is.

    Raises: InvalidParams for the link or the password.
    """
    address = await reset_address(ctx, token)
    hashed = await hash_password(checked_password(password, address))
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        link = await use_up(tx, token, now, Purpose.RESET)
        assert link.user_id is not None, "a link for a new password is about an account"
        actor = Actor(link.user_id, link.email, frozenset({Scope.GLOBAL}))
        await _set_password(tx, actor, hashed, now, revoke_tokens=revoke_tokens)
    return actor


async def change_password(ctx: Context, actor: Actor, password: Secret, *, revoke_tokens: bool) -> None:
    """Give the account a new password. Who knows the old one was asked before.

    Raises: InvalidParams, Forbidden.
    """
    actor.require_own_token()
    hashed = await hash_password(checked_password(password, actor.email))
    async with ctx.database.transaction() as tx:
        await _set_password(tx, actor, hashed, ctx.clock.now(), revoke_tokens=revoke_tokens)


async def _set_password(tx: Tx, actor: Actor, hashed: str, now: datetime, *, revoke_tokens: bool) -> None:
    await tx.execute(update(User).where(User.id == actor.id).values(password_hash=hashed, updated_at=now))
    await end_sessions(tx, actor.id, now)
    await void_links(tx, actor.id, now)
    # What was consented to in one of those sessions, and not fetched yet.
    waiting = (_CODES.c.user_id == actor.id, _CODES.c.used_at.is_(None), _CODES.c.expires_at > now)
    await tx.execute(update(_CODES).where(*waiting).values(used_at=now))
    # Whoever was signed in may have read the secret of an app that is not confirmed yet.
    unconfirmed = (Authenticator.user_id == actor.id, Authenticator.confirmed_at.is_(None))
    await tx.execute(delete(Authenticator).where(*unconfirmed))
    if revoke_tokens:
        await void_cli_logins(tx, actor.id)
        await revoke_tokens_of(tx, actor.id, now)
    await emit(tx, "account.password_changed", actor, now, tokens_revoked=revoke_tokens)
    facts = {"email": actor.email, "at": rfc3339(now), "address": current_origin().address}
    await notify(tx, actor.id, "password.changed", facts, now)


async def void_cli_logins(tx: Tx, user_id: UUID) -> None:
    """What a command line was allowed and has not fetched yet is a token, too: it gets none."""
    allowed = (CliLogin.user_id == user_id, CliLogin.state == LoginState.ALLOWED)
    await tx.execute(update(CliLogin).where(*allowed).values(state=LoginState.REFUSED))


async def revoke_tokens_of(tx: Tx, user_id: UUID, now: datetime) -> None:
    """End every token of a user, those that OAuth clients hold, too."""
    mine = (Authorization.user_id == user_id, Authorization.revoked_at.is_(None))
    await tx.execute(update(Authorization).where(*mine).values(revoked_at=now, updated_at=now))


async def end_sessions(tx: Tx, user_id: UUID, now: datetime, but: UUID | None = None) -> None:
    """Sign out every browser of a user, or all but one."""
    mine = [_SESSIONS.c.user_id == user_id, _SESSIONS.c.ended_at.is_(None)]
    if but is not None:
        mine.append(_SESSIONS.c.id != but)
    await tx.execute(update(_SESSIONS).where(*mine).values(ended_at=now))


async def rename_person(ctx: Context, actor: Actor, name: str) -> None:
    """Change what the person is called.

    Raises: InvalidParams, Forbidden.
    """
    actor.require_own_token()
    now, called = ctx.clock.now(), checked_name(name)
    async with ctx.database.transaction() as tx:
        await tx.execute(update(User).where(User.id == actor.id).values(name=called, updated_at=now))
        await emit(tx, "account.renamed", actor, now)


async def ask_to_change_email(ctx: Context, actor: Actor, email: str) -> None:
    """Send a link to the new address. Nothing changes before it is followed by whoever is signed in here.

    Raises: InvalidParams, RateLimited, Forbidden.
    """
    actor.require_own_token()
    address = checked_email(email)
    if address == actor.email:
        raise InvalidParams("email: is the address of your account already.")
    if not await may_mail(ctx, Purpose.CHANGE_EMAIL, address):
        return
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        known = await user_with(tx, address)
        is_taken = known is not None and known.id != actor.id
        # Whose it is learns nothing of us, and we nothing of them.
        async with in_vain(tx) if is_taken else nullcontext():
            token, until = await new_link(tx, Purpose.CHANGE_EMAIL, address, now, actor.id)
            facts = {"email": address, "old": actor.email}
            await send_secrets(tx, ctx.vault, address, "email.confirm", facts, {"token": token}, now, until)


async def change_email(ctx: Context, actor: Actor, token: Secret) -> str:
    """Take the new address, which the link has proved; the old one is told. All other browsers are signed out by the caller.

    Raises: InvalidParams for the link, or one of another account; Conflict if somebody has taken the address meanwhile.
    """
    actor.require_own_token()
    now = ctx.clock.now()
    try:
        async with ctx.database.transaction() as tx:
            link = await use_up(tx, token, now, Purpose.CHANGE_EMAIL)
            if link.user_id != actor.id:
                raise InvalidParams("This link belongs to another account. Sign in with that one.")
            await tx.execute(update(User).where(User.id == actor.id).values(email=link.email, updated_at=now))
            await void_links(tx, actor.id, now)
            await emit(tx, "account.email_changed", actor, now, before=actor.email, email=link.email)
            facts = {"old": actor.email, "email": link.email, "at": rfc3339(now), "address": current_origin().address}
            await notify_address(tx, actor.email, "email.changed", facts, now, user_id=actor.id)
    except IntegrityError:
        raise Conflict("There is another account with this address by now.") from None
    return link.email
