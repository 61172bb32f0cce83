"""Signing command lines in with a browser, and codes of the second factor over the API."""

import base64
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from broker.accounts.totp import code_at, step_of
from broker.accounts.two_factor import ask_for_codes, begin_app, confirm_app
from broker.apps.create import CreateApp, create_app
from broker.kernel.context import Actor, Context
from broker.oauth.sessions import begin_session
from tests.domain import StoppedClock
from tests.oauth.conftest import fields_of
from tests.platform_api.conftest import client_of, token_of


async def begun(anonymous: httpx.AsyncClient) -> dict[str, Any]:
    answer = await anonymous.post("/auth", json={"description": "Heroku CLI login from <laptop>"})
    assert answer.status_code == 201
    return dict(answer.json())


async def fetched(anonymous: httpx.AsyncClient, login: dict[str, Any], token: str | None = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {token or login['token']}"}
    return await anonymous.get(login["cli_url"], headers=headers)


async def decided(app: FastAPI, ctx: Context, user: Actor, login: dict[str, Any], decision: str) -> httpx.Response:
    async with client_of(app) as browser:
        browser.cookies["broker-session"] = (await begin_session(ctx, user, "Firefox")).reveal()
        page = await browser.get(login["browser_url"])
        assert login["code"] in page.text
        assert "from &lt;laptop&gt;" in page.text
        return await browser.post(login["browser_url"], data={**fields_of(page.text), "decision": decision})


async def test_a_command_line_gets_its_token_once_when_its_user_says_so(
    app: FastAPI, ctx: Context, alice: Actor, anonymous: httpx.AsyncClient
) -> None:
    login = await begun(anonymous)
    assert (await anonymous.get(login["browser_url"])).headers["location"].startswith("/login?next=%2Fauth%2Fbrowser")
    waiting = await fetched(anonymous, login)
    assert (waiting.status_code, waiting.json()["id"]) == (503, "service_unavailable")
    for token in ("guessed", (await begun(anonymous))["token"]):
        assert (await fetched(anonymous, login, token)).status_code == 404
    assert (await decided(app, ctx, alice, login, "allow")).status_code == 200
    answer = (await fetched(anonymous, login)).json()
    assert answer["error"] is None
    async with client_of(app, answer["access_token"]) as mine:
        assert (await mine.get("/account")).json()["email"] == alice.email
        assert (await mine.delete(f"/oauth/authorizations/{answer['authorization']}")).status_code == 200
    assert (await fetched(anonymous, login)).status_code == 404, "once"


async def test_an_old_session_shows_the_password_again_first(
    app: FastAPI, ctx: Context, alice: Actor, anonymous: httpx.AsyncClient, clock: StoppedClock
) -> None:
    async with client_of(app) as browser:
        browser.cookies["broker-session"] = (await begin_session(ctx, alice, "Firefox")).reveal()
        clock.advance(minutes=20)
        login = await begun(anonymous)
        for answer in (await browser.get(login["browser_url"]), await browser.post(login["browser_url"], data={})):
            assert answer.headers["location"].startswith("/account/prove?next=%2Fauth%2Fbrowser%2F")
    assert (await fetched(anonymous, login)).status_code == 503


async def test_what_was_refused_or_is_too_old_gives_nothing(
    app: FastAPI, ctx: Context, alice: Actor, anonymous: httpx.AsyncClient, clock: StoppedClock
) -> None:
    refused, old = await begun(anonymous), await begun(anonymous)
    await decided(app, ctx, alice, refused, "deny")
    answer = (await fetched(anonymous, refused)).json()
    assert (answer["access_token"], "refused" in answer["error"]) == (None, True)
    assert (await anonymous.get("/auth/cli/x")).status_code == 401
    clock.advance(minutes=11)
    assert (await fetched(anonymous, old)).status_code == 404
    async with client_of(app) as browser:
        browser.cookies["broker-session"] = (await begin_session(ctx, alice, "Firefox")).reveal()
        assert (await browser.get(old["browser_url"])).status_code == 404


@pytest.fixture
async def secret(ctx: Context, alice: Actor, clock: StoppedClock) -> bytes:
    """That of alice's authenticator app, which is on."""
    shared = base64.b64decode((await begin_app(ctx, alice)).reveal())
    await confirm_app(ctx, alice, code_at(shared, step_of(clock.now())))
    clock.advance(minutes=1)
    return shared


async def test_destroying_asks_for_a_code_that_may_be_shown_beforehand(
    app: FastAPI, ctx: Context, alice: Actor, api: httpx.AsyncClient, secret: bytes, clock: StoppedClock
) -> None:
    for name in ("first", "second", "third"):
        await create_app(ctx, alice, CreateApp(name))
    assert (await api.delete("/apps/first")).status_code == 200, "nobody has asked for codes yet"
    await ask_for_codes(ctx, alice, wanted=True)
    refused = await api.delete("/apps/second")
    assert (refused.status_code, refused.json()["id"], refused.json()["app"]["name"]) == (403, "two_factor", "second")
    code = {"heroku-two-factor-code": code_at(secret, step_of(clock.now()))}
    wrong = await api.put("/apps/second/pre-authorizations", headers={"heroku-two-factor-code": "000000"})
    assert (wrong.status_code, wrong.json()["id"]) == (403, "two_factor")
    assert (await api.put("/apps/second/pre-authorizations", headers=code)).status_code == 200
    assert (await api.delete("/apps/third")).status_code == 403, "it was for the other one"
    async with client_of(app, await token_of(ctx, alice)) as other:
        assert (await other.delete("/apps/second")).status_code == 403, "it was for the other token"
    assert (await api.delete("/apps/second")).status_code == 200
    clock.advance(minutes=1)
    code = {"heroku-two-factor-code": code_at(secret, step_of(clock.now()))}
    assert (await api.delete("/apps/third", headers=code)).status_code == 200
    assert (await api.get("/account")).json()["two_factor_authentication"] is True


async def test_notices_are_ones_own_and_operators_hand_on_what_is_not_sent(
    api: httpx.AsyncClient, intruder: httpx.AsyncClient, secret: bytes
) -> None:
    assert len(secret) == 20
    mine = (await api.get("/account/notices")).json()
    assert {notice["kind"] for notice in mine} == {"two_factor.changed", "token.created"}
    assert "authenticator app was set up" in next(n for n in mine if n["kind"] == "two_factor.changed")["text"]
    assert {notice["kind"] for notice in (await intruder.get("/account/notices")).json()} == {"token.created"}
    assert (await api.get("/mails")).status_code == 404
