"""On which terms accounts are billed: tax, discount, zone. For operators; to others these endpoints do not exist."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field, StrictInt

from broker.billing.pricing import Tax
from broker.billing.terms import WHOLE_BP, AccountTerms, TermChanges, agree_terms, get_terms
from broker.faces.answers import Answer
from broker.platform_api import payment_shapes as shapes
from broker.platform_api.bodies import Text, Truth
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes

router = APIRouter(prefix="/billing/terms", tags=["operating"], responses=REFUSED)


class TaxBody(Body):
    """So many percent, on the price or within it, and what is printed beside it."""

    percent: Annotated[str, Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,4})?$")]
    inclusive: Truth = False
    note: str = ""


class TermsBody(Body):
    """What is agreed anew; `tax` of null ends it."""

    tax: TaxBody | None = None
    discount_bp: Annotated[StrictInt, Field(ge=0, le=WHOLE_BP)] | None = None
    zone: Text | None = None


@router.get("/{email}", responses=gives(shapes.AccountTerms))
async def info(request: Request, actor: CurrentActor, email: str) -> Answer:
    """The terms of the account with this address."""
    actor.require_operator()
    return Answer(_shown(await get_terms(face_of(request).ctx, actor, email)))


@router.patch("/{email}", openapi_extra=takes(TermsBody, required=True), responses=gives(shapes.AccountTerms))
async def agree(request: Request, actor: CurrentActor, email: str) -> Answer:
    """Agree on other terms, from the months on that are not closed yet. What is not named stays as it is."""
    actor.require_operator()
    body = await read(request, TermsBody)
    tax = None if body.tax is None else _tax(body.tax)
    changes = TermChanges(tax, "tax" in body.model_fields_set and tax is None, body.discount_bp, body.zone)
    return Answer(_shown(await agree_terms(face_of(request).ctx, actor, email, changes)))


def _shown(terms: AccountTerms) -> shapes.AccountTerms:
    return {
        "account_id": str(terms.account_id),
        "email": terms.email,
        "zone": terms.zone,
        "tax": None if terms.tax is None else _shown_tax(terms.tax),
        "discount_bp": terms.discount_bp,
    }


def _tax(body: TaxBody) -> Tax:
    return Tax(Fraction(body.percent) / 100, body.inclusive, body.note.strip())


def _shown_tax(tax: Tax) -> shapes.AgreedTax:
    exact = tax.rate * 100
    percent = (Decimal(exact.numerator) / exact.denominator).normalize()
    return {"percent": f"{percent:f}", "inclusive": tax.inclusive, "note": tax.note}
