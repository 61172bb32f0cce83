"""Sentences about answers, shared by the checks."""

from __future__ import annotations

from broker.testkit.exchange import Exchange
from broker.testkit.results import Failed, Warned


def told(exchange: Exchange) -> str:
    """What was answered, in half a sentence."""
    return f"it answered {exchange.status}" + (f" (“{exchange.message}”)" if exchange.message else "")


def must_refuse_with(exchange: Exchange, status: int, what_to_do: str, *, also: tuple[int, ...] = ()) -> None:
    """A refusal: `status` passes, another 4xx is a warning, anything else a failure.

    Raises: Failed, Warned.
    """
    if exchange.status in (status, *also):
        return
    if 400 <= exchange.status < 500:
        raise Warned(f"It is refused, but {told(exchange)} instead of {status}. {what_to_do}")
    raise Failed(f"Instead of {status} {told(exchange)}. {what_to_do}")


def must_have_a_sentence(exchange: Exchange) -> None:
    """A refusal that a user can read.

    Raises: Failed.
    """
    if exchange.message is None:
        raise Failed(
            f"It answered {exchange.status} without a sentence. "
            'Answer with JSON {"message": "…"}: that text is what the user is shown.'
        )
