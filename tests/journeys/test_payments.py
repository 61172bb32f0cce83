"""The life of a payment on one machine: a card on the gateway's page, a paid add-on, an invoice, and money back."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio

from broker.accounts.seed import ensure_account
from broker.kernel.clock import SystemClock
from broker.kernel.context import Context
from broker.kernel.db import connect, libpq_url
from broker.kernel.secret import Secret
from broker.kernel.signals import Signals
from broker.kernel.vault import Vault
from broker.local.database import Database
from broker.local.home import Home
from tests.gateway import DECLINED, TAKEN_BACK, fill_in
from tests.platform import Platform

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

EMAIL = "payer@example.com"
LAST_MONTH = """
insert into usage_periods (id, addon_id, app_id, payer_id, plan_id, price_cents, currency, service, plan, started_at, ended_at)
select uuidv7(), uuidv7(), uuidv7(), users.id, plans.id, 900, 'usd', 'postgres', 'basic',
    date_trunc('month', now() - interval '1 month'), date_trunc('month', now())
from plans, users where users.email = %s limit 1
"""


@pytest_asyncio.fixture
async def payer(platform: Platform, vault: Vault) -> Platform:
    """The marketplace as somebody new to it sees it."""
    url, token = Database(Home(platform.home)).url, "HRKU-" + secrets.token_urlsafe(32)
    database = connect(url, pool_size=1, pool_timeout_s=10)
    context = Context(database, SystemClock(), vault, Signals(url))
    await ensure_account(context, EMAIL, Secret(secrets.token_urlsafe(24)), Secret(token))
    await database.close()
    return replace(platform, token=token, email=EMAIL)


def run(platform: Platform, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BROKER_URL": platform.url, "BROKER_TOKEN": platform.token, "NO_COLOR": "1"}
    command = [sys.executable, "-m", "broker", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def broker(platform: Platform, *words: str) -> Any:
    done = run(platform, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def shown(platform: Platform, path: str) -> Any:
    """What the API shows: asking it again and again costs less than starting a command each time."""
    headers = {"authorization": f"Bearer {platform.token}"}
    return httpx.get(platform.url + path, headers=headers, timeout=120, trust_env=False).json()


def had_an_addon_last_month(platform: Platform, email: str) -> None:
    with psycopg.connect(libpq_url(Database(Home(platform.home)).url)) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(LAST_MONTH, (email,))


def until(condition: Callable[[], object], within_s: float = 60) -> None:
    """Go on as soon as it is so."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.2)


def add_card(platform: Platform, number: str) -> None:
    """On the page of the gateway, as its user; afterwards invoices are paid with it."""
    setup = broker(platform, "payment-methods:add", "--no-wait")
    assert fill_in(setup["url"], number).headers["location"].startswith(f"{platform.url}/account/payment?setup=")
    until(lambda: [each for each in shown(platform, "/account/payment-methods") if each["last4"] == number[-4:]])


def dashboard(platform: Platform) -> httpx.Client:
    """Where operators do things at the gateway itself."""
    home = Home(platform.home)
    key, port = home.secret("payment gateway key", prefix="sk_test_"), home.port("payment gateway")
    headers = {"authorization": f"Bearer {key}"}
    return httpx.Client(base_url=f"http://127.0.0.1:{port}/v1", headers=headers, timeout=120, trust_env=False)


def test_a_month_is_paid_from_a_card_and_a_part_is_sent_back(payer: Platform, platform: Platform) -> None:
    broker(payer, "apps:create", "payers-app")
    refused = run(payer, "addons:create", "redis:premium-0", "--app", "payers-app")
    assert refused.returncode != 0
    assert "Add one with `broker payment-methods:add`, or at" in refused.stderr
    assert f"{platform.url}/account/payment" in refused.stderr
    add_card(payer, DECLINED)
    broker(payer, "addons:create", "redis:premium-0", "--app", "payers-app")

    had_an_addon_last_month(platform, EMAIL)
    broker(platform, "billing:close")
    until(lambda: [each for each in shown(payer, "/account/payments") if each["state"] == "failed"])
    (failed,) = broker(payer, "payments")
    assert (failed["card"], failed["failure_code"], failed["amount_minor"]) == ("visa 0341", "generic_decline", 900)
    add_card(payer, TAKEN_BACK)  # what is unpaid is collected with it at once
    until(lambda: [each for each in shown(payer, "/account/invoices") if each["state"] == "paid"])
    paid = broker(payer, "payments", "--invoice", failed["invoice"])[0]
    assert (paid["state"], paid["card"], paid["amount_minor"]) == ("succeeded", "visa 0259", 900)

    until(lambda: shown(platform, "/billing/chargebacks"))  # the bank takes it back, and the gateway tells
    (taken,) = broker(platform, "payments:chargebacks")
    assert (taken["invoice"], taken["amount_minor"], taken["state"]) == (paid["invoice"], 900, "open")
    assert broker(platform, "billing:check")["differences"] == []
    with dashboard(platform) as gateway:
        answer = {"evidence[uncategorized_text]": "winning_evidence"}
        dispute = gateway.post(f"/disputes/{taken['id']}", data=answer).json()
        until(lambda: shown(platform, "/billing/chargebacks")[0]["state"] == "won")
        gateway.post("/refunds", data={"payment_intent": dispute["payment_intent"], "amount": "100"})
        until(lambda: shown(payer, f"/account/payments/{paid['id']}")["refunded_minor"] == 100)

    back = broker(platform, "payments:refund", paid["id"], "--amount", "0.50", "--reason", "it was slow")
    assert (back["state"], back["amount_minor"]) == ("succeeded", 50)
    assert broker(platform, "billing:check")["differences"] == []
    assert {"payment.failed", "payment.received"} <= {each["kind"] for each in broker(payer, "notices")}
    broker(payer, "apps:destroy", "payers-app", "--confirm", "payers-app")
