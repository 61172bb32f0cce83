"""A locked account: every way in is refused with one sentence, nobody else learns of it, and what is unlocked is as it was."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from broker.accounts.authorizations import CreateAuthorization, create_authorization
from broker.accounts.cli_logins import LoginState, begin_cli_login, decide_cli_login, fetch_cli_login
from broker.accounts.halfway import half_way, whole_way
from broker.accounts.locking import lock_account, unlock_account
from broker.accounts.login import LoginThrottle, check_password, log_in
from broker.accounts.models import User
from broker.accounts.passkeys import Site
from broker.addons.oidc import entry_by_hint
from broker.addons.sso import sign_on, sign_on_by_ticket
from broker.addons.tickets import Visit, mint_hint, mint_ticket
from broker.kernel.context import Actor, Context
from broker.kernel.errors import AccountLocked, TwoFactorRequired, Unauthorized
from broker.kernel.secret import Secret
from broker.oauth.clients import ClientWishes, create_client
from broker.oauth.sessions import begin_session, find_session
from tests.accounts.test_passkeys import Key, added, signed_in
from tests.accounts.test_two_factor import PASSWORD, now_code, turned_on
from tests.addons.conftest import make_world
from tests.addons.test_grants import give_client_secret, tokens_of
from tests.domain import new_user
from tests.oauth.conftest import CALLBACK, EMAIL, Browser, ThirdParty, over_wire

SENTENCE = "This account is locked. Ask the operators of this broker."
Way = Callable[[], Awaitable[Any]]


@pytest.fixture
async def olga(ctx: Context) -> Actor:
    operator = replace(await new_user(ctx, "olga@example.com"), is_operator=True)
    async with ctx.database.transaction() as tx:
        await tx.execute(update(User).where(User.id == operator.id).values(is_operator=True))
    return operator


async def outcome(way: Way) -> str:
    """`in`, or what is said to whoever tries."""
    try:
        answer = await way()
    except AccountLocked as refusal:
        return refusal.message
    if isinstance(answer, httpx.Response):
        if answer.is_success:
            return "in" if SENTENCE not in answer.text else SENTENCE
        return next((said for said in (SENTENCE, "/login") if said in answer.text + str(answer.headers)), answer.text)
    return "in"


async def test_every_way_in_is_refused_while_the_account_is_locked(
    ctx: Context, app: FastAPI, wire: httpx.AsyncClient, ann: Actor, olga: Actor, tool: ThirdParty, browser: Browser
) -> None:
    _, codes = await turned_on(ctx, ann)
    key, site = Key(), Site.of("https://broker.example.com")
    assert site is not None
    await added(ctx, ann, site, key)
    world = await make_world(ctx, ann)
    await give_client_secret(ctx)
    addon = await world.provisioned(name="my-store")
    visit, soon = Visit(ann.id, addon.id, (await world.read(addon.id)).app_id), ctx.wall.now().replace(year=2027)
    ticket, hint = mint_ticket(ctx.vault, visit, soon), mint_hint(ctx.vault, visit, soon)
    own = await create_authorization(ctx, ann, CreateAuthorization("mine"))
    assert own.token is not None
    mine = own.token.reveal()
    given = await tool.tokens(browser, "read identity openid offline_access")
    waiting = await tool.code(browser)
    robot = ThirdParty(wire, await create_client(ctx, ann, ClientWishes("Robot", [CALLBACK], own_scopes=["read"])))
    throttle, spare = LoginThrottle(), iter(codes)
    cookie = await half_way(ctx, await check_password(ctx, throttle, EMAIL, PASSWORD))
    login = await begin_cli_login(ctx, "a laptop")
    await decide_cli_login(ctx, ann, login.page.reveal(), allowed=True, session_id=None)
    http = browser.http

    def with_token(path: str, token: str, **more: Any) -> Way:
        return lambda: wire.get(path, headers={"authorization": f"Bearer {token}"}, **more)

    ways: dict[str, tuple[Way, str]] = {
        "own token": (with_token("/account", mine), SENTENCE),
        "own token as Basic": (lambda: wire.get("/account", auth=("", mine)), SENTENCE),
        "own token, partner's registry": (with_token("/api/v3/addons/store/manifests", mine), SENTENCE),
        "a new token": (lambda: create_authorization(ctx, ann, CreateAuthorization("late")), SENTENCE),
        "password and code": (lambda: log_in(ctx, throttle, EMAIL, PASSWORD, next(spare)), SENTENCE),
        "password and code, half way": (lambda: whole_way(ctx, cookie, next(spare), None), SENTENCE),
        "passkey": (lambda: signed_in(ctx, site, key), SENTENCE),
        "a new session": (lambda: begin_session(ctx, ann, "Firefox"), SENTENCE),
        "session": (lambda: http.get("/dashboard"), "/login"),
        "consent": (lambda: http.get(tool.url(prompt="consent")), "/login"),
        "client's token": (with_token("/apps", given["access_token"]), SENTENCE),
        "who signs in": (with_token("/oauth/userinfo", given["access_token"]), SENTENCE),
        "client's code": (lambda: tool.redeem(waiting), SENTENCE),
        "client's exchange": (
            lambda: tool.ask_tokens(
                grant_type="urn:ietf:params:oauth:grant-type:token-exchange", subject_token=given["access_token"],
                subject_token_type="urn:ietf:params:oauth:token-type:access_token",
            ),
            SENTENCE,
        ),
        "client's refresh": (lambda: tool.refresh(given["refresh_token"]), SENTENCE),
        "own client for itself": (lambda: robot.ask_tokens(grant_type="client_credentials"), SENTENCE),
        "dashboard": (lambda: sign_on(ctx, visit, "https://broker.example.com"), SENTENCE),
        "link into a dashboard": (lambda: sign_on_by_ticket(ctx, ticket, addon.id, "https://broker.example.com"), SENTENCE),
        "on the way to a dashboard": (lambda: entry_by_hint(ctx, hint, same_browser=True, signed_in=None), SENTENCE),
    }  # fmt: skip
    await lock_account(ctx, olga, ann.email, "taken over")
    assert {name: await outcome(way) for name, (way, _) in ways.items()} == {
        name: said for name, (_, said) in ways.items()
    }
    of_provider = await with_token(f"/addons/{addon.id}", (await tokens_of(ctx, addon.id)).access.reveal())()
    assert of_provider.status_code == 200, "the add-on goes on"
    counted = [(await wire.get("/account", auth=("", mine))).headers["ratelimit-remaining"] for _ in range(2)]
    assert int(counted[0]) - int(counted[1]) == 1, "its own requests, and nobody else's at this network address"
    asked = await tool.http.post("/oauth/introspect", data={"token": given["access_token"]}, auth=tool.basic)  # type: ignore[arg-type]
    assert asked.json() == {"active": False}
    assert await find_session(ctx, Secret(str(http.cookies["__Host-broker-session"]))) is None

    await unlock_account(ctx, olga, ann.email)
    ended = {"session": "/login", "consent": "/login"}
    del ways["own token, partner's registry"]  # which knows no service of Ann's
    assert {name: await outcome(way) for name, (way, _) in ways.items()} == {
        name: ended.get(name, "in") for name in ways
    }
    fetched = await fetch_cli_login(ctx, login.page.reveal(), login.token, timedelta(days=1))
    assert fetched == LoginState.REFUSED


async def test_nobody_but_its_person_learns_that_an_account_is_locked(ctx: Context, ann: Actor, olga: Actor) -> None:
    secret, _ = await turned_on(ctx, ann)
    throttle = LoginThrottle()
    await lock_account(ctx, olga, ann.email, "a chargeback")
    with pytest.raises(Unauthorized, match="Invalid e-mail address or password"):
        await log_in(ctx, throttle, EMAIL, Secret("guessed"))
    for code in (None, Secret("000000")):
        with pytest.raises(TwoFactorRequired):
            await log_in(ctx, throttle, EMAIL, PASSWORD, code)
    told = replace(ctx, rules=replace(ctx.rules, contact="help@example.com"))
    with pytest.raises(AccountLocked, match=r"Ask the operators of this broker: help@example\.com\."):
        await log_in(told, throttle, EMAIL, PASSWORD, now_code(ctx, secret))


async def test_the_page_for_signing_in_says_that_the_account_is_locked(
    app: FastAPI, ctx: Context, ann: Actor, olga: Actor, password: str
) -> None:
    await lock_account(ctx, olga, ann.email, "for <b>fraud</b>")
    async with over_wire(app) as http:
        wrong = await Browser(http).sign_in(password="guessed again")
        right = await Browser(http).sign_in(password=password)
    assert (wrong.status_code, SENTENCE in wrong.text) == (401, False)
    assert (right.status_code, SENTENCE in right.text) == (403, True)
    assert "fraud" not in right.text
    assert "__Host-broker-session" not in right.headers.get("set-cookie", "")
