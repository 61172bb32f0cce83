"""Signing in with e-mail address and password, and the brake on guessing."""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Row, func, select, update

from broker.accounts.models import User
from broker.accounts.passwords import password_fits
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import RateLimited, Unauthorized
from broker.kernel.secret import Secret

ATTEMPTS: Final = 10
WINDOW: Final = timedelta(minutes=1)
_ADDRESSES: Final = 10_000


class LoginThrottle:
    """Counts failed attempts per e-mail address (or whatever else names who logs in), in this process, for those tried last."""

    def __init__(self, named_by: str = "e-mail address") -> None:
        self._named_by = named_by
        self._attempts: OrderedDict[bytes, deque[datetime]] = OrderedDict()

    def begin(self, email: str, now: datetime) -> None:
        """Count an attempt before it is checked, so that attempts at the same time count too.

        Raises: RateLimited.
        """
        self.check(email, now)
        self.failed(email, now)

    def check(self, email: str, now: datetime) -> None:
        """Go on only if there were not too many failed attempts.

        Raises: RateLimited.
        """
        attempts = self._attempts.get(_key(email), deque())
        while attempts and attempts[0] <= now - WINDOW:
            attempts.popleft()
        if len(attempts) >= ATTEMPTS:
            raise RateLimited(f"Too many failed logins for this {self._named_by}; wait a minute and try again.")

    def failed(self, email: str, now: datetime) -> None:
        """Count an attempt that failed, or that may fail."""
        self._attempts.setdefault(_key(email), deque()).append(now)
        self._attempts.move_to_end(_key(email))
        if len(self._attempts) > _ADDRESSES:
            self._attempts.popitem(last=False)

    def succeeded(self, email: str) -> None:
        """Forget the attempts: the right person is there."""
        self._attempts.pop(_key(email), None)


def _key(email: str) -> bytes:
    return hashlib.sha256(email.casefold().encode(errors="surrogatepass")).digest()


async def log_in(ctx: Context, throttle: LoginThrottle, email: str, password: Secret) -> Actor:
    """The account's actor, with every scope. An unknown address costs as much time as a wrong password.

    Raises: Unauthorized, RateLimited.
    """
    throttle.begin(email, ctx.clock.now())
    known = await _account(ctx, email)
    if not await password_fits(known and known.password_hash, password) or known is None:
        raise Unauthorized("Invalid e-mail address or password.")
    throttle.succeeded(email)
    async with ctx.database.transaction() as tx:
        await tx.execute(update(User).where(User.id == known.id).values(last_login=ctx.clock.now()))
    return Actor(known.id, known.email, frozenset({Scope.GLOBAL}), is_operator=known.is_operator)


async def _account(ctx: Context, email: str) -> Row[UUID, str, str | None, bool] | None:
    if not email.isprintable():
        return None
    columns = (User.id, User.email, User.password_hash, User.is_operator)
    statement = select(*columns).where(func.lower(User.email) == email.lower())
    async with ctx.database.transaction() as tx:
        return (await tx.execute(statement)).one_or_none()
