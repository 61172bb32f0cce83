"""Keeping the books: closing months, proving the sums, granting credits, taking back invoices, exports of all accounts.

For operators. To others these endpoints do not exist.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, Field, StrictInt
from starlette.responses import Response

from broker.addons.billed_names import billed_names
from broker.billing.check import check_some
from broker.billing.close_now import close_now
from broker.billing.credit_notes import TakenBack, get_credit_note, write_credit_note
from broker.billing.credits import Funding, NewCredit, get_credit, grant_credit
from broker.billing.exports import every_export
from broker.billing.invoices import every_document
from broker.billing.pricing import CreditKind
from broker.faces.answers import Answer
from broker.faces.csv_stream import as_csv
from broker.payments.check import check_payments
from broker.payouts.check import check_payouts
from broker.platform_api import shapes
from broker.platform_api.bodies import Text
from broker.platform_api.deps import Body, CurrentActor, face_of, read
from broker.platform_api.describe import REFUSED, gives, takes
from broker.platform_api.idempotency import once
from broker.platform_api.invoices import credit, credit_note, document, format_of, needed

router = APIRouter(prefix="/billing", tags=["operating"], responses=REFUSED)


class CloseBody(Body):
    """Which month is meant; without one, whatever is due."""

    month: Text | None = None


class CreditBody(Body):
    """Whom to give what."""

    email: Text
    amount_minor: Annotated[StrictInt, Field(gt=0, le=10**12)]
    kind: Literal["promo", "prepaid"] = "promo"
    reason: Text
    currency: Annotated[str, Field(pattern="^[a-z]{3}$")] = "usd"
    expires_at: Annotated[AwareDatetime | None, Field(strict=False)] = None
    funded_by: Literal["platform", "both"] = "platform"


class CreditNoteLineBody(Body):
    """A line, and what of it is taken back: all that is left, if it is not said."""

    line: StrictInt
    net_minor: StrictInt | None = None


class CreditNoteBody(Body):
    """Why, and which lines; without any, the whole invoice."""

    reason: Text
    lines: list[CreditNoteLineBody] = Field(default_factory=list)


@router.post("/closes", openapi_extra=takes(CloseBody), responses=gives(shapes.ClosedMonth))
async def close(request: Request, actor: CurrentActor) -> Answer:
    """Close a part of what is due; ask again while there is `more`. The worker does the same by itself."""
    actor.require_operator()
    body = await read(request, CloseBody)
    closed = await close_now(face_of(request).ctx, actor, billed_names, body.month)
    return Answer({"month": closed.month, "accounts": closed.accounts, "issued": closed.issued, "more": closed.more})


@router.get("/check", responses=gives(shapes.BooksCheck))
async def check(request: Request, actor: CurrentActor, after: str | None = None) -> Answer:
    """Compute a part of all bills again and prove the sums; go on with `after` until it is null."""
    ctx = face_of(request).ctx
    part = await check_some(ctx, actor, after, further=(check_payouts, check_payments(ctx.clock.now())))
    return Answer(
        {
            "checked": part.bills,
            "differences": list(part.differences),
            "after": None if part.after is None else str(part.after),
        }
    )


@router.post(
    "/credits",
    status_code=201,
    openapi_extra=takes(CreditBody, required=True, repeatable=True),
    responses=gives(shapes.AccountCredit, 201),
)
async def grant(request: Request, actor: CurrentActor) -> Answer:
    """Give an account a credit, which its next bills use up. `Idempotency-Key` is understood."""
    actor.require_operator()
    ctx, body = face_of(request).ctx, await read(request, CreditBody)
    new = NewCredit(
        body.email, body.amount_minor, CreditKind(body.kind), body.reason, body.currency, body.expires_at,
        Funding(body.funded_by),
    )  # fmt: skip

    async def make(credit_id: UUID) -> tuple[UUID, Answer]:
        return credit_id, Answer(credit(await grant_credit(ctx, actor, new, credit_id)), 201)

    async def again(credit_id: UUID) -> Answer:
        return Answer(credit(await get_credit(ctx, actor, credit_id)), 201)

    return await once(request, actor, body, make, again)


@router.get("/invoices/{invoice}", responses=gives(shapes.InvoiceDocument))
async def info(request: Request, actor: CurrentActor, invoice: str) -> Answer:
    """An invoice of whatever account, by number or id, with its lines."""
    return Answer(document(await every_document(face_of(request).ctx, actor, invoice)))


@router.post(
    "/invoices/{invoice}/credit-notes",
    status_code=201,
    openapi_extra=takes(CreditNoteBody, required=True, repeatable=True),
    responses=gives(shapes.CreditNote, 201),
)
async def take_back(request: Request, actor: CurrentActor, invoice: str) -> Answer:
    """Take back lines of an invoice, or all of it. `Idempotency-Key` is understood."""
    actor.require_operator()
    ctx, body = face_of(request).ctx, await read(request, CreditNoteBody)
    parts = [TakenBack(part.line, part.net_minor) for part in body.lines]

    async def make(note_id: UUID) -> tuple[UUID, Answer]:
        view = await write_credit_note(ctx, actor, invoice, body.reason, parts, note_id)
        return note_id, Answer(credit_note(view), 201)

    async def again(note_id: UUID) -> Answer:
        return Answer(credit_note(await get_credit_note(ctx, actor, note_id)), 201)

    return await once(request, actor, body, make, again)


@router.get("/exports/{format_}", responses={200: {"content": {"text/csv": {}}}})
async def export(request: Request, actor: CurrentActor, format_: str, month: str | None = None) -> Response:
    """What was billed to all accounts for a `month` as CSV: `focus`, `csv` or `ledger`."""
    actor.require_operator()
    wanted = format_of(format_)
    return as_csv(every_export(face_of(request).ctx, actor, wanted, needed(month)))
