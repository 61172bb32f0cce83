"""Telling what a pending operation does while somebody waits for it. Only for show: `waiting.py` finds out how it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from broker.cli.client import Client, Json, segment
from broker.cli.output import clean, span

Words = Callable[[], str]
"""What to show now; of a time to come, how long it still is."""
Tell = Callable[[Words], None]


def watch(client: Client, addon: Json, tell: Tell) -> None:
    """Pass on what the broker tells of an add-on's operation, until it ends or the broker does not tell any more."""
    for operation in client.events(f"/addons/{segment(addon['id'])}/operations"):
        tell(words_for(operation))


def words_for(operation: Json) -> Words:
    """`attempt 2, next try in 3 s: Store can't be reached.`"""
    state, attempts, why = operation["state"], operation["attempts"], clean(operation["reason"] or "")
    if state == "running":
        return lambda: f"attempt {attempts}"
    if state == "waiting":
        return lambda: "the provider is working on it"
    if state != "pending" or not operation["next_attempt_at"]:
        return lambda: why
    due = time.monotonic() + _delay(operation)
    name = f"attempt {attempts + 1}, next try" if attempts else "first try"
    return lambda: f"{name} {_until(due)}{f': {why}' if why else ''}"


def _delay(operation: Json) -> float:
    """By the broker's clock alone: ours may differ."""
    told, due = (datetime.fromisoformat(operation[key]) for key in ("updated_at", "next_attempt_at"))
    return (due - told).total_seconds()


def _until(due: float) -> str:
    left = due - time.monotonic()
    return f"in {span(left + 0.999)}" if left > 0 else "any moment"
