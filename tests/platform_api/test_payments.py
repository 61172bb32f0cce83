"""Paying over HTTP: the shapes, the door for webhooks, and the sentence that says where a payment method is added."""

import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from broker.app import create_app
from broker.kernel.context import Actor, Context, Rules
from broker.kernel.secret import Secret
from broker.outbound.payment_news import StripeNews
from broker.payments.models import GatewayEvent
from broker.payments.ports import MethodFacts, SetupDone
from embedded.gateway.webhooks import signature
from tests.addons.conftest import make_world
from tests.billing.test_books import billed
from tests.payments.fake import NO, FakeGateway, work
from tests.platform_api.conftest import client_of, settings, token_of

SECRET = "whsec_of_the_tests"


@pytest.fixture
def paying(ctx: Context) -> Context:
    return replace(ctx, rules=Rules(paid_plans_need_verification=True, public_url="https://broker.test"))


@pytest.fixture
async def api(paying: Context, alice: Actor) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(paying, settings(), StripeNews([Secret(SECRET)]))
    async with client_of(app, await token_of(paying, alice)) as client:
        yield client


async def news(api: httpx.AsyncClient, event: str, reference: str, secret: str = SECRET) -> httpx.Response:
    told = {"id": event, "type": "checkout.session.completed", "data": {"object": {"id": reference}}}
    body = json.dumps(told)
    headers = {"stripe-signature": signature(secret, body, time.time()), "authorization": ""}
    return await api.post("/payments/webhook", content=body, headers=headers)


async def test_from_the_refusal_over_the_gateway_s_page_to_a_paid_plan_and_a_paid_invoice(
    api: httpx.AsyncClient, paying: Context, alice: Actor
) -> None:
    ctx, gateway = paying, FakeGateway()
    world = await make_world(ctx, alice)
    number = await billed(world, 1000)
    account = (await api.get("/account")).json()
    assert (account["verified"], account["delinquent_at"], account["scheduled_suspension_time"]) == (False, None, None)
    refused = await api.post("/apps/shop/addons", json={"plan": "store:big"})
    assert (refused.status_code, refused.json()["id"]) == (402, "verification_required")
    assert "https://broker.test/account/payment" in refused.json()["message"]

    begun = (await api.post("/account/payment-methods")).json()
    assert (begun["state"], begun["url"]) == ("pending", None)
    await work(ctx, gateway)
    setup = (await api.get(f"/account/payment-setups/{begun['id']}")).json()
    assert (setup["state"], setup["url"]) == ("open", f"https://gateway.test/pay/{begun['id']}")
    gateway.setups[f"cs_{begun['id']}"] = SetupDone(MethodFacts("pm_1", "visa", "4242", 12, 2040))
    answers = [await news(api, "evt_1", f"cs_{begun['id']}") for _ in range(2)]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"new": True}), (200, {"new": False})]
    gateway.answers = lambda _: NO
    await work(ctx, gateway)
    (method,) = (await api.get("/account/payment-methods")).json()
    assert (method["brand"], method["last4"], method["default"]) == ("visa", "4242", True)
    assert (await api.get("/account")).json()["verified"] is True
    assert (await api.post("/apps/shop/addons", json={"plan": "store:big"})).status_code == 201

    await work(ctx, gateway)
    (failed,) = (await api.get(f"/account/invoices/{number}/payments")).json()
    assert (failed["state"], failed["card"], failed["failure_message"]) == (
        "failed", "visa 4242", "Your card was declined.",
    )  # fmt: skip
    gateway.answers = FakeGateway().answers
    key = {"idempotency-key": "once"}
    made = [(await api.post(f"/account/invoices/{number}/payments", headers=key)).json() for _ in range(2)]
    assert made[0]["id"] == made[1]["id"]
    await work(ctx, gateway)
    paid = (await api.get(f"/account/payments/{made[0]['id']}")).json()
    assert (paid["state"], paid["attempt"], paid["amount_minor"], paid["invoice"]) == ("succeeded", 2, 1000, number)
    assert (await api.get(f"/account/invoices/{number}")).json()["state"] == "paid"
    assert (await api.delete(f"/account/payment-methods/{method['id']}")).status_code == 200


@pytest.mark.parametrize("forged", [{"secret": "whsec_of_somebody"}, {}])
async def test_a_forged_webhook_changes_nothing(api: httpx.AsyncClient, ctx: Context, forged: dict[str, Any]) -> None:
    if forged:
        answer = await news(api, "evt_1", "cs_1", **forged)
    else:
        answer = await api.post("/payments/webhook", content=b"{}")
    assert (answer.status_code, answer.json()["id"]) == (400, "bad_request")
    async with ctx.database.transaction() as tx:
        assert (await tx.execute(select(func.count(GatewayEvent.id)))).scalar_one() == 0


async def test_without_a_gateway_there_is_nothing_to_add_and_no_door(ctx: Context, alice: Actor) -> None:
    async with client_of(create_app(ctx, settings()), await token_of(ctx, alice)) as api:
        assert (await api.get("/account")).json()["verified"] is True
        refused = await api.post("/account/payment-methods")
        assert (refused.status_code, refused.json()["id"]) == (409, "conflict")
        assert (await news(api, "evt_1", "cs_1")).status_code == 404
