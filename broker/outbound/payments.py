"""The payment gateway that speaks Stripe's API: Stripe itself, or the local one, by Stripe's own library.

The library sends through our guarded client, and repeats nothing by itself: repeating is decided by the payment's row.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NoReturn
from uuid import UUID

import stripe
from stripe.params import PaymentIntentCreateParams

from broker.kernel.secret import Secret
from broker.outbound.http import CallFailed, GuardedClient
from broker.payments.ports import (
    ActionNeeded,
    Aftermath,
    Chargeback,
    ChargeCall,
    Charged,
    CustomerCall,
    CustomerMade,
    Declined,
    LookCall,
    MethodFacts,
    NotThere,
    Pending,
    RefundCall,
    Refunded,
    RefundLook,
    SentBack,
    SetupCall,
    SetupDone,
    SetupOpen,
    SetupOver,
    Succeeded,
    Unknown,
    Verdict,
)

_TO_CONFIRM: Final = "authentication_required"
_CONFIRM: Final = "Your bank wants this payment to be confirmed: pay the invoice by hand."
_MOST_LISTED: Final = 100
_WITH_FEE: Final = ["latest_charge.balance_transaction"]
_VERDICTS: Final = {
    "needs_response": Verdict.OPEN,
    "under_review": Verdict.OPEN,
    "won": Verdict.WON,
    "lost": Verdict.LOST,
}
"""The others are inquiries, which move no money. Source: Stripe, "How disputes work"."""
_IN_HUNDREDTHS: Final = frozenset({"isk"})
"""Currencies without a subunit, of which Stripe counts hundredths all the same. Source: Stripe, "Supported currencies"."""
_COUNTED_OTHERWISE: Final = frozenset({"mga", "ugx"})
"""Stripe counts whole ariary, of which we count hundredths, and is of two minds about shillings: we would ask for a hundred
times as much, or for a hundredth."""
_LOST_SIGHT_OF: Final = "the gateway knew it and does not find it: is the key that of another account?"
_IN_TENS: Final = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})
"""Currencies with three decimals, of which Stripe wants the last one to be 0. Source: Stripe, "Supported currencies"."""
_NOT_IN_TENS: Final = "Cards take hundredths of this currency, and this amount has thousandths: use a bank transfer."
_NOT_BY_CARD: Final = "Amounts in this currency cannot be paid by card: pay the invoice by transfer."

stripe.enable_telemetry = False


class _Guarded(stripe.HTTPClient):
    """How the library sends: with our checks of addresses, bounds of time and size, and never inside a transaction."""

    name = "guarded"

    def __init__(self, client: GuardedClient) -> None:
        super().__init__()
        self._client = client

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        content = post_data.encode() if isinstance(post_data, str) else post_data
        try:
            answer = await self._client.request(method.upper(), url, headers=headers, content=content)
        except CallFailed as failure:
            raise _unreached(failure.note) from None
        return answer.body, answer.status, answer.headers

    async def close_async(self) -> None:
        """The client is closed by who made it."""


def _unreached(note: str) -> stripe.APIConnectionError:
    made: Callable[[str], stripe.APIConnectionError] = stripe.APIConnectionError
    return made(note)


class StripeGateway:
    """Stripe's API behind the `Gateway` protocol. Units: minor units, seconds. Source: Stripe API 2026 reference."""

    def __init__(self, name: str, key: Secret, client: GuardedClient, api_url: str | None = None) -> None:
        self._name = name
        self._stripe = stripe.StripeClient(
            key.reveal(),
            http_client=_Guarded(client),
            base_addresses={"api": api_url} if api_url else {},
            max_network_retries=0,
        ).v1

    @property
    def name(self) -> str:
        return self._name

    async def make_customer(self, call: CustomerCall) -> CustomerMade | Unknown:
        async def made() -> CustomerMade:
            customer = await self._stripe.customers.create_async(
                {"email": call.email, "metadata": {"account_id": str(call.account_id)}},
                {"idempotency_key": f"customer {call.account_id}"},
            )
            return CustomerMade(customer.id)

        answer: CustomerMade | Unknown = await _answered(made)
        return answer

    async def open_setup(self, call: SetupCall) -> SetupOpen | Declined | Unknown:
        async def opened() -> SetupOpen:
            session = await self._stripe.checkout.sessions.create_async(
                {
                    "mode": "setup",
                    "customer": call.customer,
                    "allowed_payment_method_types": ["card"],
                    "success_url": call.return_url,
                    "cancel_url": call.return_url.partition("setup=")[0].rstrip("?&"),
                    "client_reference_id": str(call.id),
                    "expires_at": int(call.expires_at.timestamp()),
                },
                {"idempotency_key": f"setup {call.id}"},
            )
            return SetupOpen(session.id, session.url)

        answer: SetupOpen | Declined | Unknown = await _answered(opened, refused=_refused)
        return answer

    async def look_at_setup(self, reference: str) -> SetupOpen | SetupDone | SetupOver | Unknown:
        async def found() -> SetupOpen | SetupDone | SetupOver | Unknown:
            session = await self._stripe.checkout.sessions.retrieve_async(
                reference, {"expand": ["setup_intent.payment_method"]}
            )
            if session.status == "open":
                return SetupOpen(session.id, session.url)
            return _added(session) if session.status == "complete" else SetupOver()

        answer: SetupOpen | SetupDone | SetupOver | Unknown = await _answered(found, refused=lambda _: SetupOver())
        return answer

    async def forget_method(self, reference: str) -> Succeeded | Unknown:
        async def gone() -> Succeeded:
            await self._stripe.payment_methods.detach_async(reference)
            return Succeeded(reference)

        answer: Succeeded | Unknown = await _answered(gone, refused=lambda _: Succeeded(reference))
        return answer

    async def charge(self, call: ChargeCall) -> Charged:
        if call.currency in _COUNTED_OTHERWISE:
            return Declined("currency_not_supported", _NOT_BY_CARD)
        if _has_thousandths(call.minor, call.currency):
            return Declined("amount_not_supported", _NOT_IN_TENS)

        async def charged() -> Charged:
            wanted: PaymentIntentCreateParams = {
                "amount": _counted(call.minor, call.currency),
                "currency": call.currency,
                "customer": call.customer,
                "payment_method": call.method,
                "allowed_payment_method_types": ["card"],
                "confirm": True,
                "capture_method": "automatic",  # at once: so that the answer says what it costs
                "expand": _WITH_FEE,
                "description": f"Invoice {call.invoice}",
                "metadata": {"payment_id": str(call.payment_id), "invoice": call.invoice},
            }
            if call.return_url is None:
                wanted["off_session"] = True
            else:
                wanted["return_url"] = call.return_url
            key = f"payment {call.payment_id}"
            return _standing(await self._stripe.payment_intents.create_async(wanted, {"idempotency_key": key}))

        answer: Charged = await _answered(charged, refused=_refused, declined=_declined)
        return answer

    async def look_at(self, call: LookCall) -> Charged | NotThere:
        async def found() -> Charged | NotThere:
            if call.reference is not None:
                return _standing(
                    await self._stripe.payment_intents.retrieve_async(call.reference, {"expand": _WITH_FEE})
                )
            return await self._by_our_id(call)

        answer: Charged | NotThere = await _answered(found, refused=_not_found(call.reference))
        return answer

    async def _by_our_id(self, call: LookCall) -> Charged | NotThere:
        """By what we told with the charge whose answer was lost. Lists are consistent at once, searches are not."""
        if call.customer is None:
            return NotThere()
        listed = await self._stripe.payment_intents.list_async(
            {"customer": call.customer, "limit": _MOST_LISTED, "expand": [f"data.{each}" for each in _WITH_FEE]}
        )
        async for intent in listed.auto_paging_iter():
            if intent.metadata.to_dict().get("payment_id") == str(call.payment_id):
                return _standing(intent)
        return NotThere()

    async def give_up(self, reference: str) -> Charged:
        async def given_up() -> Charged:
            return _standing(await self._stripe.payment_intents.cancel_async(reference))

        async def standing() -> Charged:
            return _standing(await self._stripe.payment_intents.retrieve_async(reference, {"expand": _WITH_FEE}))

        answer: Charged
        try:
            answer = await _answered(given_up, refused=_raise)
        except stripe.InvalidRequestError:  # it was confirmed in this very moment
            answer = await _answered(standing, refused=_refused)
        return answer

    async def refund(self, call: RefundCall) -> Refunded:
        if _has_thousandths(call.minor, call.currency):
            return Declined("amount_not_supported", _NOT_IN_TENS)

        async def refunded() -> Refunded:
            refund = await self._stripe.refunds.create_async(
                {
                    "payment_intent": call.payment_reference,
                    "amount": _counted(call.minor, call.currency),
                    "metadata": {"refund_id": str(call.refund_id)},
                },
                {"idempotency_key": f"refund {call.refund_id}"},
            )
            return _sent_back(refund)

        answer: Refunded = await _answered(refunded, refused=_refused, declined=_declined)
        return answer

    async def look_at_refund(self, call: RefundLook) -> Refunded | NotThere:
        async def found() -> Refunded | NotThere:
            if call.reference is not None:
                return _sent_back(await self._stripe.refunds.retrieve_async(call.reference))
            listed = await self._stripe.refunds.list_async(
                {"payment_intent": call.payment_reference, "limit": _MOST_LISTED}
            )
            async for refund in listed.auto_paging_iter():
                if refund.metadata is not None and refund.metadata.to_dict().get("refund_id") == str(call.refund_id):
                    return _sent_back(refund)
            return NotThere()

        answer: Refunded | NotThere = await _answered(found, refused=_not_found(call.reference))
        return answer

    async def look_back(self, reference: str) -> Aftermath | Unknown:
        async def seen() -> Aftermath:
            intent = await self._stripe.payment_intents.retrieve_async(reference, {"expand": _WITH_FEE})
            ask: Any = {"payment_intent": reference, "limit": _MOST_LISTED}
            refunds = await self._stripe.refunds.list_async(ask)
            disputes = await self._stripe.disputes.list_async(ask)
            return Aftermath(
                _fee(intent),
                [_gone(each) async for each in refunds.auto_paging_iter()],
                [_taken(each) async for each in disputes.auto_paging_iter() if each.status in _VERDICTS],
            )

        answer: Aftermath | Unknown = await _answered(seen)
        return answer


def _fee(intent: stripe.PaymentIntent) -> int | None:
    """What Stripe keeps of it; None if it is not known yet. What is settled in another currency has its fee in that one, and
    nothing is converted here: 0.
    """
    moved = getattr(getattr(intent, "latest_charge", None), "balance_transaction", None)
    if moved is None or isinstance(moved, str):
        return None
    return _ours(moved.fee, intent.currency) if moved.currency == intent.currency else 0


def _gone(refund: stripe.Refund) -> SentBack:
    ours = refund.metadata.to_dict() if refund.metadata is not None else {}
    known = is_ours(ours.get("refund_id"))
    amount = _ours(refund.amount, refund.currency)
    return SentBack(refund.id, amount, _sent_back(refund), known, (refund.reason or "").replace("_", " "))


def _taken(dispute: stripe.Dispute) -> Chargeback:
    fees = sum(each.fee for each in dispute.balance_transactions if each.currency == dispute.currency)
    until = dispute.evidence_details.due_by
    return Chargeback(
        reference=dispute.id,
        minor=_ours(dispute.amount, dispute.currency),
        verdict=_VERDICTS[dispute.status],
        reason=dispute.reason.replace("_", " "),
        fee_minor=_ours(fees, dispute.currency),
        answer_by=None if until is None else datetime.fromtimestamp(until, UTC),
    )


def _has_thousandths(minor: int, currency: str) -> bool:
    return currency in _IN_TENS and minor % 10 != 0


def _counted(minor: int, currency: str) -> int:
    """An amount as Stripe counts it."""
    return minor * 100 if currency in _IN_HUNDREDTHS else minor


def _ours(amount: int, currency: str) -> int:
    """An amount of Stripe's as we count it."""
    return amount // 100 if currency in _IN_HUNDREDTHS else amount


def _raise(error: stripe.StripeError) -> NoReturn:
    raise error


def _unsaid(error: stripe.StripeError) -> Unknown:
    status = f" {error.http_status}" if error.http_status else ""
    connection = f": {error}" if isinstance(error, stripe.APIConnectionError) else ""
    return Unknown(f"{type(error).__name__}{status}{connection}")


async def _answered(
    ask: Callable[[], Awaitable[Any]],
    refused: Callable[[stripe.InvalidRequestError], Any] = _unsaid,
    declined: Callable[[stripe.CardError], Any] = _unsaid,
) -> Any:
    """The answer, whatever it is. What says nothing about the payment, such as a wrong key of ours, is `Unknown`."""
    try:
        return await ask()
    except stripe.CardError as error:
        return declined(error)
    except stripe.InvalidRequestError as error:
        return refused(error)
    except stripe.StripeError as error:
        return _unsaid(error)


def _not_found(reference: str | None) -> Callable[[stripe.InvalidRequestError], NotThere | Unknown]:
    """What it means that nothing is found. What has a reference has been there: perhaps our key is another account's by now."""
    return lambda _: NotThere() if reference is None else Unknown(_LOST_SIGHT_OF)


def _refused(error: stripe.InvalidRequestError) -> Declined:
    return Declined(error.code or "refused", f"The payment gateway refused it: {error.user_message or 'no reason'}")


def _declined(error: stripe.CardError) -> Charged:
    said: Mapping[str, Any] = error.json_body.get("error", {}) if isinstance(error.json_body, dict) else {}
    return _no(said, (said.get("payment_intent") or {}).get("id"))


def _no(said: Mapping[str, Any], reference: str | None) -> Charged:
    if said.get("code") == _TO_CONFIRM or said.get("decline_code") == _TO_CONFIRM:
        return ActionNeeded(_CONFIRM, reference)
    code = said.get("decline_code") or said.get("code") or "declined"
    return Declined(code, said.get("message") or "Your card was declined.", reference)


def _standing(intent: stripe.PaymentIntent) -> Charged:
    if intent.status == "succeeded":
        return Succeeded(intent.id, _fee(intent))
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


def _sent_back(refund: stripe.Refund) -> Refunded:
    if refund.status == "succeeded":
        return Succeeded(refund.id)
    if refund.status in ("failed", "canceled"):
        return Declined(
            getattr(refund, "failure_reason", None) or "failed", "The refund could not be paid out.", refund.id
        )
    return Pending(refund.id)


def _added(session: Any) -> SetupDone | Unknown:
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
