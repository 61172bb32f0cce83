"""What partners earn over HTTP: a partner who looks, an operator who pays."""

import csv
import io
from dataclasses import replace
from datetime import timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import update

from broker.accounts.models import User
from broker.app import create_app
from broker.catalog.members import Role, set_member
from broker.kernel.context import Actor, Context
from tests.addons.conftest import make_world
from tests.billing.test_books import billed
from tests.billing.test_collect import collected
from tests.domain import new_user
from tests.platform_api.conftest import client_of, settings, token_of


@pytest.fixture
def app(ctx: Context) -> FastAPI:
    rules = replace(ctx.rules, payout_hold=timedelta(0), payout_minimum_minor=500)
    return create_app(replace(ctx, rules=rules), settings())


async def test_a_partner_reads_statements_and_an_operator_pays(ctx: Context, app: FastAPI, alice: Actor) -> None:
    olga, pat = await new_user(ctx, "olga@example.com"), await new_user(ctx, "pat@example.com")
    async with ctx.database.transaction() as tx:
        await tx.execute(update(User).where(User.id == olga.id).values(is_operator=True))
    world = await make_world(ctx, alice)
    await set_member(ctx, replace(olga, is_operator=True), "store", pat.email, Role.OWNER)
    async with client_of(app, await token_of(ctx, pat)) as hers, client_of(app, await token_of(ctx, olga)) as ours:
        own = "/provider-services/store"
        agreed = await ours.post(f"{own}/shares", json={"share_bp": 8000, "starts_at": "2026-12-02T00:00:00+01:00"})
        assert (agreed.status_code, agreed.json()["starts_at"]) == (201, "2026-12-01T23:00:00Z")
        assert (await hers.get(f"{own}/shares")).json() == [agreed.json()]
        assert (await hers.post(f"{own}/shares", json={"share_bp": 9999})).status_code == 404

        await billed(world, 1000)
        await collected(ctx, 1000)
        (day,) = (await hers.get(f"{own}/statements?since=2026-12-01&until=2026-12-31")).json()
        assert day == {
            "day": "2026-12-04", "currency": "usd", "gross_minor": 1000, "refunded_minor": 0, "tax_minor": 0,
            "base_minor": 1000, "commission_minor": 300, "earned_minor": 700, "clawed_back_minor": 0,
            "paid_out_minor": 0, "balance_minor": 700,
        }  # fmt: skip
        too_far = {"share_bp": 8000, "starts_at": "9999-12-31T23:59:59-12:00"}
        assert (await ours.post(f"{own}/shares", json=too_far)).status_code == 422
        for wrong in (
            "since=yesterday", "since=2026-12-31&until=2026-12-01", "since=2020-01-01", "until=0001-01-02",
            "since=0001-01-01&until=0001-01-02", "since=9999-12-01&until=9999-12-31",
        ):  # fmt: skip
            assert (await hers.get(f"{own}/statements?{wrong}")).status_code == 422

        run = (await ours.post("/billing/payouts")).json()
        assert ([each["amount_minor"] for each in run["payouts"]], run["left"]) == ([700], [])
        assert (await ours.post("/billing/payouts")).json() == {"payouts": [], "left": [], "unowned": []}
        (balance,) = (await hers.get(f"{own}/balances")).json()
        assert (balance["balance_minor"], balance["on_its_way_minor"]) == (0, 700)
        payout = f"/billing/payouts/{run['payouts'][0]['id']}"
        assert (await ours.post(f"{payout}/actions/mark-paid", json={})).status_code == 409
        approved = (await ours.post("/billing/payouts/actions/approve", json={})).json()
        assert [each["state"] for each in approved] == ["approved"]
        (row,) = csv.DictReader(io.StringIO((await ours.get("/billing/payouts/export")).text))
        assert (row["partner"], row["amount"], row["currency"]) == ("pat@example.com", "7.00", "USD")
        paid = (await ours.post(f"{payout}/actions/mark-paid", json={"reference": "T1"})).json()
        assert (paid["state"], (await hers.get(f"{own}/payouts")).json()) == ("paid", [paid])
        failed = (await ours.post(f"{payout}/actions/fail", json={"reason": "sent back"})).json()
        assert (await ours.get("/billing/payouts?state=failed")).json() == [failed]
        assert (await ours.get("/billing/payouts?state=lost")).status_code == 422
        rest = await ours.get("/billing/payouts", headers={"range": f"id ]{failed['id']}..; max=1"})
        assert (rest.status_code, rest.json()) == (200, [])
        assert (await ours.post("/billing/payouts/nothing/actions/mark-paid", json={})).status_code == 404
        (refused,) = {(await hers.post(path)).status_code for path in ("/billing/payouts", f"{payout}/actions/fail")}
        assert refused == 404
        async with client_of(app, await token_of(ctx, alice)) as payer:
            own_books = (await payer.get("/account/exports/ledger?month=2026-12")).text
        accounts = {row["ledger_account"] for row in csv.DictReader(io.StringIO(own_books))}
        assert accounts == {"receivable", "sales", "cash"}
        assert (await ours.get("/billing/check")).json()["differences"] == []
