"""From a statement to the rows of an invoice, and back to what it was computed from. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any
from uuid import UUID

from broker.billing.collectable import USUAL_MINOR
from broker.billing.explain import explain
from broker.billing.history import History, tax_of
from broker.billing.prices import MeterPrice, PriceVersion
from broker.billing.pricing import Credit, CreditKind, Line, Statement, Tax, Terms
from broker.billing.standing import Standing

Held = tuple[UUID, UUID]
"""An account and an add-on that it had."""


@dataclass(frozen=True, slots=True)
class Named:
    """What people call an add-on, and where it is billed."""

    addon: str
    app_id: UUID
    app: str
    tags: Mapping[str, str] = field(default_factory=dict)


def facts_of(history: History, found: Statement) -> dict[str, Any]:
    """What an invoice says as a whole, by column."""
    return {
        "account_id": found.account,
        "currency": found.currency,
        "month": str(found.month),
        "starts_at": found.month.start,
        "ends_at": found.month.end,
        "terms": _terms(history, found.currency, found.collectable_minor),
        "net_minor": found.net_minor,
        "tax_minor": found.tax_minor,
        "prepaid_minor": found.prepaid_minor,
        "carried_minor": found.carried_minor,
        "due_minor": found.due_minor,
    }


def lines_of(found: Statement) -> list[dict[str, Any]]:
    """Its lines, by column: first those that cost something, numbered from 1."""
    ordered = sorted(found.lines, key=lambda line: line.minor == 0)
    return [_line(number, line) for number, line in enumerate(ordered, 1)]


def _line(number: int, line: Line) -> dict[str, Any]:
    return {
        "number": number,
        "addon_id": line.resource,
        "service": line.price.service,
        "plan": line.price.plan,
        "price_id": line.price.id,
        "price": _price(line.price, line.meter),
        "mode": line.mode.value,
        "meter": line.meter.meter if line.meter else None,
        "spans": _spans(line.spans),
        "seconds": line.seconds,
        "topped_up_s": line.topped_up_s,
        "quantity": str(line.quantity),
        "minor": line.minor,
        "discount_minor": line.discount_minor,
        "promo_minor": line.promo_minor,
        "tax_minor": line.tax_minor,
        "share_bp": line.price.share_bp,
        "explanation": explain(line),
    }


# Most lines of a month are for all of it on one of a few plans: what they say is kept, and shared.


@lru_cache(maxsize=4096)
def _spans(spans: Sequence[tuple[datetime, datetime]]) -> Sequence[Sequence[str]]:
    return [[start.isoformat(), end.isoformat()] for start, end in spans]


@lru_cache(maxsize=4096)
def _price(price: PriceVersion, meter: MeterPrice | None) -> Mapping[str, Any]:
    told: dict[str, Any] = {
        "kind": str(price.kind),
        "monthly_minor": price.monthly_minor,
        "minimum_s": price.minimum_s,
        "oops_s": price.oops_s,
        "suspended_minor": price.suspended_minor,
    }
    return told | ({"meter": _plain(asdict(meter))} if meter else {})


def _plain(value: Any) -> Any:
    """The same for JSON; fractions stay exact."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Fraction | UUID) else value


def _terms(history: History, currency: str, least: int) -> dict[str, Any]:
    standing = history.standing.get(currency, Standing())
    terms = {
        "tax": _tax(history.terms.tax),
        "discount_bp": history.terms.discount_bp,
        "credits": [_credit(credit) for credit in standing.credits],
    }
    return terms | ({} if least == USUAL_MINOR else {"collectable_minor": least})


def _tax(tax: Tax | None) -> dict[str, Any] | None:
    return None if tax is None else {"rate": str(tax.rate), "inclusive": tax.inclusive, "note": tax.note}


def _credit(credit: Credit) -> dict[str, Any]:
    return {
        "id": str(credit.id),
        "kind": str(credit.kind),
        "minor": credit.minor,
        "granted_at": credit.granted_at.isoformat(),
        "expires_at": None if credit.expires_at is None else credit.expires_at.isoformat(),
    }


def terms_from(invoice: Any) -> tuple[Terms, Standing]:
    """On which terms a stored invoice was computed, and how the account stood."""
    stored: Mapping[str, Any] = invoice.terms
    terms = Terms(invoice.account_id, invoice.currency, tax_of(stored["tax"]), stored["discount_bp"])
    terms = replace(terms, collectable_minor=stored.get("collectable_minor", USUAL_MINOR))
    return terms, Standing(tuple(map(_credit_from, stored["credits"])), invoice.carried_minor)


def _credit_from(stored: Mapping[str, Any]) -> Credit:
    expires = stored["expires_at"]
    return Credit(
        UUID(stored["id"]),
        CreditKind(stored["kind"]),
        stored["minor"],
        datetime.fromisoformat(stored["granted_at"]),
        None if expires is None else datetime.fromisoformat(expires),
    )
