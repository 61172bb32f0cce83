"""What the gateway does: customers, pages for adding cards, payments, refunds. Objects look as Stripe's API shows them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from embedded.gateway.cards import CARDS, Card
from embedded.gateway.store import Store, Thing

_CONFIRM_CODE: Final = "authentication_required"
_CONFIRM: Final = "Your card was declined. This transaction requires authentication."
_FEE: Final = 30
_DISPUTE_FEE: Final = 1500
_TO_ANSWER_S: Final = 7 * 86400
_TAKEN_BACK: Final = "taken back"
_API_VERSION: Final = "2026-10-28.endive"


class Refused(Exception):
    """An answer that is an error, in the shape of Stripe's API."""

    def __init__(self, status: int, kind: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"type": kind, "message": message, **more}}


def no_such(what: str) -> Refused:
    return Refused(404, "invalid_request_error", f"No such {what}.", code="resource_missing")


@dataclass(frozen=True, slots=True)
class Bank:
    """The gateway without its HTTP. Units: seconds, minor units."""

    store: Store
    url: str
    clock: Callable[[], float]
    delay_s: float
    """How long it takes until what is decided later is decided."""

    def make_customer(self, asked: Mapping[str, Any]) -> Thing:
        given = {"email": asked.get("email"), "metadata": asked.get("metadata", {})}
        return self.store.keep(self.new("customer", "cus", **given))

    def open_session(self, asked: Mapping[str, Any]) -> Thing:
        if asked.get("mode") != "setup":
            raise Refused(400, "invalid_request_error", "Only sessions of the mode `setup` are known here.")
        self._customer(asked)
        session = self.new(
            "checkout.session", "cs_test", mode="setup", status="open", customer=asked["customer"], setup_intent=None,
            success_url=asked.get("success_url"), cancel_url=asked.get("cancel_url"),
            client_reference_id=asked.get("client_reference_id"), expires_at=int(asked.get("expires_at", 0)) or None,
            metadata=asked.get("metadata", {}),
        )  # fmt: skip
        session["url"] = f"{self.url}/pay/{session['id']}"
        return self.store.keep(session)

    def session(self, id_: str, *, expanded: bool = False) -> Thing:
        session = self.found("checkout.session", id_)
        if session["status"] == "open" and (session["expires_at"] or self.clock()) < self.clock():
            session = self.store.keep(session | {"status": "expired", "url": None})
        if expanded and session["setup_intent"] is not None:
            intent = self.found("setup_intent", session["setup_intent"])
            session["setup_intent"] = intent | {"payment_method": self.method(intent["payment_method"])}
        return session

    def add_card(self, session_id: str, card: Card, exp_month: int, exp_year: int) -> Thing:
        """The page of the session was filled in."""
        session = self.session(session_id)
        if session["status"] != "open":
            raise Refused(400, "invalid_request_error", "This page has been used already, or is too old.")
        if card.refused_at_once:
            raise self._declined(card)
        shown = {"brand": card.brand, "last4": card.last4, "exp_month": exp_month, "exp_year": exp_year}
        method = self.new("payment_method", "pm", type="card", card=shown, customer=session["customer"])
        self.store.keep(method | {"_card": card.number})
        intent = self.new("setup_intent", "seti", status="succeeded", payment_method=method["id"])
        self.store.keep(intent)
        done = self.store.keep(session | {"status": "complete", "setup_intent": intent["id"], "url": None})
        self.tell("checkout.session.completed", done)
        return done

    def method(self, id_: str) -> Thing:
        return self.found("payment_method", id_)

    def detach(self, id_: str) -> Thing:
        return self.store.keep(self.method(id_) | {"customer": None})

    def pay(self, asked: Mapping[str, Any]) -> Thing:
        """A payment, made and confirmed at once."""
        self._customer(asked)
        method = self.method(str(asked.get("payment_method")))
        if method["customer"] != asked["customer"]:
            raise Refused(400, "invalid_request_error", "The payment method does not belong to the customer.")
        if not str(asked.get("amount", "")).isdigit() or not int(asked["amount"]):
            raise Refused(400, "invalid_request_error", "The amount must be greater than 0.", param="amount")
        intent = self.new(
            "payment_intent", "pi", amount=int(asked["amount"]), currency=asked.get("currency"),
            customer=asked["customer"], payment_method=method["id"], metadata=asked.get("metadata", {}),
            description=asked.get("description"), return_url=asked.get("return_url"), status="processing",
            next_action=None, last_payment_error=None, amount_refunded=0, latest_charge=None,
        )  # fmt: skip
        card = CARDS[method["_card"]]
        if card.must_confirm:
            return self._ask_to_confirm(intent, present=asked.get("off_session") != "true")
        if card.later is not None:
            self.store.later(intent["id"], self.clock() + self.delay_s, card.later)
            return self._keep_and_tell(intent, "processing")
        if card.code is not None:
            raise self._failed(intent, card)
        if card.disputed is not None:
            self.store.later(intent["id"], self.clock() + self.delay_s, _TAKEN_BACK)
        return self._succeeded(intent)

    def _succeeded(self, intent: Thing) -> Thing:
        """The money is there; the gateway keeps a part of it."""
        amount, currency, id_ = intent["amount"], intent["currency"], intent["id"]
        kept = {"amount": amount, "currency": currency, "fee": min(round(amount * 0.029) + _FEE, amount)}
        moved = self.new("balance_transaction", "txn", type="charge", **kept)
        charge = self.new("charge", "ch", payment_intent=id_, **kept, balance_transaction=moved, disputed=False)
        self.store.keep(charge)
        done = {"status": "succeeded", "next_action": None, "latest_charge": charge["id"]}
        return self._keep_and_tell(intent | done, "succeeded")

    def _ask_to_confirm(self, intent: Thing, *, present: bool) -> Thing:
        if not present:
            error = {"type": "card_error", "code": _CONFIRM_CODE, "message": _CONFIRM}
            intent = self._keep_and_tell(intent | _unpaid(error), "payment_failed")
            raise Refused(402, "card_error", _CONFIRM, code=_CONFIRM_CODE, payment_intent=shown(intent))
        leads = {"type": "redirect_to_url", "redirect_to_url": {"url": f"{self.url}/confirm/{intent['id']}"}}
        return self._keep_and_tell(intent | {"status": "requires_action", "next_action": leads}, "requires_action")

    def confirmed(self, id_: str, *, yes: bool) -> Thing:
        """The owner of the card has confirmed the payment, or has not."""
        intent = self.payment(id_)
        if intent["status"] != "requires_action":
            return intent
        if yes:
            return self._succeeded(intent)
        error = {"type": "card_error", "code": "payment_intent_authentication_failure"}
        error["message"] = "The payment was not confirmed by the owner of the card."
        return self._keep_and_tell(intent | _unpaid(error), "payment_failed")

    def payment(self, id_: str) -> Thing:
        return self.found("payment_intent", id_)

    def with_charge(self, intent: Thing) -> Thing:
        """A payment as it is shown to those who want to see its charge, too, with what the gateway kept of it."""
        if intent["latest_charge"] is None:
            return intent
        return intent | {"latest_charge": self.found("charge", intent["latest_charge"])}

    def payments(self, customer: str) -> list[Thing]:
        return [each for each in self.store.all("payment_intent") if each["customer"] == customer]

    def cancel(self, id_: str) -> Thing:
        intent = self.payment(id_)
        if intent["status"] not in ("requires_action", "requires_payment_method"):
            raise Refused(400, "invalid_request_error", f"A payment that is {intent['status']} cannot be cancelled.")
        return self._keep_and_tell(intent | {"status": "canceled", "next_action": None}, "canceled")

    def refund(self, asked: Mapping[str, Any]) -> Thing:
        intent = self.payment(str(asked.get("payment_intent")))
        if any(each["status"] != "won" for each in Disputes(self).of(intent["id"])):
            raise Refused(400, "invalid_request_error", "The bank has taken this payment back.", code="charge_disputed")
        left = intent["amount"] - intent["amount_refunded"] if intent["status"] == "succeeded" else 0
        amount = int(asked.get("amount", left))
        if not 0 < amount <= left:
            code = "charge_already_refunded"
            raise Refused(400, "invalid_request_error", "More than is left of the payment was to go back.", code=code)
        self.store.keep(intent | {"amount_refunded": intent["amount_refunded"] + amount})
        refund = self.new(
            "refund", "re", amount=amount, currency=intent["currency"], payment_intent=intent["id"],
            status="succeeded", metadata=asked.get("metadata", {}), reason=asked.get("reason"),
        )  # fmt: skip
        self.tell("refund.created", self.store.keep(refund))
        return refund

    def sent_back(self, id_: str) -> Thing:
        return self.found("refund", id_)

    def refunds(self, payment: str | None) -> list[Thing]:
        return [each for each in self.store.all("refund") if payment in (None, each["payment_intent"])]

    def go_on(self) -> None:
        """Decide what was to be decided later."""
        for id_, outcome in self.store.ripe(self.clock()):
            with self.store.together():
                intent = self.payment(id_)
                if outcome == "succeeded":
                    self._succeeded(intent)
                elif outcome == _TAKEN_BACK:
                    Disputes(self).open(intent, CARDS[self.method(intent["payment_method"])["_card"]].disputed)
                else:
                    self._failed(intent, CARDS[self.method(intent["payment_method"])["_card"]])
                self.store.past(id_)

    def _failed(self, intent: Thing, card: Card) -> Refused:
        error = self._declined(card).body["error"]
        intent = self._keep_and_tell(intent | _unpaid(error), "payment_failed")
        return self._declined(card, payment_intent=shown(intent))

    def _declined(self, card: Card, **more: Any) -> Refused:
        codes = {"code": card.code} | ({"decline_code": card.decline_code} if card.decline_code else {})
        return Refused(402, "card_error", card.message, **codes, **more)

    def _keep_and_tell(self, intent: Thing, what: str) -> Thing:
        self.tell(f"payment_intent.{what}", self.store.keep(intent))
        return intent

    def tell(self, kind: str, subject: Thing) -> None:
        """Have a webhook sent about it."""
        event = self.new("event", "evt", type=kind, api_version=_API_VERSION, data={"object": shown(subject)})
        self.store.tell(event, self.clock())

    def _customer(self, asked: Mapping[str, Any]) -> Thing:
        return self.found("customer", str(asked.get("customer")))

    def found(self, kind: str, id_: str) -> Thing:
        """The object of this kind with this id. Raises Refused."""
        thing = self.store.find(kind, id_)
        if thing is None:
            raise no_such(kind)
        return thing

    def new(self, kind: str, prefix: str, **values: Any) -> Thing:
        """An object of its own, which is not kept yet."""
        made = {"id": f"{prefix}_{secrets.token_hex(12)}", "object": kind, "created": int(self.clock())}
        return made | {"livemode": False} | values


@dataclass(frozen=True, slots=True)
class Disputes:
    """What banks take back because the owner of a card says so, until it is decided. Units: minor units."""

    bank: Bank

    def open(self, intent: Thing, reason: str | None) -> Thing:
        """The bank takes a payment back; the gateway keeps a fee of its own for it."""
        due = {"due_by": int(self.bank.clock()) + _TO_ANSWER_S, "has_evidence": False, "submission_count": 0}
        dispute = self.bank.new(
            "dispute", "du", amount=intent["amount"], currency=intent["currency"], payment_intent=intent["id"],
            charge=intent["latest_charge"], status="needs_response", reason=reason or "general", metadata={},
            evidence_details=due, is_charge_refundable=False, balance_transactions=[],
        )  # fmt: skip
        dispute = self._moved(dispute, -intent["amount"], _DISPUTE_FEE)
        self.bank.tell("charge.dispute.created", dispute)
        self.bank.tell("charge.dispute.funds_withdrawn", dispute)
        return dispute

    def answer(self, id_: str, asked: Mapping[str, Any]) -> Thing:
        """What the merchant says to it: as in Stripe's test mode, the words decide."""
        said = asked.get("evidence", {}).get("uncategorized_text")
        return self._decided(self.one(id_), "won" if said == "winning_evidence" else "lost")

    def close(self, id_: str) -> Thing:
        """The merchant gives in."""
        return self._decided(self.one(id_), "lost")

    def one(self, id_: str) -> Thing:
        return self.bank.found("dispute", id_)

    def of(self, payment: str | None) -> list[Thing]:
        return [each for each in self.bank.store.all("dispute") if payment in (None, each["payment_intent"])]

    def _decided(self, dispute: Thing, status: str) -> Thing:
        if dispute["status"] != "needs_response":
            raise Refused(400, "invalid_request_error", f"This dispute is {dispute['status']} already.")
        dispute = dispute | {"status": status}
        if status == "won":
            dispute = self._moved(dispute, dispute["amount"], 0)
            self.bank.tell("charge.dispute.funds_reinstated", dispute)
        self.bank.tell("charge.dispute.closed", self.bank.store.keep(dispute))
        return dispute

    def _moved(self, dispute: Thing, amount: int, fee: int) -> Thing:
        moved = self.bank.new(
            "balance_transaction", "txn", type="adjustment", amount=amount, currency=dispute["currency"], fee=fee
        )
        return self.bank.store.keep(dispute | {"balance_transactions": [*dispute["balance_transactions"], moved]})


def _unpaid(error: Mapping[str, Any]) -> Thing:
    return {"status": "requires_payment_method", "next_action": None, "last_payment_error": dict(error)}


def shown(thing: Mapping[str, Any]) -> Thing:
    """The object without what is ours alone."""
    return {
        name: shown(value) if isinstance(value, dict) else value
        for name, value in thing.items()
        if not name.startswith("_")
    }
