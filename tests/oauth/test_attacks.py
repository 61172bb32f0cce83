"""Everything that somebody may try at the authorization server, and is refused."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from broker.accounts.authenticate import authenticate
from broker.accounts.authorizations import CreateAuthorization, create_authorization
from broker.accounts.change import change_password
from broker.accounts.models import User
from broker.app import create_app as create_application
from broker.apps.create import CreateApp, create_app
from broker.events.models import Event
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Forbidden, NotFound, Unauthorized
from broker.kernel.secret import Secret
from broker.oauth.clients import ClientWishes, change_client, create_client, destroy_client
from broker.oauth.grants import ACCESS_TYPE, EXCHANGE
from broker.oauth.sessions import begin_session
from tests.domain import StoppedClock, new_user
from tests.oauth.conftest import CALLBACK, EMAIL, ISSUER, Browser, ThirdParty, cookie_of, over_wire, query_of, refused
from tests.platform_api.conftest import settings


@pytest.fixture
async def evil(ctx: Context, wire: httpx.AsyncClient) -> ThirdParty:
    """Another client, of somebody else."""
    owner = await new_user(ctx, "evil@example.com")
    view = await create_client(ctx, owner, ClientWishes("Evil", ["https://evil.example.com/callback"]))
    return ThirdParty(wire, view, "https://evil.example.com/callback")


async def events(ctx: Context, kind: str) -> list[dict[str, Any]]:
    async with ctx.database.transaction() as tx:
        return list((await tx.execute(select(Event.data).where(Event.kind == kind))).scalars())


# Codes


async def test_a_code_that_comes_twice_takes_back_what_was_given_for_it(
    tool: ThirdParty, browser: Browser, ctx: Context
) -> None:
    code = await tool.code(browser)
    given = (await tool.redeem(code)).json()
    assert refused(await tool.redeem(code)) == (400, "invalid_grant")
    assert (await tool.get("/account", given["access_token"])).status_code == 401
    assert refused(await tool.refresh(given["refresh_token"])) == (400, "invalid_grant")
    assert [data["reason"] for data in await events(ctx, "authorization.revoked")] == ["code_reused"]


async def test_a_code_lasts_a_minute(tool: ThirdParty, browser: Browser, clock: StoppedClock) -> None:
    code = await tool.code(browser)
    clock.advance(minutes=1)
    assert refused(await tool.redeem(code)) == (400, "invalid_grant")


async def test_a_new_password_voids_what_was_not_fetched(
    tool: ThirdParty, browser: Browser, ctx: Context, ann: Actor
) -> None:
    code, fetched = await tool.code(browser), await tool.tokens(browser)
    await change_password(ctx, ann, Secret("several words make a good one"), revoke_tokens=False)
    assert refused(await tool.redeem(code)) == (400, "invalid_grant")
    assert (await tool.get("/account", fetched["access_token"])).status_code == 200, (
        "tokens stay, unless they are to go"
    )


async def test_a_code_of_another_client_is_worth_nothing_and_stays_good(
    tool: ThirdParty, evil: ThirdParty, browser: Browser
) -> None:
    code = await tool.code(browser)
    stolen = await evil.redeem(code, redirect_uri=tool.redirect_uri, code_verifier=tool.verifier)
    assert refused(stolen) == (400, "invalid_grant")
    assert (await tool.redeem(code)).status_code == 200


async def test_a_code_goes_with_the_address_that_it_was_sent_to(ctx: Context, maker: Actor, tool: ThirdParty, browser: Browser) -> None:  # fmt: skip
    other = "https://tool.example.com/other"
    await change_client(ctx, maker, tool.id, ClientWishes(redirect_uris=[CALLBACK, other]))
    code = await tool.code(browser)
    for wrong in (other, None):
        assert refused(await tool.redeem(code, redirect_uri=wrong)) == (400, "invalid_grant")


# Proof


async def test_without_the_verifier_or_with_another_a_code_is_worth_nothing(
    tool: ThirdParty, native: ThirdParty, browser: Browser
) -> None:
    for party in (tool, native):
        code = await party.code(browser)
        assert refused(await party.redeem(code, code_verifier=None)) == (400, "invalid_request")
        assert refused(await party.redeem(code, code_verifier="a" * 43)) == (400, "invalid_grant")
        assert refused(await party.redeem(code, code_verifier="short")) == (400, "invalid_request")


async def test_a_request_without_a_challenge_is_refused(tool: ThirdParty, native: ThirdParty, browser: Browser) -> None:
    for party in (tool, native):
        back = await browser.http.get(party.url(code_challenge=None, code_challenge_method=None))
        assert query_of(back.headers["location"])["error"] == "invalid_request"


async def test_a_weaker_challenge_is_refused(native: ThirdParty, browser: Browser) -> None:
    for method in ("plain", None, "S512", "s256"):
        back = await browser.http.get(native.url(code_challenge="a" * 43, code_challenge_method=method))
        assert query_of(back.headers["location"])["error"] == "invalid_request", method


async def test_a_verifier_without_a_challenge_shows_a_downgrade(
    ctx: Context, maker: Actor, tool: ThirdParty, browser: Browser
) -> None:
    await change_client(ctx, maker, tool.id, ClientWishes(requires_pkce=False))
    back = await browser.decide(tool.url(code_challenge=None, code_challenge_method=None))
    code = query_of(back.headers["location"])["code"]
    assert refused(await tool.redeem(code)) == (400, "invalid_request")
    assert (await tool.redeem(code, code_verifier=None)).status_code == 200, "an older program, with its secret"


async def test_the_challenge_itself_is_no_verifier(native: ThirdParty, browser: Browser) -> None:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(native.verifier.encode()).digest()).decode().rstrip("=")
    code = await native.code(browser)
    assert refused(await native.redeem(code, code_verifier=challenge)) == (400, "invalid_grant")


# Clients


async def test_a_client_proves_itself_or_gets_nothing(tool: ThirdParty, browser: Browser) -> None:
    code = await tool.code(browser)
    asked = {"grant_type": "authorization_code", "code": code, "code_verifier": tool.verifier}
    asked["redirect_uri"] = tool.redirect_uri
    for attempt in ({"client_id": tool.id}, {"client_id": tool.id, "client_secret": "HRKU-S-wrong"}):
        answer = await tool.http.post("/oauth/token", data={**asked, **attempt})
        assert refused(answer) == (401, "invalid_client")
    answer = await tool.http.post("/oauth/token", data=asked, auth=(tool.id, "HRKU-S-wrong"))
    assert refused(answer) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert (await tool.redeem(code)).status_code == 200


async def test_a_secret_in_an_address_is_refused(tool: ThirdParty) -> None:
    assert tool.client.secret is not None
    url = f"/oauth/token?grant_type=client_credentials&client_id={tool.id}&client_secret={tool.client.secret.reveal()}"
    assert refused(await tool.http.post(url)) == (400, "invalid_request")
    for path in ("revoke", "introspect"):
        answer = await tool.http.post(f"/oauth/{path}?token=HRKU-T-secret", auth=tool.basic or ())
        assert refused(answer) == (400, "invalid_request")


async def test_a_client_that_is_gone_has_nothing_left(
    ctx: Context, maker: Actor, tool: ThirdParty, browser: Browser
) -> None:
    given = await tool.tokens(browser)
    await destroy_client(ctx, maker, tool.id)
    assert (await tool.get("/account", given["access_token"])).status_code == 401
    assert refused(await tool.refresh(given["refresh_token"])) == (401, "invalid_client")
    assert (await browser.http.get(tool.url())).status_code == 400


async def test_clients_belong_to_those_who_made_them(ctx: Context, tool: ThirdParty, ann: Actor) -> None:
    with pytest.raises(NotFound):
        await change_client(ctx, ann, tool.id, ClientWishes(name="Mine"))
    with pytest.raises(NotFound):
        await destroy_client(ctx, ann, tool.id)


# Refresh


async def test_a_refresh_token_that_comes_again_ends_everything(
    tool: ThirdParty, browser: Browser, clock: StoppedClock, ctx: Context
) -> None:
    stolen = (await tool.tokens(browser))["refresh_token"]
    kept = (await tool.refresh(stolen)).json()
    clock.advance(minutes=1)
    assert refused(await tool.refresh(stolen)) == (400, "invalid_grant")
    assert (await tool.get("/account", kept["access_token"])).status_code == 401
    assert refused(await tool.refresh(kept["refresh_token"])) == (400, "invalid_grant")
    assert [data["reason"] for data in await events(ctx, "authorization.revoked")] == ["refresh_token_reused"]


async def test_within_the_grace_a_thief_is_found_out_as_soon_as_the_other_refreshes(
    tool: ThirdParty, browser: Browser, clock: StoppedClock
) -> None:
    first = (await tool.tokens(browser))["refresh_token"]
    honest = (await tool.refresh(first)).json()["refresh_token"]
    stolen = (await tool.refresh(first)).json()
    clock.advance(seconds=5)
    assert refused(await tool.refresh(honest)) == (400, "invalid_grant")
    assert (await tool.get("/account", stolen["access_token"])).status_code == 401


async def test_a_successor_that_was_used_ends_the_grace(tool: ThirdParty, browser: Browser) -> None:
    first = (await tool.tokens(browser))["refresh_token"]
    second = (await tool.refresh(first)).json()["refresh_token"]
    await tool.refresh(second)
    assert refused(await tool.refresh(first)) == (400, "invalid_grant")


async def test_a_refresh_token_of_another_client_is_worth_nothing_and_stays_good(
    tool: ThirdParty, evil: ThirdParty, browser: Browser
) -> None:
    given = await tool.tokens(browser)
    assert refused(await evil.refresh(given["refresh_token"])) == (400, "invalid_grant")
    assert (await tool.refresh(given["refresh_token"])).status_code == 200


async def test_a_refresh_never_widens(tool: ThirdParty, browser: Browser) -> None:
    given = await tool.tokens(browser, "read")
    for scope in ("write", "global", "read-protected", "read openid", "read offline_access"):
        assert refused(await tool.refresh(given["refresh_token"], scope=scope)) == (400, "invalid_scope"), scope
    assert (await tool.get("/account", given["access_token"])).status_code == 200


# Exchange


async def test_an_exchange_never_widens(
    tool: ThirdParty, evil: ThirdParty, browser: Browser, ctx: Context, ann: Actor
) -> None:
    shop, blog = [await create_app(ctx, ann, CreateApp(name)) for name in ("shop", "blog")]
    given = await tool.tokens(browser, f"read app:{shop.id}")
    asked = {"grant_type": EXCHANGE, "subject_token": given["access_token"], "subject_token_type": ACCESS_TYPE}
    for wider in ("write", f"read app:{blog.id}", f"read app:{shop.id} app:{blog.id}", "global", "openid"):
        assert refused(await tool.ask_tokens(**asked, scope=wider)) == (400, "invalid_scope")
    same = (await tool.ask_tokens(**asked, scope="read")).json()
    assert same["scope"] == f"read app:{shop.id}", "what names no app stays on those that there are"
    assert refused(await evil.ask_tokens(**asked)) == (400, "invalid_request")
    assert refused(await tool.ask_tokens(**asked, resource="https://x.example")) == (400, "invalid_request")
    assert refused(await tool.ask_tokens(**{**asked, "subject_token": "HRKU-anns-own"})) == (400, "invalid_request")
    refresh = {**asked, "subject_token": given["refresh_token"]}
    assert refused(await tool.ask_tokens(**refresh)) == (400, "invalid_request")


async def test_an_exchanged_token_does_not_outlive_its_origin(
    tool: ThirdParty, browser: Browser, clock: StoppedClock
) -> None:
    given = await tool.tokens(browser)
    asked = {"grant_type": EXCHANGE, "subject_token_type": ACCESS_TYPE}
    clock.advance(hours=7, minutes=30)
    less = (await tool.ask_tokens(**asked, subject_token=given["access_token"])).json()
    assert less["expires_in"] == 1800
    again = (await tool.ask_tokens(**asked, subject_token=less["access_token"])).json()
    clock.advance(minutes=31)
    assert refused(await tool.ask_tokens(**asked, subject_token=given["access_token"])) == (400, "invalid_request")
    assert (await tool.get("/account", again["access_token"])).status_code == 401


# Reach


async def test_a_program_with_every_scope_gives_nobody_further_access(
    tool: ThirdParty, browser: Browser, ctx: Context, ann: Actor
) -> None:
    mine = await create_authorization(ctx, ann, CreateAuthorization("mine"))
    async with ctx.database.transaction() as tx:
        await tx.execute(update(User).where(User.id == ann.id).values(is_operator=True))
    await create_app(ctx, ann, CreateApp("shop"))
    given = await tool.tokens(browser, "global")
    bearer = {"authorization": f"Bearer {given['access_token']}"}
    shared = await tool.http.post("/apps/shop/collaborators", headers=bearer, json={"user": "evil@example.com"})
    assert shared.status_code == 403
    assert (await tool.http.post("/oauth/authorizations", headers=bearer)).status_code == 403
    renewed = await tool.http.post(f"/oauth/authorizations/{mine.id}/actions/regenerate-tokens", headers=bearer)
    assert renewed.status_code == 403
    actor = await authenticate(ctx, Secret(given["access_token"]))
    with pytest.raises(Forbidden):
        await create_client(ctx, actor, ClientWishes("More", [CALLBACK]))
    assert not actor.is_operator


async def test_a_token_for_one_app_reaches_no_other_and_not_the_account(
    tool: ThirdParty, browser: Browser, ctx: Context, ann: Actor
) -> None:
    shop, blog = [await create_app(ctx, ann, CreateApp(name)) for name in ("shop", "blog")]
    token = (await tool.tokens(browser, f"write-protected identity app:{shop.id}"))["access_token"]
    bearer = {"authorization": f"Bearer {token}"}
    assert [app["name"] for app in (await tool.get("/apps", token)).json()] == ["shop"]
    for path in ("", "/config-vars", "/releases", "/addons", "/addon-attachments", "/collaborators"):
        assert (await tool.get(f"/apps/shop{path}", token)).status_code == 200, path
        for other in ("blog", str(blog.id)):
            assert (await tool.get(f"/apps/{other}{path}", token)).status_code == 404, path
    for method, path in (("PATCH", "/apps/blog"), ("DELETE", "/apps/blog"), ("PATCH", "/apps/blog/config-vars")):
        assert (await tool.http.request(method, path, headers=bearer, json={})).status_code == 404
    for method, path in (("POST", "/apps"), ("GET", "/oauth/authorizations"), ("GET", "/oauth/clients")):
        assert (await tool.http.request(method, path, headers=bearer)).status_code == 403


async def test_what_is_no_access_token_opens_nothing(tool: ThirdParty, browser: Browser, ctx: Context) -> None:
    code = await tool.code(browser)
    given = (await tool.redeem(code)).json()
    assert tool.client.secret is not None
    for wrong in (code, given["refresh_token"], tool.client.secret.reveal(), "HRKU-T-" + "a" * 43):
        with pytest.raises(Unauthorized):
            await authenticate(ctx, Secret(wrong))


async def test_a_program_learns_nothing_of_foreign_tokens_and_ends_none(
    tool: ThirdParty, evil: ThirdParty, browser: Browser
) -> None:
    given = await tool.tokens(browser)
    for token in (given["access_token"], given["refresh_token"], "nonsense"):
        told = await evil.http.post("/oauth/introspect", data={"token": token}, auth=evil.basic or ())
        assert told.json() == {"active": False}
        done = await evil.http.post("/oauth/revoke", data={"token": token}, auth=evil.basic or ())
        assert (done.status_code, done.json()) == (200, {})
    assert (await tool.get("/account", given["access_token"])).status_code == 200
    nobody = await tool.http.post("/oauth/introspect", data={"token": given["access_token"]})
    assert refused(nobody) == (401, "invalid_client")


async def test_app_that_was_not_asked_for_cannot_be_slipped_in(
    tool: ThirdParty, browser: Browser, ctx: Context, ann: Actor
) -> None:
    shop, blog = [await create_app(ctx, ann, CreateApp(name)) for name in ("shop", "blog")]
    url = tool.url(f"read app:{shop.id}")
    both = await browser.decide(url, apps="chosen", app=[str(blog.id)])
    assert "code" not in query_of(both.headers.get("location", ""))
    given = await tool.redeem(
        query_of((await browser.decide(url, apps="chosen", app=[str(shop.id), str(blog.id)])).headers["location"])[
            "code"
        ]
    )
    assert given.json()["scope"] == f"read app:{shop.id}"


# At the same time


@pytest.fixture
async def live(live_ctx: Context) -> AsyncIterator[tuple[ThirdParty, Browser]]:
    """The same with several connections."""
    user = await new_user(live_ctx, EMAIL)
    maker = await new_user(live_ctx, "maker@example.com")
    view = await create_client(live_ctx, maker, ClientWishes("Tool", [CALLBACK]))
    app: FastAPI = create_application(live_ctx, settings(public_url=ISSUER))
    async with over_wire(app) as http, over_wire(app) as wire:
        http.cookies.update(cookie_of(await begin_session(live_ctx, user, "Firefox")))
        yield ThirdParty(wire, view), Browser(http)


async def test_a_code_that_comes_five_times_at_once_is_good_for_nobody(live: tuple[ThirdParty, Browser]) -> None:
    tool, browser = live
    code = await tool.code(browser)
    answers = await asyncio.gather(*(tool.redeem(code) for _ in range(5)))
    given = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(given) == 1
    assert (await tool.get("/account", given[0]["access_token"])).status_code == 401


async def test_of_refreshes_at_once_one_pair_is_good(live: tuple[ThirdParty, Browser]) -> None:
    tool, browser = live
    token = (await tool.tokens(browser))["refresh_token"]
    answers = await asyncio.gather(*(tool.refresh(token) for _ in range(3)))
    given = [answer.json() for answer in answers]
    good = [item for item in given if (await tool.get("/account", item["access_token"])).status_code == 200]
    assert len(good) == 1
