"""The payment gateway that speaks Stripe's API: Stripe itself, or the local one, by Stripe's own library.

The library sends through our guarded client, and repeats nothing by itself: repeating is decided by the payment's row.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NoReturn

import stripe
from stripe.params import PaymentIntentCreateParams

from broker.kernel.secret import Secret
from broker.outbound import stripe_objects as read
from broker.outbound.http import CallFailed, GuardedClient
from broker.payments.ports import (
    Aftermath,
    ChargeCall,
    Charged,
    CustomerCall,
    CustomerMade,
    Declined,
    LookCall,
    NotThere,
    RefundCall,
    Refunded,
    RefundLook,
    SetupCall,
    SetupDone,
    SetupOpen,
    SetupOver,
    Succeeded,
    Unknown,
)

_MOST_LISTED: Final = 100
_WITH_FEE: Final = ["latest_charge.balance_transaction"]
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

        answer: SetupOpen | Declined | Unknown = await _answered(opened, refused=read.refused)
        return answer

    async def look_at_setup(self, reference: str) -> SetupOpen | SetupDone | SetupOver | Unknown:
        async def found() -> SetupOpen | SetupDone | SetupOver | Unknown:
            session = await self._stripe.checkout.sessions.retrieve_async(
                reference, {"expand": ["setup_intent.payment_method"]}
            )
            if session.status == "open":
                return SetupOpen(session.id, session.url)
            return read.added_method(session) if session.status == "complete" else SetupOver()

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
            return read.standing(await self._stripe.payment_intents.create_async(wanted, {"idempotency_key": key}))

        answer: Charged = await _answered(charged, refused=read.refused, declined=read.declined)
        return answer

    async def look_at(self, call: LookCall) -> Charged | NotThere:
        async def found() -> Charged | NotThere:
            if call.reference is not None:
                return read.standing(
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
                return read.standing(intent)
        return NotThere()

    async def give_up(self, reference: str) -> Charged:
        async def given_up() -> Charged:
            return read.standing(await self._stripe.payment_intents.cancel_async(reference))

        async def standing() -> Charged:
            return read.standing(await self._stripe.payment_intents.retrieve_async(reference, {"expand": _WITH_FEE}))

        answer: Charged
        try:
            answer = await _answered(given_up, refused=_raise)
        except stripe.InvalidRequestError:  # it was confirmed in this very moment
            answer = await _answered(standing, refused=read.refused)
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
            return read.sent_back(refund)

        answer: Refunded = await _answered(refunded, refused=read.refused, declined=read.declined)
        return answer

    async def look_at_refund(self, call: RefundLook) -> Refunded | NotThere:
        async def found() -> Refunded | NotThere:
            if call.reference is not None:
                return read.sent_back(await self._stripe.refunds.retrieve_async(call.reference))
            listed = await self._stripe.refunds.list_async(
                {"payment_intent": call.payment_reference, "limit": _MOST_LISTED}
            )
            async for refund in listed.auto_paging_iter():
                if refund.metadata is not None and refund.metadata.to_dict().get("refund_id") == str(call.refund_id):
                    return read.sent_back(refund)
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
                read.fee(intent),
                [read.refund(each) async for each in refunds.auto_paging_iter()],
                [read.chargeback(each) async for each in disputes.auto_paging_iter() if each.status in read.VERDICTS],
            )

        answer: Aftermath | Unknown = await _answered(seen)
        return answer

    async def gone_since(self, since: datetime) -> Sequence[str] | Unknown:
        async def seen() -> Sequence[str]:
            ask: Any = {"created": {"gte": int(since.timestamp())}, "limit": _MOST_LISTED}
            refunds = await self._stripe.refunds.list_async(ask)
            disputes = await self._stripe.disputes.list_async(ask)
            found = [each.payment_intent async for each in refunds.auto_paging_iter()]
            found += [each.payment_intent async for each in disputes.auto_paging_iter()]
            return sorted({each for each in found if isinstance(each, str)})

        answer: Sequence[str] | Unknown = await _answered(seen)
        return answer


def _has_thousandths(minor: int, currency: str) -> bool:
    return currency in _IN_TENS and minor % 10 != 0


def _counted(minor: int, currency: str) -> int:
    """An amount as Stripe counts it."""
    return minor * 100 if currency in read.IN_HUNDREDTHS else minor


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
