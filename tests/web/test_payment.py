"""The page of payments: the way to the gateway's page and back, and what can be done with what was added."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from broker.accounts.teams import create_team, rename_team
from broker.app import create_app
from broker.kernel.context import Actor, Context, Rules
from broker.oauth.sessions import begin_session
from broker.payments.methods import list_methods
from broker.payments.ports import MethodFacts, SetupCall, SetupDone
from tests.addons.conftest import make_world
from tests.billing.test_books import billed
from tests.payments.fake import NO, FakeGateway, work
from tests.platform_api.conftest import settings

HERE = "/account/payment"
HTML = {"accept": "text/html"}


@pytest.fixture
def paying(ctx: Context) -> Context:
    return replace(ctx, rules=Rules(paid_plans_need_verification=True, public_url="http://broker.test"))


@pytest.fixture
async def browser(paying: Context, alice: Actor) -> AsyncIterator[httpx.AsyncClient]:
    """Alice's."""
    transport = httpx.ASGITransport(create_app(paying, settings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://broker.test") as client:
        await sign_in(client, paying, alice)
        yield client


async def sign_in(browser: httpx.AsyncClient, ctx: Context, actor: Actor) -> None:
    browser.cookies.set("broker-session", (await begin_session(ctx, actor, "a browser")).reveal())


async def send(browser: httpx.AsyncClient, path: str, token: str | None = None) -> httpx.Response:
    """Send a form of the page, with the token that stands in it."""
    found = re.search(r'name="form_token" value="(\w+)"', (await browser.get(HERE)).text)
    assert found is not None
    return await browser.post(f"{HERE}/{path}", data={"form_token": found[1] if token is None else token})


async def test_a_card_is_added_on_the_gateway_s_page_and_pays(
    browser: httpx.AsyncClient, paying: Context, alice: Actor
) -> None:
    ctx, gateway = paying, FakeGateway()
    number = await billed(await make_world(ctx, alice), 1000)
    await sign_in(browser, ctx, alice)  # a month has passed
    page = (await browser.get(HERE)).text
    assert "None yet" in page
    assert f"invoice {number}" in page
    way = (await send(browser, "methods")).headers["location"]
    assert 'content="1"' in (await browser.get(way)).text, "the gateway has not made its page yet"
    await work(ctx, gateway)
    url = f"https://gateway.test/pay/{way.rpartition('/')[2]}"
    assert f'content="0; url={url}"' in (await browser.get(way)).text
    setup = way.rpartition("/")[2]
    waiting = (await browser.get(f"{HERE}?setup={setup}")).text
    assert "is being asked" in waiting
    assert 'content="2"' in waiting
    gateway.setups[f"cs_{setup}"] = SetupDone(MethodFacts("pm_1", "visa", "4242", 12, 2040))
    gateway.answers = lambda _: NO
    for _ in range(2):  # the card, and the attempt that follows of it
        await work(ctx, gateway)
    done = (await browser.get(f"{HERE}?setup={setup}")).text
    for words in ("is added", "Visa ending in 4242", "12/2040", "Your card was declined.", "10.00 USD"):
        assert words in done
    gateway.answers = FakeGateway().answers
    bill = f"/account/invoices/{number}"
    assert f'action="{HERE}/invoices/{number}?next={bill}"' in (await browser.get(bill, headers=HTML)).text
    assert (await send(browser, f"invoices/{number}?next={bill}")).headers["location"] == f"{bill}?done=paying"
    under_way = (await browser.get(f"{bill}?done=paying", headers=HTML)).text
    assert "How it ends is told below" in under_way
    assert f'action="{HERE}' not in under_way, "it is paid once"
    for evil in ("", "?next=//evil.example", "?next=https://evil.example/"):
        again = await send(browser, f"invoices/{number}{evil}")
        assert (again.status_code, "location" in again.headers) == (409, False)
    await work(ctx, gateway)
    assert "To be paid" not in (await browser.get(HERE)).text
    (method,) = await list_methods(ctx, alice)
    assert (await send(browser, f"methods/{method.id}/default")).status_code == 303
    assert (await send(browser, f"methods/{method.id}/remove", token="00")).status_code == 403
    assert (await send(browser, f"methods/{method.id}/remove")).headers["location"] == f"{HERE}?done=removed"
    assert await list_methods(ctx, alice) == []


async def test_pages_of_somebody_else_s_setup_are_not_there(browser: httpx.AsyncClient) -> None:
    unknown = "0198a0b0-0000-7000-8000-000000000001"
    assert (await browser.get(f"{HERE}/setups/{unknown}")).status_code == 404
    assert (await browser.get(f"{HERE}?setup={unknown}")).status_code == 200


async def test_without_a_gateway_nothing_can_be_added(ctx: Context, alice: Actor) -> None:
    transport = httpx.ASGITransport(create_app(ctx, settings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://broker.test") as client:
        await sign_in(client, ctx, alice)
        page = (await client.get(HERE)).text
        assert "need no payment method here" in page
        assert "Add a payment method" not in page


async def test_the_gateway_leads_back_to_a_team_that_was_renamed_meanwhile(
    browser: httpx.AsyncClient, paying: Context, alice: Actor
) -> None:
    await create_team(paying, alice, "acme")
    form = {
        "form_token": re.findall(r'name="form_token" value="(\w+)"', (await browser.get("/teams/acme/payment")).text)[0]
    }
    way = (await browser.post("/teams/acme/payment/methods", data=form)).headers["location"]
    gateway = FakeGateway()
    await work(paying, gateway)
    await rename_team(paying, alice, "acme", "acme-labs")
    (call,) = (each for each in gateway.asked if isinstance(each, SetupCall))
    assert way.rpartition("/")[2] in call.return_url
    back = await browser.get(call.return_url)
    assert (back.status_code, "acme-labs" in back.text) == (200, True)
