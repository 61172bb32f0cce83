"""The consent page and the page of what was allowed, against whoever would decide in a user's place."""

from typing import Any

import httpx
import pytest

from broker.accounts.authorizations import CreateAuthorization, create_authorization
from broker.apps.create import CreateApp, create_app
from broker.kernel.context import Actor, Context
from broker.oauth.clients import ClientWishes, change_client
from broker.oauth.sessions import begin_session
from tests.domain import new_user
from tests.oauth.conftest import (
    Browser,
    ThirdParty,
    ann,
    app,
    browser,
    cookie_of,
    fields_of,
    maker,
    native,
    over_wire,
    query_of,
    refused,
    tool,
    wire,
)

__all__ = ["ann", "app", "browser", "maker", "native", "tool", "wire"]

HERE = "/account/authorizations"


@pytest.fixture
async def bob_fields(app: Any, ctx: Context, tool: ThirdParty) -> dict[str, str]:
    """What the consent page gives to somebody else."""
    async with over_wire(app) as http:
        bob = await new_user(ctx, "bob@example.com")
        http.cookies.update(cookie_of(await begin_session(ctx, bob, "Firefox")))
        return fields_of((await http.get(tool.url())).text)


async def test_nobody_decides_in_the_place_of_the_user(
    tool: ThirdParty, browser: Browser, bob_fields: dict[str, str]
) -> None:
    url = tool.url()
    for fields in ({}, bob_fields, {"form_token": ""}):
        answer = await browser.http.post(url, data={**fields, "decision": "allow"})
        assert (answer.status_code, "location" in answer.headers) == (403, False)
    fields = fields_of((await browser.http.get(url)).text)
    sent = {**fields, "decision": "allow"}
    elsewhere = await browser.http.post(url, data=sent, headers={"sec-fetch-site": "cross-site"})
    assert elsewhere.status_code == 403
    assert "code" in query_of((await browser.http.post(url, data=sent)).headers["location"])


async def test_a_form_without_a_decision_denies(tool: ThirdParty, browser: Browser) -> None:
    back = await browser.decide(tool.url(), decision="")
    assert query_of(back.headers["location"])["error"] == "access_denied"


async def test_the_decision_needs_somebody_who_is_signed_in(tool: ThirdParty, wire: httpx.AsyncClient) -> None:
    for answer in (await wire.get(tool.url()), await wire.post(tool.url(), data={"decision": "allow"})):
        assert answer.headers["location"].startswith("/login?next=%2Foauth%2Fauthorize%3Fresponse_type%3Dcode")


async def test_the_page_cannot_be_framed_and_leads_nowhere_but_to_the_client(
    tool: ThirdParty, native: ThirdParty, browser: Browser
) -> None:
    policy = (await browser.http.get(tool.url())).headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' https:;" in policy
    page = await browser.http.get(native.url())
    assert "form-action 'self' http: https:;" in page.headers["content-security-policy"]
    assert "a program on the computer that you use now" in page.text


async def test_what_a_client_calls_itself_is_text(
    ctx: Context, maker: Actor, tool: ThirdParty, browser: Browser
) -> None:
    await change_client(ctx, maker, tool.id, ClientWishes(name="<b>Bank</b> {{ 7*7 }}"))
    page = await browser.http.get(tool.url(state='"><script>alert(1)</script>'))
    assert "&lt;b&gt;Bank&lt;/b&gt; {{ 7*7 }}" in page.text
    assert "<script>" not in page.text


async def test_choosing_no_app_is_no_consent(tool: ThirdParty, browser: Browser, ctx: Context, ann: Actor) -> None:
    await create_app(ctx, ann, CreateApp("shop"))
    answer = await browser.decide(tool.url(), apps="chosen")
    assert (answer.status_code, "No app was chosen" in answer.text) == (422, True)


async def test_signing_in_alone_asks_for_no_apps(tool: ThirdParty, browser: Browser, ctx: Context, ann: Actor) -> None:
    await create_app(ctx, ann, CreateApp("shop"))
    page = await browser.http.get(tool.url("openid email"))
    assert "On which apps?" not in page.text
    assert "shop" not in page.text


async def test_a_user_sees_who_may_do_what_and_takes_it_back(
    tool: ThirdParty, browser: Browser, ctx: Context, ann: Actor, bob_fields: dict[str, str]
) -> None:
    shop = await create_app(ctx, ann, CreateApp("shop"))
    await create_authorization(ctx, ann, CreateAuthorization("my laptop"))
    given = await tool.tokens(browser, "read", apps="chosen", app=[str(shop.id)])
    again = await browser.http.get(tool.url(prompt="none"))
    other = (await tool.redeem(query_of(again.headers["location"])["code"])).json()
    page = (await browser.http.get(HERE)).text
    for text in ("Tool", "On shop only.", "Never used.", "my laptop"):
        assert text in page
    await tool.get("/account", given["access_token"])
    page = (await browser.http.get(HERE)).text
    assert "Last used 21 November 2026, about 09:50 UTC." in page
    assert page.count("Disconnect Tool") == 1
    path = f"/account/clients/{tool.id}/disconnect"
    assert (await browser.http.post(path, data=bob_fields)).status_code == 403
    assert (await tool.get("/account", given["access_token"])).status_code == 200
    assert (await browser.http.post(path, data=fields_of(page))).headers["location"] == HERE
    assert (await tool.get("/account", given["access_token"])).status_code == 401
    assert (await tool.get("/account", other["access_token"])).status_code == 401, "on every device"
    assert refused(await tool.refresh(other["refresh_token"])) == (400, "invalid_grant")
    assert (await browser.http.post(path, data=fields_of(page))).status_code == 303, "it is gone, as was wanted"
    assert "You have allowed none." in (await browser.http.get(HERE)).text


async def test_nobody_ends_what_is_somebody_elses(app: Any, tool: ThirdParty, browser: Browser, ctx: Context) -> None:
    given = await tool.tokens(browser)
    page = (await browser.http.get(HERE)).text + (await browser.http.get("/account/security")).text
    paths = [part for part in page.split('"') if part.endswith(("/disconnect", "/end"))]
    assert len(paths) == 2
    async with over_wire(app) as http:
        mallory = await new_user(ctx, "mallory@example.com")
        http.cookies.update(cookie_of(await begin_session(ctx, mallory, "Other")))
        fields = fields_of((await http.get(HERE)).text)
        for path in paths:
            assert (await http.post(path, data=fields)).status_code == 303
    assert (await tool.get("/account", given["access_token"])).status_code == 200
    assert (await browser.http.get(HERE)).status_code == 200


async def test_a_browser_is_signed_out_from_another(browser: Browser, ctx: Context, ann: Actor, app: Any) -> None:
    async with over_wire(app) as http:
        http.cookies.update(cookie_of(await begin_session(ctx, ann, "Lost phone")))
        page = (await browser.http.get("/account/security")).text
        lost = page[page.index("Lost phone") :].split('"')
        path = next(part for part in lost if part.endswith("/end"))
        await browser.http.post(path, data=fields_of(page))
        assert (await http.get(HERE)).headers["location"].startswith("/login")
