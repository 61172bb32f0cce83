"""Webhooks of the payment gateway: whether they come from it, and what they are about. Nothing is sent here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import stripe

from broker.kernel.secret import Secret
from broker.outbound.stripe_objects import is_ours
from broker.payments.ports import Forged, News

TOLERANCE_S: Final = 300
"""How old a signature may be: older ones may be somebody's copies."""

_GOES_BACK: Final = ("charge.dispute.", "charge.refund", "refund.")
"""Kinds of events that say that money of a payment goes back. Source: Stripe, "Types of events"."""


class StripeNews:
    """Reads what is signed with one of the secrets: two of them, while one is replaced by another."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        self._secrets = secrets

    def __call__(self, body: bytes, signature: str) -> News:
        if not any(self._is_signed(body, signature, secret) for secret in self._secrets):
            raise Forged
        try:
            event = json.loads(body)
            subject = event["data"]["object"]
            ours = subject.get("metadata") or {}
            known = is_ours(ours.get("payment_id")) or is_ours(ours.get("refund_id"))
            taken_from = str(subject.get("payment_intent") or "") if event["type"].startswith(_GOES_BACK) else ""
            return News(str(event["id"]), str(event["type"]), str(subject.get("id", "")), known, taken_from)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Forged from None

    def _is_signed(self, body: bytes, signature: str, secret: Secret) -> bool:
        try:
            text = body.decode()
            return bool(stripe.WebhookSignature.verify_header(text, signature, secret.reveal(), TOLERANCE_S))
        except (stripe.SignatureVerificationError, UnicodeDecodeError, TypeError):  # the last: for letters beyond ASCII
            return False
