"""How long to wait before trying again: twice as long each time, spread so that not all come at once. Pure."""

from __future__ import annotations

from datetime import timedelta


def pause_after(made: int, first: timedelta, longest: timedelta, jitter: float) -> timedelta:
    """The pause after so many attempts.

    Units: `made` counts from 1; `jitter` is a random number in [0, 1), which spreads the pause by a quarter either way.
    """
    return min(first * (1 << min(made - 1, 20)), longest) * (0.75 + jitter / 2)


def asked_for(retry_after_s: float | None, most: timedelta) -> timedelta:
    """What the other side asks for by `Retry-After`, in seconds, up to `most`."""
    return min(timedelta(seconds=max(retry_after_s or 0.0, 0.0)), most)
