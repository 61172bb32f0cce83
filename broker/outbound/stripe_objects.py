"""What Stripe's objects mean: from them to the answers of `payments/ports.py`. Nothing is asked here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import stripe

from broker.payments.ports import (
    ActionNeeded,
    Chargeback,
    Charged,
    Declined,
    MethodFacts,
    Pending,
    Refunded,
    SentBack,
    SetupDone,
    Succeeded,
    Unknown,
    Verdict,
)

_TO_CONFIRM: Final = "authentication_required"
_CONFIRM: Final = "Your bank wants this payment to be confirmed: pay the invoice by hand."
VERDICTS: Final = {
    "needs_response": Verdict.OPEN,
    "under_review": Verdict.OPEN,
    "won": Verdict.WON,
    "lost": Verdict.LOST,
}
"""The others are inquiries, which move no money. Source: Stripe, "How disputes work"."""
IN_HUNDREDTHS: Final = frozenset({"isk"})
"""Currencies without a subunit, of which Stripe counts hundredths all the same. Source: Stripe, "Supported currencies"."""


def fee(intent: stripe.PaymentIntent) -> int | None:
    """What Stripe keeps of it; None if it is not known yet. What is settled in another currency has its fee in that one, and
    nothing is converted here: 0.
    """
    moved = getattr(getattr(intent, "latest_charge", None), "balance_transaction", None)
    if moved is None or isinstance(moved, str):
        return None
    return ours(moved.fee, intent.currency) if moved.currency == intent.currency else 0


def refund(refund: stripe.Refund) -> SentBack:
    """What went back, whoever sent it."""
    told = refund.metadata.to_dict() if refund.metadata is not None else {}
    known = is_ours(told.get("refund_id"))
    amount = ours(refund.amount, refund.currency)
    return SentBack(refund.id, amount, sent_back(refund), known, (refund.reason or "").replace("_", " "))


def chargeback(dispute: stripe.Dispute) -> Chargeback:
    """What a bank took back."""
    fees = sum(each.fee for each in dispute.balance_transactions if each.currency == dispute.currency)
    until = dispute.evidence_details.due_by
    return Chargeback(
        reference=dispute.id,
        minor=ours(dispute.amount, dispute.currency),
        verdict=VERDICTS[dispute.status],
        reason=dispute.reason.replace("_", " "),
        fee_minor=ours(fees, dispute.currency),
        answer_by=None if until is None else datetime.fromtimestamp(until, UTC),
    )


def ours(amount: int, currency: str) -> int:
    """An amount of Stripe's as we count it."""
    return amount // 100 if currency in IN_HUNDREDTHS else amount


def refused(error: stripe.InvalidRequestError) -> Declined:
    """What Stripe does not do for us."""
    return Declined(error.code or "refused", f"The payment gateway refused it: {error.user_message or 'no reason'}")


def declined(error: stripe.CardError) -> Charged:
    """What the bank of whoever pays says to it."""
    said: Mapping[str, Any] = error.json_body.get("error", {}) if isinstance(error.json_body, dict) else {}
    return _no(said, (said.get("payment_intent") or {}).get("id"))


def _no(said: Mapping[str, Any], reference: str | None) -> Charged:
    if said.get("code") == _TO_CONFIRM or said.get("decline_code") == _TO_CONFIRM:
        return ActionNeeded(_CONFIRM, reference)
    code = said.get("decline_code") or said.get("code") or "declined"
    return Declined(code, said.get("message") or "Your card was declined.", reference)


def standing(intent: stripe.PaymentIntent) -> Charged:
    """How a payment stands."""
    if intent.status == "succeeded":
        return Succeeded(intent.id, fee(intent))
    if intent.status == "processing":
        return Pending(intent.id)
    if intent.status in ("requires_action", "requires_confirmation"):
        leads = getattr(intent.next_action, "redirect_to_url", None)  # other ways to confirm do not have it
        return ActionNeeded(_CONFIRM, intent.id, leads.url if leads is not None else None)
    if intent.status == "requires_payment_method":
        error = intent.last_payment_error
        return _no(error.to_dict() if error is not None else {}, intent.id)
    if intent.status == "canceled":
        return Declined("not_confirmed", "The payment was not confirmed in time.", intent.id)
    return Unknown(f"the payment is {intent.status}")


def sent_back(refund: stripe.Refund) -> Refunded:
    """How a refund stands."""
    if refund.status == "succeeded":
        return Succeeded(refund.id)
    if refund.status in ("failed", "canceled"):
        return Declined(
            getattr(refund, "failure_reason", None) or "failed", "The refund could not be paid out.", refund.id
        )
    return Pending(refund.id)


def added_method(session: Any) -> SetupDone | Unknown:
    """What was added on a page that is done."""
    method = session.setup_intent.payment_method if session.setup_intent is not None else None
    card = getattr(method, "card", None)
    if method is None or card is None:
        return Unknown("the page is done, and there is no card")
    return SetupDone(MethodFacts(method.id, card.brand, card.last4, card.exp_month, card.exp_year))


def is_ours(text: object) -> UUID | None:
    """An id of ours that came back, if it is one."""
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None
