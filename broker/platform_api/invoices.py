"""Bills of the account: the list, one of them as JSON, page or PDF, the arithmetic of its lines, credits, exports."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from broker.billing.credits import CreditView, list_credits
from broker.billing.exports import Format, own_export
from broker.billing.invoices import (
    CreditNoteView,
    Document,
    InvoiceView,
    LineView,
    get_document,
    get_line,
    list_invoices,
)
from broker.faces.answers import Answer
from broker.faces.csv_stream import as_csv
from broker.faces.invoice_html import PRINTED_HEADERS, invoice_html
from broker.faces.invoice_pdf import invoice_pdf
from broker.faces.ranges import page
from broker.faces.serialize import ref
from broker.kernel.clock import rfc3339
from broker.kernel.errors import InvalidParams, NotFound
from broker.platform_api import invoice_shapes, serialize, shapes
from broker.platform_api.deps import PayingActor, face_of
from broker.platform_api.describe import REFUSED, gives

router = APIRouter(tags=["invoices"], responses=REFUSED)


def _invoice(view: InvoiceView) -> shapes.Invoice:
    return {
        "id": str(view.id),
        "number": view.number,
        "state": view.state,
        "month": view.month,
        "period_start": rfc3339(view.starts_at),
        "period_end": rfc3339(view.ends_at),
        "currency": view.currency,
        "net_minor": view.net_minor,
        "tax_minor": view.tax_minor,
        "total_minor": view.net_minor + view.tax_minor,
        "prepaid_minor": view.prepaid_minor,
        "carried_minor": view.carried_minor,
        "due_minor": view.due_minor,
        "finalized_at": serialize.maybe(view.finalized_at),
        "issued_at": serialize.maybe(view.issued_at),
    }


def _line(line: LineView) -> invoice_shapes.InvoiceLine:
    return {
        "number": line.number,
        "addon": ref(line.addon_id, line.addon),
        "app": ref(line.app_id, line.app),
        "plan": f"{line.service}:{line.plan}",
        "terms": line.mode,
        "meter": line.meter,
        "seconds": line.seconds,
        "quantity": line.quantity,
        "amount_minor": line.minor,
        "discount_minor": line.discount_minor,
        "promotion_minor": line.promo_minor,
        "tax_minor": line.tax_minor,
    }


def credit_note(view: CreditNoteView) -> invoice_shapes.CreditNote:
    """A credit note in the shape of this face."""
    return {
        "number": view.number,
        "reason": view.reason,
        "net_minor": view.net_minor,
        "tax_minor": view.tax_minor,
        "created_at": rfc3339(view.created_at),
    }


def credit(view: CreditView) -> shapes.AccountCredit:
    """A credit in the shape of this face."""
    return {
        "id": str(view.id),
        "kind": view.kind,
        "currency": view.currency,
        "amount_minor": view.minor,
        "left_minor": view.left_minor,
        "reason": view.reason,
        "granted_at": rfc3339(view.granted_at),
        "expires_at": serialize.maybe(view.expires_at),
    }


def document(view: Document) -> shapes.InvoiceDocument:
    """An invoice with its lines in the shape of this face."""
    return {
        **_invoice(view.invoice),
        "email": view.invoice.email,
        "lines": [_line(line) for line in view.lines],
        "credit_notes": [credit_note(note) for note in view.credit_notes],
    }


@router.get("/account/invoices", responses=gives(shapes.Invoice, many=True))
async def list_(request: Request, actor: PayingActor) -> Answer:
    """Every closed month of the account, the newest first: invoices, and statements of what came to nothing or too little."""
    return page(request, [_invoice(view) for view in await list_invoices(face_of(request).ctx, actor)])


@router.get("/account/invoices/{invoice}.html", responses={200: {"content": {"text/html": {}}}})
async def as_page(request: Request, actor: PayingActor, invoice: str) -> Response:
    """An invoice as a page that prints well."""
    view = await get_document(face_of(request).ctx, actor, invoice)
    return HTMLResponse(invoice_html(view), headers=PRINTED_HEADERS)


@router.get("/account/invoices/{invoice}.pdf", responses={200: {"content": {"application/pdf": {}}}})
async def as_pdf(request: Request, actor: PayingActor, invoice: str) -> Response:
    """An invoice as a PDF document."""
    view = await get_document(face_of(request).ctx, actor, invoice)
    return Response(invoice_pdf(view), media_type="application/pdf", headers=PRINTED_HEADERS)


@router.get("/account/invoices/{invoice}", responses=gives(shapes.InvoiceDocument))
async def info(request: Request, actor: PayingActor, invoice: str) -> Answer:
    """One of them, by number or id, with its lines."""
    return Answer(document(await get_document(face_of(request).ctx, actor, invoice)))


@router.get("/account/invoices/{invoice}/lines/{line}/explanation", responses=gives(shapes.LineExplanation))
async def explanation(request: Request, actor: PayingActor, invoice: str, line: str) -> Answer:
    """The inputs and the arithmetic of a line, in words."""
    if not (line.isascii() and line.isdecimal() and len(line) < 10):
        raise NotFound("invoice_line")
    whole, found = await get_line(face_of(request).ctx, actor, invoice, int(line))
    view = whole.invoice
    return Answer(
        {
            "invoice": view.number or str(view.id),
            "line": found.number,
            "amount_minor": found.minor,
            "currency": view.currency,
            "sentences": list(found.explanation),
        }
    )


@router.get("/account/credits", responses=gives(shapes.AccountCredit, many=True))
async def credits_(request: Request, actor: PayingActor) -> Answer:
    """The credits of the account, and what is left of each."""
    return page(request, [credit(view) for view in await list_credits(face_of(request).ctx, actor)])


@router.get("/account/exports/{format_}", responses={200: {"content": {"text/csv": {}}}})
async def export(request: Request, actor: PayingActor, format_: str, month: str | None = None) -> Response:
    """What was billed for a `month` such as 2026-11 as CSV: `focus`, `csv` or `ledger`."""
    wanted = format_of(format_)
    return as_csv(own_export(face_of(request).ctx, actor, wanted, needed(month)))


def format_of(name: str) -> Format:
    """The format of that name.

    Raises: NotFound.
    """
    if name not in set(Format):
        raise NotFound("export")
    return Format(name)


def needed(month: str | None) -> str:
    """The month that must be named.

    Raises: InvalidParams.
    """
    if month is None:
        raise InvalidParams("month: is required, such as 2026-11.")
    return month
