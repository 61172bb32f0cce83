"""The second factor: an authenticator app, and codes for the day on which it is lost. Passkeys are in `passkeys.py`."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update

from broker.accounts.brakes import Allowance, count, release
from broker.accounts.models import User
from broker.accounts.proof_models import Authenticator, Passkey, RecoveryCode
from broker.accounts.tokens import token_hash
from broker.accounts.totp import fitting_step, new_secret
from broker.events.emit import emit
from broker.kernel.clock import rfc3339
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import Conflict, InvalidParams, TwoFactorRequired
from broker.kernel.ids import new_id
from broker.kernel.origin import current_origin
from broker.kernel.secret import Secret
from broker.notices.outbox import notify

RECOVERY_CODES: Final = 10
GUESSES: Final = Allowance(
    "codes of the second factor",
    5,
    timedelta(minutes=15),
    "Too many wrong codes. Wait a quarter of an hour, or use a browser that you have signed in with before.",
)
"""By account and device. Whoever gets here knows the password, so its owner is told to change it."""
_OF_A_TOKEN: Final = Allowance(
    "codes of the second factor, with a token",
    5,
    timedelta(minutes=15),
    "Too many wrong codes with this token. Wait a quarter of an hour.",
)
_OF_ALL_TOKENS: Final = Allowance(
    "codes of the second factor, with whatever token",
    20,
    timedelta(minutes=15),
    "Too many wrong codes with tokens of this account. Wait a quarter of an hour, and revoke the tokens you don't know.",
)
"""By account: whoever has a token may be able to make others."""
_WANTED: Final = "A two-factor code is required: repeat the request with it in the header Heroku-Two-Factor-Code."
_WRONG: Final = "This two-factor code is wrong, or was used already. Wait for the next one."


@dataclass(frozen=True, slots=True)
class Factors:
    """What an account has besides its password."""

    has_app: bool
    passkeys: int
    recovery_left: int
    asks_for_codes: bool

    @property
    def is_on(self) -> bool:
        """Whether a password alone lets nobody in."""
        return self.has_app or self.passkeys > 0


async def factors_of(tx: Tx, user_id: UUID) -> Factors:
    """What this user has, in one round trip."""
    apps = select(func.count()).where(Authenticator.user_id == user_id, Authenticator.confirmed_at.is_not(None))
    keys = select(func.count()).select_from(Passkey).where(Passkey.user_id == user_id)
    codes = select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    columns = (apps.scalar_subquery(), keys.scalar_subquery(), codes.scalar_subquery(), User.asks_for_codes)
    row = (await tx.execute(select(*columns).where(User.id == user_id))).one()
    return Factors(row[0] > 0, row[1], row[2], row[3])


async def get_factors(ctx: Context, actor: Actor) -> Factors:
    """What the actor has.

    Raises: Forbidden.
    """
    actor.require_own_token()
    async with ctx.database.transaction() as tx:
        return await factors_of(tx, actor.id)


async def begin_app(ctx: Context, actor: Actor) -> Secret:
    """A secret to share with an authenticator app, in the clear: base64 of it. Good for nothing before it is confirmed.

    The same one as long as it is not confirmed, so that the page may be loaded again.
    Raises: Forbidden; Conflict when there is an app already.
    """
    actor.require_own_token()
    now, row_id, secret = ctx.clock.now(), new_id(), new_secret()
    async with ctx.database.transaction() as tx:
        await _lock(tx, actor.id)
        known = await _authenticator(tx, actor.id)
        if known is not None and known.confirmed_at is not None:
            raise Conflict("An authenticator app is set up already. Remove it first.")
        if known is not None:
            return Secret(base64.b64encode(_opened(ctx, known)).decode())
        key, wrapped = ctx.vault.new_data_key(_owner(row_id))
        row = {"id": row_id, "user_id": actor.id, "data_key": wrapped, "created_at": now}
        await tx.execute(insert(Authenticator).values(**row, secret_sealed=key.seal(secret, _place(row_id))))
    return Secret(base64.b64encode(secret).decode())


async def confirm_app(ctx: Context, actor: Actor, code: str) -> list[Secret]:
    """Turn the app on with a first code of it. Recovery codes, if these are the first: this is the only time they are seen.

    Raises: InvalidParams for a wrong code, RateLimited, Conflict when there is nothing to confirm, Forbidden.
    """
    actor.require_own_token()
    await count(ctx, GUESSES, str(actor.id), "setting up")
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        await _lock(tx, actor.id)
        known = await _authenticator(tx, actor.id)
        if known is None or known.confirmed_at is not None:
            raise Conflict("There is no authenticator app to confirm. Begin anew.")
        step = fitting_step(_opened(ctx, known), code, now, known.last_step)
        if step is None:
            raise InvalidParams("code: is not the one that the app should show now. Is the clock of the device right?")
        done = update(Authenticator).where(Authenticator.id == known.id)
        await tx.execute(done.values(confirmed_at=now, last_step=step))
        await tell_of_factor(tx, actor, "an authenticator app was set up", now)
        codes = await first_codes(tx, actor, now)
    await release(ctx, GUESSES, str(actor.id), "setting up")
    return codes


async def remove_app(ctx: Context, actor: Actor) -> None:
    """Do without the app. With the last factor, the recovery codes go, too.

    Raises: Forbidden.
    """
    actor.require_own_token()
    async with ctx.database.transaction() as tx:
        gone = await tx.execute(delete(Authenticator).where(Authenticator.user_id == actor.id))
        if gone.rowcount:
            await tell_of_factor(tx, actor, "the authenticator app was removed", ctx.clock.now())
            await drop_codes_of_nothing(tx, actor.id)


async def renew_codes(ctx: Context, actor: Actor) -> list[Secret]:
    """Fresh recovery codes; the old ones are void.

    Raises: Forbidden; Conflict without a second factor to recover.
    """
    actor.require_own_token()
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        await _lock(tx, actor.id)
        if not (await factors_of(tx, actor.id)).is_on:
            raise Conflict("There is no second factor to recover. Set one up first.")
        await tell_of_factor(tx, actor, "new recovery codes were made", now)
        return await _new_codes(tx, actor.id, now)


async def ask_for_codes(ctx: Context, actor: Actor, *, wanted: bool) -> None:
    """Whether a token alone may destroy apps and add-ons, or a code is asked for as well.

    Raises: Forbidden; Conflict without a second factor.
    """
    actor.require_own_token()
    async with ctx.database.transaction() as tx:
        if wanted and not (await factors_of(tx, actor.id)).has_app:
            raise Conflict("Set up an authenticator app first: commands ask for codes of it.")
        now = ctx.clock.now()
        await tx.execute(update(User).where(User.id == actor.id).values(asks_for_codes=wanted, updated_at=now))
        await emit(tx, "account.code_policy_changed", actor, now, asks_for_codes=wanted)


async def check_code(ctx: Context, user_id: UUID, email: str, code: Secret | None, device: str | None = None) -> None:
    """Go on only with a code of the app, or a recovery code; each is good once.

    `device` is a browser that the user has signed in with before; its attempts are counted apart.
    Transactions: one that counts the attempt, one that takes the code.
    Raises: TwoFactorRequired if it is missing or wrong, RateLimited.
    """
    text, who = _given(code), (str(user_id), device or "")
    attempt = await count(ctx, GUESSES, *who)
    if await _take(ctx, user_id, email, text):
        await release(ctx, GUESSES, *who)
        return
    if attempt == GUESSES.most:
        async with ctx.database.transaction() as tx:
            await notify(tx, user_id, "two_factor.guessed", _guessed(ctx, email, GUESSES), ctx.clock.now())
    raise TwoFactorRequired(_WRONG)


async def check_code_of_token(ctx: Context, actor: Actor, token: UUID, code: Secret | None) -> None:
    """The same for a program that has shown a token and no password: what it guesses closes the door for no one who signs in.

    Raises: TwoFactorRequired if it is missing or wrong, RateLimited.
    """
    text, user = _given(code), str(actor.id)
    attempt = await count(ctx, _OF_A_TOKEN, user, str(token))
    await count(ctx, _OF_ALL_TOKENS, user)
    if await _take(ctx, actor.id, actor.email, text):
        await release(ctx, _OF_A_TOKEN, user, str(token))
        await release(ctx, _OF_ALL_TOKENS, user)
        return
    if attempt == _OF_A_TOKEN.most:
        facts = _guessed(ctx, actor.email, _OF_A_TOKEN)
        async with ctx.database.transaction() as tx:
            await notify(tx, actor.id, "two_factor.guessed_with_token", facts, ctx.clock.now())
    raise TwoFactorRequired(_WRONG)


def _given(code: Secret | None) -> str:
    text = "" if code is None else code.reveal().strip()
    if not text:
        raise TwoFactorRequired(_WANTED)
    return text


async def _take(ctx: Context, user_id: UUID, email: str, text: str) -> bool:
    now = ctx.clock.now()
    async with ctx.database.transaction() as tx:
        known = await _authenticator(tx, user_id)
        if known is not None and known.confirmed_at is not None:
            step = fitting_step(_opened(ctx, known), text, now, known.last_step)
            fresh = (Authenticator.id == known.id, Authenticator.last_step < (step or 0))
            if (
                step is not None
                and (await tx.execute(update(Authenticator).where(*fresh).values(last_step=step))).rowcount
            ):
                return True
        return await _take_recovery_code(tx, user_id, email, text, now)


async def _take_recovery_code(tx: Tx, user_id: UUID, email: str, text: str, now: datetime) -> bool:
    named = (RecoveryCode.user_id == user_id, RecoveryCode.code_hash == _code_hash(text))
    used = update(RecoveryCode).where(*named, RecoveryCode.used_at.is_(None)).values(used_at=now)
    if (await tx.execute(used)).rowcount != 1:
        return False
    left = (await factors_of(tx, user_id)).recovery_left
    actor = Actor(user_id, email, frozenset({Scope.GLOBAL}))
    await tell_of_factor(tx, actor, f"a recovery code was used, {left} are left", now)
    return True


def _guessed(ctx: Context, email: str, tried: Allowance) -> dict[str, Any]:
    """What the owner is told of somebody who tries codes, and has the password or a token already."""
    at = rfc3339(ctx.clock.now())
    return {"email": email, "at": at, "failures": tried.most, "address": current_origin().address}


async def tell_of_factor(tx: Tx, actor: Actor, what: str, now: datetime) -> None:
    """Record a change of the second factor, and tell the owner, who may not have made it."""
    await emit(tx, "account.two_factor_changed", actor, now, change=what)
    facts = {"email": actor.email, "at": rfc3339(now), "what": what, "address": current_origin().address}
    await notify(tx, actor.id, "two_factor.changed", facts, now)


async def first_codes(tx: Tx, actor: Actor, now: datetime) -> list[Secret]:
    """Recovery codes, if the account has none yet."""
    has_some = (await factors_of(tx, actor.id)).recovery_left > 0
    return [] if has_some else await _new_codes(tx, actor.id, now)


async def drop_codes_of_nothing(tx: Tx, user_id: UUID) -> None:
    """Without a factor there is nothing to recover; without an app, nothing that could show what commands ask for."""
    left = await factors_of(tx, user_id)
    if not left.is_on:
        await tx.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    if not left.has_app:
        await tx.execute(update(User).where(User.id == user_id).values(asks_for_codes=False))


async def _new_codes(tx: Tx, user_id: UUID, now: datetime) -> list[Secret]:
    await tx.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    rows = [{"id": new_id(), "user_id": user_id, "code_hash": _code_hash(code), "created_at": now} for code in codes]
    await tx.execute(insert(RecoveryCode).values(rows))
    return [Secret(code) for code in codes]


def _new_code() -> str:
    """80 random bits as four groups of four, without look-alikes: base32 has neither 0 nor 1."""
    text = base64.b32encode(os.urandom(10)).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, 16, 4))


def _code_hash(text: str) -> bytes:
    return token_hash("".join(text.lower().replace("-", "").split()))


async def _lock(tx: Tx, user_id: UUID) -> None:
    """Let one change of the factors of an account wait for the other."""
    await tx.execute(select(User.id).where(User.id == user_id).with_for_update(key_share=True))


async def _authenticator(tx: Tx, user_id: UUID) -> Any:
    statement = select(Authenticator.__table__).where(Authenticator.user_id == user_id)
    return (await tx.execute(statement)).one_or_none()


def _opened(ctx: Context, row: Any) -> bytes:
    return ctx.vault.unwrap(row.data_key, _owner(row.id)).open(row.secret_sealed, _place(row.id))


def _owner(row_id: UUID) -> str:
    return f"authenticators:{row_id}"


def _place(row_id: UUID) -> str:
    return f"authenticators:{row_id}:secret:1"
