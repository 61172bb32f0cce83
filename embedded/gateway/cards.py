"""The test cards, and what becomes of payments with each of them. No other number is taken, let alone kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Card:
    """What happens with a card. Codes and sentences are those that Stripe's documentation gives."""

    number: str
    brand: str
    does: str
    """For the page, what is to be expected."""
    code: str | None = None
    decline_code: str | None = None
    message: str = ""
    refused_at_once: bool = False
    """Whether it cannot even be added."""
    must_confirm: bool = False
    disputed: str | None = None
    """What its owner tells the bank after a while, which takes the money back until that is decided."""
    later: str | None = None
    """What becomes of it after a while: `succeeded` or `failed`; until then the payment is processing."""

    @property
    def last4(self) -> str:
        return self.number[-4:]


_DECLINED: Final = "Your card was declined."

CARDS: Final[Mapping[str, Card]] = {
    card.number: card
    for card in (
        Card("4242424242424242", "visa", "payments succeed"),
        Card("5555555555554444", "mastercard", "payments succeed"),
        Card("4000000000000002", "visa", "cannot be added", "card_declined", "generic_decline", _DECLINED, True),
        Card("4000000000000341", "visa", "payments are declined", "card_declined", "generic_decline", _DECLINED),
        Card(
            "4000000000009995", "visa", "payments are declined: not enough money",
            "card_declined", "insufficient_funds", "Your card has insufficient funds.",
        ),
        Card(
            "4000000000000069", "visa", "payments are declined: the card has expired",
            "expired_card", None, "Your card has expired.",
        ),
        Card("4000002760003184", "visa", "every payment must be confirmed by its owner", must_confirm=True),
        Card("4000000000000259", "visa", "payments succeed, and are taken back by the bank", disputed="fraudulent"),
        Card("4000000000000077", "visa", "payments succeed after a while", later="succeeded"),
        Card(
            "4000000000000093", "visa", "payments fail after a while",
            "card_declined", "generic_decline", _DECLINED, later="failed",
        ),
    )
}  # fmt: skip


def find_card(number: str) -> Card | None:
    """The test card with this number, however it is written."""
    return CARDS.get("".join(character for character in number if character.isdigit()))
