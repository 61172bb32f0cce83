"""Bills in a browser: the list; one of them with its lines, the arithmetic of each, what was taken back; as a print and as PDF."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from broker.billing.exports import Format, own_export
from broker.billing.invoices import Document, InvoiceView, LineView, get_document, list_invoices
from broker.billing.models import InvoiceState
from broker.faces.csv_stream import as_csv
from broker.faces.invoice_html import PRINTED_HEADERS, invoice_html
from broker.faces.invoice_pdf import invoice_pdf
from broker.faces.invoice_text import printed, quantity_text
from broker.kernel.context import Context
from broker.kernel.money import Money, decimal
from broker.oauth.sessions import SignedIn
from broker.payments.methods import list_methods
from broker.payments.views import PaymentView, list_payments
from broker.web.inside import account_page, flash, shown_inside
from broker.web.moments import day, month_words
from broker.web.team_money import both, money_address

_HERE: Final = "/invoices"
_STATES: Final = {
    InvoiceState.STATEMENT: ("info", "Nothing to pay"),
    InvoiceState.FINALIZED: ("info", "Being sent"),
    InvoiceState.ISSUED: ("warn", "To be paid"),
    InvoiceState.PAID: ("good", "Paid"),
    InvoiceState.PAST_DUE: ("bad", "Past due"),
    InvoiceState.UNCOLLECTIBLE: ("bad", "Written off"),
    InvoiceState.VOID: ("info", "Void"),
}
_MODES: Final = {"trial": "on trial", "suspended": "while suspended", "unbilled": "not billed", "sandbox": "sandbox"}
_OWED: Final = (InvoiceState.ISSUED, InvoiceState.PAST_DUE)


async def overview(request: Request) -> Response:
    """Every closed month, the newest first."""

    async def show(seen: SignedIn) -> Response:
        found = await list_invoices(request.app.state.ctx, seen.actor)
        bills = [_bill(each) for each in found]
        here = money_address(request, _HERE)
        return account_page(request, "invoices.html", seen, 200, here=here, flash=flash(request), bills=bills)

    return await shown_inside(request, show)


async def info(request: Request) -> Response:
    """One of them, with its lines."""

    async def show(seen: SignedIn) -> Response:
        ctx: Context = request.app.state.ctx
        document = await get_document(ctx, seen.actor, request.path_params["invoice"])
        invoice = document.invoice
        payments = await list_payments(ctx, seen.actor, str(invoice.id))
        return account_page(
            request,
            "invoice.html",
            seen,
            200,
            here=money_address(request, _HERE),
            flash=flash(request),
            bill=_bill(invoice),
            facts=printed(document),
            lines=[_line(document, line) for line in document.lines],
            notes=_notes(document),
            can_pay=bool(await list_methods(ctx, seen.actor)),
            is_under_way=any(each.finished_at is None for each in payments),
            payments=[_payment(each) for each in payments],
        )

    return await shown_inside(request, show)


async def as_print(request: Request) -> Response:
    """The page that prints well."""

    async def show(seen: SignedIn) -> Response:
        return HTMLResponse(invoice_html(await _document(request, seen)), headers=PRINTED_HEADERS)

    return await shown_inside(request, show)


async def as_pdf(request: Request) -> Response:
    """The PDF document."""

    async def show(seen: SignedIn) -> Response:
        found = await _document(request, seen)
        return Response(invoice_pdf(found), media_type="application/pdf", headers=PRINTED_HEADERS)

    return await shown_inside(request, show)


async def as_export(request: Request) -> Response:
    """What was billed for a month, with the arithmetic, for a spreadsheet."""

    async def show(seen: SignedIn) -> Response:
        month = request.query_params.get("month", "")
        answer = as_csv(own_export(request.app.state.ctx, seen.actor, Format.CSV, month))
        answer.headers["content-disposition"] = 'attachment; filename="bill.csv"'
        return answer

    return await shown_inside(request, show)


TWINS: Final = tuple(
    route
    for path, endpoint in (
        (_HERE, overview),
        (_HERE + "/{invoice}.html", as_print),
        (_HERE + "/{invoice}.pdf", as_pdf),
        (_HERE + "/{invoice}", info),
        ("/exports/csv", as_export),
    )
    for route in both(path, endpoint)
)
"""The addresses of one's own are the API's, too."""


async def _document(request: Request, seen: SignedIn) -> Document:
    return await get_document(request.app.state.ctx, seen.actor, request.path_params["invoice"])


def _bill(view: InvoiceView) -> dict[str, Any]:
    state = InvoiceState(view.state)
    colour, words = _STATES.get(state, ("info", state.value))
    return {
        "key": view.number or str(view.id),
        "title": f"Invoice {view.number}" if view.number else "Statement",
        "number": view.number,
        "currency": view.currency.upper(),
        "billed_month": view.month,
        "month": month_words(view.month),
        "colour": colour,
        "state": words,
        "is_owed": state in _OWED,
        "total": Money(view.net_minor + view.tax_minor, view.currency),
        "due": Money(view.due_minor, view.currency),
        "issued": day(view.issued_at) if view.issued_at else None,
    }


def _line(document: Document, line: LineView) -> dict[str, Any]:
    currency = document.invoice.currency
    return {
        "number": line.number,
        "addon": line.addon,
        "app": line.app,
        "plan": f"{line.service}:{line.plan}",
        "mode": _MODES.get(line.mode),
        "meter": line.meter,
        "quantity": quantity_text(line.quantity) if line.meter else _time(line.seconds),
        "amount": decimal(line.minor, currency),
        "explanation": line.explanation,
    }


def _time(seconds: int) -> str:
    """As far as one reads it; the explanation has the seconds."""
    hours = seconds // 3600
    if hours >= 48:
        return f"{hours // 24} days"
    return f"{hours} hours" if hours >= 2 else f"{seconds // 60} minutes"


def _notes(document: Document) -> list[dict[str, Any]]:
    return [
        {
            "number": note.number,
            "day": day(note.created_at),
            "amount": Money(note.net_minor + note.tax_minor, document.invoice.currency),
            "reason": note.reason,
        }
        for note in document.credit_notes
    ]


def _payment(view: PaymentView) -> dict[str, Any]:
    return {
        "day": day(view.created_at),
        "amount": Money(view.minor, view.currency),
        "method": f"{view.brand} {view.last4}" if view.last4 else "transfer",
        "state": view.state.replace("_", " "),
    }
