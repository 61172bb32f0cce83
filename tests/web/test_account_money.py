"""The pages of an account's money: what is owed, bills, what was spent, budgets, notices."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from broker.accounts.authorizations import CreateAuthorization, create_authorization
from broker.addons.budgets import SetBudget, set_budget
from broker.addons.create import CreateAddon, create_addon
from broker.billing.budgets import ScopeKind
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.errors import BudgetExceeded
from broker.oauth.sessions import begin_session
from broker.web.moments import day
from tests.addons.conftest import MANIFEST, World
from tests.billing.test_books import billed
from tests.oauth.conftest import Browser, cookie_of, fields_of, over_wire
from tests.payments.debtor import Debtor
from tests.payments.debtor import debtor as debtor

HTML = {"accept": "text/html,application/xhtml+xml"}
EVIL = '<script>alert("x")</script>'
PAGES = ("billing", "invoices", "spending", "budgets", "notices")


@pytest.fixture
async def browser(app: FastAPI, ctx: Context, alice: Actor) -> AsyncIterator[Browser]:
    """Alice's."""
    async with over_wire(app) as http:
        await sign_in(http, ctx, alice)
        yield Browser(http)


async def sign_in(http: httpx.AsyncClient, ctx: Context, actor: Actor) -> None:
    http.headers.update(HTML)
    http.cookies.update(cookie_of(await begin_session(ctx, actor, "test")))


async def get(browser: Browser, path: str) -> str:
    answer = await browser.http.get(path)
    assert answer.status_code == 200, (path, answer.status_code, answer.headers.get("location"))
    assert answer.headers["cache-control"] == "no-store"
    return answer.text


async def send(browser: Browser, path: str, action: str, **fields: Any) -> httpx.Response:
    """Send the form of a page that goes to `action`."""
    text = await get(browser, path)
    assert f'action="{action}"' in text, (path, action)
    form = text[text.index(f'action="{action}"') :]
    return await browser.http.post(action, data={**fields_of(form[: form.index("</form>")]), **fields})


async def test_a_bill_is_seen_explained_printed_and_owed(
    browser: Browser, app: FastAPI, world: World, mallory: Actor
) -> None:
    for page in PAGES:
        assert "<h1>" in await get(browser, f"/account/{page}")
    assert "None yet" in await get(browser, "/account/invoices")
    number = await billed(world, 1000, 2000)
    await sign_in(browser.http, world.ctx, world.user)  # a month has passed
    billing = await get(browser, "/account/billing")
    for told in ("30.00 USD", f"Invoice {number}", "for November 2026", "Add a payment method", "December 2026 so far"):
        assert told in billing
    assert f'href="/account/invoices/{number}"' in await get(browser, "/account/invoices")
    invoice = await get(browser, f"/account/invoices/{number}")
    for told in ("To be paid", "10.00 USD a month ×", "30 days", "20.00 USD", f"/account/invoices/{number}.pdf"):
        assert told in invoice
    assert (await browser.http.get(f"/account/invoices/{number}.pdf")).content.startswith(b"%PDF-")
    printed = await browser.http.get(f"/account/invoices/{number}.html")
    assert f"<h1>Invoice {number}</h1>" in printed.text
    export = await browser.http.get("/account/exports/csv?month=2026-11")
    assert export.headers["content-type"].startswith("text/csv")
    assert number in export.text
    assert (await browser.http.get("/account/exports/csv?month=may")).status_code == 422
    spending = await get(browser, "/account/spending?by=service")
    for told in (
        'role="img"',
        "<title>store, November 2026: 30</title>",
        "<caption>In USD, by service</caption>",
        "30.00",
    ):
        assert told in spending
    assert f"Invoice {number}: 30.00 USD" in await get(browser, "/account/notices")
    async with over_wire(app) as http:
        for path in (f"/account/{page}" for page in PAGES):
            assert (await http.get(path, headers=HTML)).headers["location"] == f"/login?next={path.replace('/', '%2F')}"
        await sign_in(http, world.ctx, mallory)
        nothing = (await http.get("/account/invoices/INV-2026-999999")).text
        for ending in ("", ".html", ".pdf"):
            theirs = await http.get(f"/account/invoices/{number}{ending}")
            assert (theirs.status_code, theirs.text) == (404, nothing)
        assert number not in (await http.get("/account/exports/csv?month=2026-11")).text
        assert (await http.get("/account/invoices", headers={"accept": "application/json"})).status_code == 401


async def test_whoever_owes_is_told_what_follows_and_when_and_pays(app: FastAPI, debtor: Debtor) -> None:
    ctx, here = debtor.ctx, "/account/billing"
    await debtor.round()
    async with over_wire(app) as http:
        browser = Browser(http)
        await sign_in(http, ctx, debtor.world.user)
        late = await get(browser, here)
        dates = [day(debtor.issued_at + timedelta(days=days)) for days in (3, 14, 30)]
        for told in ("Past due</span>", f"are suspended on {dates[1]} if it is not paid", "What follows", *dates):
            assert told in late
        paying = await send(browser, here, f"/account/payment/invoices/{debtor.number}?next=/account/billing")
        assert paying.headers["location"] == "/account/billing?done=paying"
        assert "A payment is under way" in await get(browser, here)
        await debtor.until_day(14)
        await sign_in(http, ctx, debtor.world.user)
        assert f"They are deleted with their data on {dates[2]}" in await get(browser, here)
        await debtor.pay()
        paid = await get(browser, here)
        assert "Nothing</dd>" in paid
        assert "suspended" not in paid


async def test_budgets_are_set_asked_about_and_removed(
    browser: Browser, app: FastAPI, world: World, mallory: Actor
) -> None:
    ctx, here, to = world.ctx, "/account/budgets", "/account/budgets/set"
    await create_authorization(ctx, world.user, CreateAuthorization(f"Robot {EVIL}", ["write-protected"]))
    assert EVIL not in await get(browser, here)
    for limit in ("many", "-1", "1.005", "9" * 30):
        wrong = await send(browser, here, to, scope="account:", limit=limit, policy="notify")
        assert (wrong.status_code, 'id="limit-fault"' in wrong.text, f'value="{limit}"' in wrong.text) == (
            422,
            True,
            True,
        )
    assert (await send(browser, here, to, scope="moon:", limit="5", policy="notify")).status_code == 422
    assert (await send(browser, here, to, scope="app:no-such-app", limit="5", policy="notify")).status_code == 404
    done = await send(browser, here, to, scope="app:shop", limit="$12.50", policy="block_new")
    assert done.headers["location"] == f"{here}?done=budget"
    shown = await get(browser, f"{here}?done=budget")
    for told in ("The budget is set.", "The app shop", "0.00 USD of 12.50 USD", "<meter"):
        assert told in shown
    with pytest.raises(BudgetExceeded):
        await create_addon(ctx, world.user, CreateAddon("shop", "store:big", ask=True))
    asked = re.search(r"/account/budget-requests/([\w-]+)/decide", await get(browser, here))
    assert asked is not None
    budget = re.search(rf"{here}/([\w-]+)/remove", shown)
    assert budget is not None
    async with over_wire(app) as http:
        await sign_in(http, ctx, mallory)
        token = fields_of((await http.get(here)).text)
        for path in (f"{here}/{budget[1]}/remove", asked[0]):
            assert (await http.post(path, data=token)).status_code == 404
            assert (await browser.http.post(path, data={"form_token": token["form_token"]})).status_code == 403
    answer = await send(browser, here, asked[0], decision="approve")
    assert answer.headers["location"] == f"{here}?done=decided"
    assert "Approved</span>" in await get(browser, here)
    assert (await browser.http.post(asked[0], data=fields_of(await get(browser, here)))).status_code == 409
    await create_addon(ctx, world.user, CreateAddon("shop", "store:big"))
    assert "Used</span>" in await get(browser, here)
    gone = await send(browser, here, f"{here}/{budget[1]}/remove")
    assert gone.headers["location"] == f"{here}?done=removed"
    assert "There are none: nothing limits" in await get(browser, here)
    await set_budget(ctx, world.user, SetBudget(ScopeKind.ACCOUNT, None, 5000, "jpy"))
    in_yen: dict[str, Any] = {"scope": "account:", "currency": "jpy", "policy": "notify"}
    assert "in JPY without a point" in (await send(browser, here, to, limit="12.50", **in_yen)).text
    await send(browser, here, to, limit="1,250", **in_yen)
    assert "of 1250 JPY" in await get(browser, here)


async def test_what_providers_and_users_say_stays_text(browser: Browser, ctx: Context, world: World) -> None:
    meter = {"name": "rows", "label": f"Rows {EVIL}", "unit": EVIL, "unit_price": "1"}
    plans = [{"name": "big", "human_name": EVIL, "price_cents": 5000, "default": True, "meters": [meter]}]
    await publish(ctx, parse(MANIFEST | {"plans": plans, "capabilities": ["usage"]}), SYSTEM)
    await world.provisioned("store:big")
    for page in PAGES:
        assert EVIL not in await get(browser, f"/account/{page}")
