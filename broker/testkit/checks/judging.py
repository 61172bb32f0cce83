"""Sentences about answers, shared by the checks."""

from __future__ import annotations

from broker.testkit.exchange import Exchange
from broker.testkit.results import Failed


def told(exchange: Exchange) -> str:
    """What was answered, in half a sentence."""
    return f"it answered {exchange.status}" + (f" (“{exchange.message}”)" if exchange.message else "")


def must_have_a_sentence(exchange: Exchange) -> None:
    """A refusal that a user can read.

    Raises: Failed.
    """
    if exchange.message is None:
        raise Failed(
            f"It answered {exchange.status} without a sentence. "
            'Answer with JSON {"message": "…"}: that text is what the user is shown.'
        )
