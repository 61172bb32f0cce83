"""Bills over HTTP: those who pay, and those who keep the books."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import insert, text, update

from broker.accounts.models import User
from broker.billing.focus import FOCUS_COLUMNS
from broker.billing.models import BillingAccount
from broker.kernel.context import Actor, Context
from tests.addons.conftest import make_world
from tests.billing.test_close import after, used
from tests.domain import new_user
from tests.platform_api.conftest import client_of, token_of


@dataclass
class Books:
    """Alice, who pays, olga, who keeps the books, and the number of alice's invoice."""

    alice: httpx.AsyncClient
    olga: httpx.AsyncClient
    number: str = "INV-2026-000001"

    async def row(self, path: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO((await self.olga.get(path)).text)))


@pytest.fixture
async def olga(ctx: Context) -> Actor:
    user = await new_user(ctx, "olga@example.com")
    async with ctx.database.transaction() as tx:
        await tx.execute(update(User).where(User.id == user.id).values(is_operator=True))
    return replace(user, is_operator=True)


@pytest.fixture
async def books(ctx: Context, app: FastAPI, alice: Actor, olga: Actor) -> AsyncIterator[Books]:
    """A closed November: 10.00 and 0.00 with a tax of a fifth."""
    world = await make_world(ctx, alice)
    addon = await world.provisioned("store:big", name="my-store")
    async with ctx.database.transaction() as tx:
        account = {"id": alice.id, "tax": {"rate": "1/5", "note": "VAT 20 %"}}
        now = ctx.clock.now()
        await tx.execute(insert(BillingAccount).values(account | {"created_at": now, "updated_at": now}))
        period = "update usage_periods set started_at = '2026-11-01', price_cents = 1000 where addon_id = :id"
        await tx.execute(text(period), {"id": addon.id})
    await used(ctx, alice, 0, 30)
    after(ctx)
    async with client_of(app, await token_of(ctx, alice)) as hers, client_of(app, await token_of(ctx, olga)) as theirs:
        yield Books(hers, theirs)


async def closed(books: Books) -> None:
    while (await books.olga.post("/billing/closes")).json()["more"]:
        pass


async def test_an_invoice_is_read_as_json_page_and_pdf(books: Books) -> None:
    await closed(books)
    (listed,) = (await books.alice.get("/account/invoices")).json()
    read = [
        await who.get(f"{at}/invoices/{books.number}")
        for who, at in ((books.alice, "/account"), (books.olga, "/billing"))
    ]
    assert read[0].json() == read[1].json()
    assert listed | {"id": "", "issued_at": ""} == {
        "id": "", "number": books.number, "state": "issued", "month": "2026-11", "currency": "usd",
        "period_start": "2026-11-01T00:00:00Z", "period_end": "2026-12-01T00:00:00Z", "net_minor": 1000,
        "tax_minor": 200, "total_minor": 1200, "prepaid_minor": 0, "carried_minor": 0, "due_minor": 1200,
        "finalized_at": "2026-12-04T00:15:00Z", "issued_at": "",
    }  # fmt: skip
    document = (await books.alice.get(f"/account/invoices/{books.number}")).json()
    (line,) = document["lines"]
    assert (line["addon"]["name"], line["app"]["name"], line["plan"]) == ("my-store", "shop", "store:big")
    page = await books.alice.get(f"/account/invoices/{books.number}.html")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert all(word in page.text for word in ("Invoice INV-2026-000001", "my-store on shop", "Tax (VAT 20 %)", "12.00"))
    pdf = await books.alice.get(f"/account/invoices/{books.number}.pdf")
    again = await books.alice.get(f"/account/invoices/{books.number}.pdf")
    assert (pdf.headers["content-type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
    assert pdf.content == again.content


async def test_a_line_is_explained(books: Books) -> None:
    await closed(books)
    told = (await books.alice.get(f"/account/invoices/{books.number}/lines/1/explanation")).json()
    assert (told["amount_minor"], told["sentences"][0]) == (1000, "store:big, in 2026-11:")
    for line in ("2", "x", "-1"):
        assert (await books.alice.get(f"/account/invoices/{books.number}/lines/{line}/explanation")).status_code == 404


async def test_credits_and_credit_notes_are_made_once_per_key(books: Books) -> None:
    await closed(books)
    body = {
        "email": "alice@example.com",
        "amount_minor": 300,
        "reason": "was down",
        "expires_at": "2027-02-01T00:00:00Z",
    }
    key = {"Idempotency-Key": "one"}
    made = [await books.olga.post("/billing/credits", json=body, headers=key) for _ in range(2)]
    assert (made[0].status_code, made[0].json()) == (201, made[1].json())
    (credit,) = (await books.alice.get("/account/credits")).json()
    assert (credit["kind"], credit["left_minor"], credit["expires_at"]) == ("promo", 300, "2027-02-01T00:00:00Z")
    path, body = f"/billing/invoices/{books.number}/credit-notes", {"reason": "was down", "lines": [{"line": 1, "net_minor": 100}]}  # fmt: skip
    notes = [await books.olga.post(path, json=body, headers={"Idempotency-Key": "two"}) for _ in range(2)]
    assert [note.json()["number"] for note in notes] == ["CN-2026-000001"] * 2
    (note,) = (await books.alice.get(f"/account/invoices/{books.number}")).json()["credit_notes"]
    assert (note["net_minor"], note["tax_minor"]) == (100, 20)
    page = await books.alice.get(f"/account/invoices/{books.number}.html")
    assert "Credit note CN-2026-000001" in page.text
    assert (await books.olga.get("/billing/check")).json()["differences"] == []


async def test_a_month_is_not_closed_by_hand_before_its_time(books: Books) -> None:
    answer = await books.olga.post("/billing/closes", json={"month": "2026-12"})
    assert (answer.status_code, answer.json()["message"]) == (
        409,
        "2026-12 can be closed from 2027-01-04T00:15:00Z on: until then reports of usage are taken in.",
    )


async def test_what_was_billed_is_exported_in_the_columns_of_focus(books: Books) -> None:
    await closed(books)
    usage, tax = await books.row("/billing/exports/focus?month=2026-11")
    assert list(usage) == FOCUS_COLUMNS
    facts = ("ChargeCategory", "BilledCost", "BillingCurrency", "ResourceName", "ConsumedQuantity", "ConsumedUnit")
    assert [usage[name] for name in facts] == ["Usage", "10.00", "USD", "my-store", "2592000", "Seconds"]
    assert [tax[name] for name in facts] == ["Tax", "2.00", "USD", "my-store", "", ""]
    assert usage["BillingPeriodEnd"] == "2026-12-01T00:00:00Z"
    back = {"reason": "was down", "lines": [{"line": 1, "net_minor": 400}]}
    note = (await books.olga.post(f"/billing/invoices/{books.number}/credit-notes", json=back)).json()
    corrected = await books.row("/billing/exports/focus?month=2026-12")
    facts = ("ChargeClass", "ChargeCategory", "BilledCost", "ListCost", "ResourceName", "x_InvoiceNumber")
    assert [[row[name] for name in facts] for row in corrected] == [
        ["Correction", "Usage", "-4.00", "-4.00", "my-store", note["number"]],
        ["Correction", "Tax", "-0.80", "-0.80", "my-store", note["number"]],
    ]
    assert (corrected[0]["BillingPeriodStart"], corrected[0]["ChargePeriodStart"]) == (
        "2026-12-01T00:00:00Z", "2026-11-01T00:00:00Z",
    )  # fmt: skip
    assert len(await books.row("/billing/exports/focus?month=2026-11")) == 2


async def test_lines_and_ledger_are_exported(books: Books) -> None:
    await closed(books)
    (line,) = await books.row("/billing/exports/csv?month=2026-11")
    assert (line["invoice"], line["addon"], line["amount"], line["tax"]) == (books.number, "my-store", "10.00", "2.00")
    entries = await books.row("/billing/exports/ledger?month=2026-12")
    amounts = {entry["ledger_account"]: entry["amount"] for entry in entries}
    assert amounts == {"receivable": "12.00", "sales": "-10.00", "tax": "-2.00"}
    own = await books.alice.get("/account/exports/csv?month=2026-11")
    assert own.text.splitlines()[1].startswith(books.number)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/account/exports/focus", 422),
        ("/account/exports/focus?month=november", 422),
        ("/account/exports/excel?month=2026-11", 404),
        ("/account/invoices/INV-2026-000099", 404),
        ("/account/invoices/INV-2026-000099.pdf", 404),
        ("/billing/exports/focus?month=2026-11", 404),
        ("/billing/check", 404),
    ],
)
async def test_what_there_is_not_is_refused(books: Books, path: str, status: int) -> None:
    assert (await books.alice.get(path)).status_code == status


async def test_terms_of_an_account_are_agreed(books: Books) -> None:
    path, tax = "/billing/terms/alice@example.com", {"percent": "8.875", "inclusive": True, "note": "NY"}
    before = (await books.olga.get(path)).json()
    assert (before["tax"], before["zone"]) == ({"percent": "20", "inclusive": False, "note": "VAT 20 %"}, "UTC")
    changed = (await books.olga.patch(path, json={"tax": tax})).json()
    assert changed == before | {"tax": tax} == (await books.olga.get(path)).json()
    assert (await books.olga.patch(path, json={"tax": None, "discount_bp": 50})).json()["tax"] is None
    for wrong in ({"tax": {"percent": "-1"}}, {"tax": {"percent": "101"}}, {"discount_bp": 10_001}, {"zone": "Moon"}):
        assert (await books.olga.patch(path, json=wrong)).status_code == 422, wrong
    assert (await books.olga.patch(path, json={"zone": "Europe/Berlin"})).status_code == 409
