"""How many requests a token may make: a bucket per token, in this process, that refills steadily."""

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
