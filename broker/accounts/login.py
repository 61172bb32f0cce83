"""Signing in with e-mail address and password, a second factor if there is one, and the brake on guessing.

Attempts are counted by address of the account, those of browsers that its owner has used before apart from all others: so
whoever guesses locks nobody out. They are also counted by where they come from.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Row, func, select

from broker.accounts.devices import device_of
from broker.accounts.locked import note_login
from broker.accounts.models import User
from broker.accounts.passwords import password_fits
from broker.accounts.two_factor import check_code, factors_of
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import RateLimited, Unauthorized
from broker.kernel.origin import current_origin
from broker.kernel.secret import Secret

ATTEMPTS: Final = 10
FROM_ONE_PLACE: Final = 60
"""From one network address, for whatever accounts: there may be many people behind it."""
WINDOW: Final = timedelta(minutes=1)
_ADDRESSES: Final = 10_000


class LoginThrottle:
    """Counts failed attempts per e-mail address (or whatever else names who logs in), in this process, for those tried last."""

    def __init__(self, named_by: str = "e-mail address") -> None:
        self._named_by = named_by
        self._attempts: OrderedDict[bytes, deque[datetime]] = OrderedDict()

    def begin(self, email: str, now: datetime, most: int = ATTEMPTS) -> None:
        """Count an attempt before it is checked, so that attempts at the same time count too.

        Raises: RateLimited.
        """
        self.check(email, now, most)
        self.failed(email, now)

    def check(self, email: str, now: datetime, most: int = ATTEMPTS) -> None:
        """Go on only if there were not too many failed attempts.

        Raises: RateLimited.
        """
        attempts = self._attempts.get(_key(email), deque())
        while attempts and attempts[0] <= now - WINDOW:
            attempts.popleft()
        if len(attempts) >= most:
            raise RateLimited(f"Too many failed logins for this {self._named_by}; wait a minute and try again.")

    def failed(self, email: str, now: datetime) -> None:
        """Count an attempt that failed, or that may fail."""
        self._attempts.setdefault(_key(email), deque()).append(now)
        self._attempts.move_to_end(_key(email))
        if len(self._attempts) > _ADDRESSES:
            self._attempts.popitem(last=False)

    def took_back(self, email: str) -> None:
        """Uncount one attempt, which has not failed."""
        attempts = self._attempts.get(_key(email))
        if attempts:
            attempts.pop()

    def succeeded(self, email: str) -> None:
        """Forget the attempts: the right person is there."""
        self._attempts.pop(_key(email), None)


def _key(email: str) -> bytes:
    return hashlib.sha256(email.casefold().encode(errors="surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class Entrant:
    """Somebody who knows the password of an account, and may need a second factor besides."""

    id: UUID
    email: str
    is_operator: bool
    device: str | None
    """The browser, if the account's owner has used it before."""
    needs_code: bool

    def actor(self) -> Actor:
        """The account's actor, with every scope: for whoever has shown all that is needed."""
        return Actor(self.id, self.email, frozenset({Scope.GLOBAL}), is_operator=self.is_operator)


async def log_in(
    ctx: Context, throttle: LoginThrottle, email: str, password: Secret, code: Secret | None = None
) -> Actor:
    """The account's actor, with every scope: for programs, which send all that is needed at once.

    Raises: Unauthorized, RateLimited; TwoFactorRequired when a code is missing or wrong; AccountLocked after all that.
    """
    entrant = await check_password(ctx, throttle, email, password)
    return await enter(ctx, entrant, code)


async def check_password(
    ctx: Context, throttle: LoginThrottle, email: str, password: Secret, device: Secret | None = None
) -> Entrant:
    """Who it is, if the password is right. An unknown address costs as much time as a wrong password.

    Raises: Unauthorized, RateLimited.
    """
    known, now = await _account(ctx, email), ctx.clock.now()
    recognised = device_of(ctx.vault, known.id, device) if known else None
    # The first word is ours: whatever is typed as an address names neither a device nor a place.
    bucket = f"account {email}" if recognised is None else f"device {recognised}"
    throttle.begin(bucket, now)
    place = f"from {current_origin().place}"
    counts_place = recognised is None and current_origin().place is not None
    if counts_place:
        throttle.begin(place, now, FROM_ONE_PLACE)
    if not await password_fits(known and known.password_hash, password) or known is None:
        raise Unauthorized("Invalid e-mail address or password.")
    throttle.succeeded(bucket)
    if counts_place:
        throttle.took_back(place)
    async with ctx.database.transaction() as tx:
        factors = await factors_of(tx, known.id)
    return Entrant(known.id, known.email, known.is_operator, recognised, factors.is_on)


async def enter(ctx: Context, entrant: Entrant, code: Secret | None) -> Actor:
    """Let somebody in who knows the password, with a code where one is needed. Nobody else learns that an account is locked.

    Raises: TwoFactorRequired, RateLimited; AccountLocked.
    """
    if entrant.needs_code:
        await check_code(ctx, entrant.id, entrant.email, code, entrant.device)
    async with ctx.database.transaction() as tx:
        await note_login(tx, ctx, entrant.id)
    return entrant.actor()


async def _account(ctx: Context, email: str) -> Row[UUID, str, str | None, bool] | None:
    if not email.isprintable():
        return None
    columns = (User.id, User.email, User.password_hash, User.is_operator)
    statement = select(*columns).where(func.lower(User.email) == email.lower(), User.team_name.is_(None))
    async with ctx.database.transaction() as tx:
        return (await tx.execute(statement)).one_or_none()
