"""How many requests a token may make: a bucket per token, in this process, that refills steadily.

Tokens that have not proved good yet have none: all that come from one place take from one bucket together, so that inventing
tokens gives nobody more requests, and pushes no one's bucket out.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

_KEYS: Final = 10_000
_PERIOD: Final = timedelta(hours=1)


class RateLimits:
    """The generic cell rate algorithm: per key, the one instant at which its bucket will be full again.

    Units: `per_hour` is both what a full bucket holds and what flows in within an hour; 0 is without limit.
    """

    def __init__(self, per_hour: int) -> None:
        self._per_hour = per_hour
        self._step = _PERIOD / per_hour if per_hour else timedelta(0)
        self._full_at: OrderedDict[bytes, datetime] = OrderedDict()

    def remaining(self, key: bytes, now: datetime) -> int:
        """How many requests are left now."""
        if not self._per_hour:
            return 1_000_000
        return (_PERIOD - (max(self._full_at.get(key, now), now) - now)) // self._step

    def knows(self, key: bytes) -> bool:
        """Whether there is such a bucket."""
        return key in self._full_at

    def give_back(self, key: bytes) -> None:
        """Uncount a request."""
        if key in self._full_at:
            self._full_at[key] -= self._step

    @property
    def retry_after(self) -> timedelta:
        """After how long an empty bucket holds one request again."""
        return self._step

    def take(self, key: bytes, now: datetime) -> bool:
        """Count a request; False if none was left."""
        if not self.remaining(key, now):
            return False
        if self._per_hour:
            self._full_at[key] = max(self._full_at.get(key, now), now) + self._step
            self._full_at.move_to_end(key)
            if len(self._full_at) > _KEYS:
                self._full_at.popitem(last=False)
        return True


class Tally:
    """Where one request is counted: at its token if that has proved good before, and else at the place that it comes from.

    What proves a token calls `vouch`, which is the request's `state.vouch`.
    """

    def __init__(self, rates: RateLimits, place: str, token: bytes | None, now: datetime) -> None:
        self._rates = rates
        self._token = token
        self._now = now
        self._is_moving = False
        known = token is not None and rates.knows(token)
        where = place if token is None else f"tokens from {place}"
        self._bucket = token if known and token is not None else where.encode()

    @property
    def remaining(self) -> int:
        """How many requests are left."""
        return self._rates.remaining(self._bucket, self._now)

    def take(self) -> bool:
        """Count the request; False if none was left."""
        taken = self._rates.take(self._bucket, self._now)
        self._is_moving = taken and self._token is not None and self._bucket != self._token
        return taken

    def vouch(self) -> None:
        """The token has proved good: count the request there instead, if it was counted."""
        if self._is_moving and self._token is not None:
            self._rates.give_back(self._bucket)
            self._bucket, self._is_moving = self._token, False
            self._rates.take(self._bucket, self._now)
