"""Dashboards that sign users on by OpenID Connect: the whole way through a browser and a provider, and every way around it."""

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import select, update

from broker.accounts.models import User
from broker.app import create_app
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.events.models import Event
from broker.kernel.context import SYSTEM, Actor, Context
from broker.oauth.sessions import begin_session
from broker.web.sso import sign_on_url
from tests.addons.conftest import MANIFEST, World, make_world
from tests.platform_api.conftest import settings

ISSUER = "http://127.0.0.1:5000"
CALLBACK = "https://store.example.com/callback"
VERIFIER = "a-verifier-that-only-the-provider-knows-0123456789"


@dataclass
class Provider:
    """What a provider's program does: it reads how it was called, and sends the browser to the broker."""

    http: httpx.AsyncClient
    called: dict[str, str]

    def asking(self, **changes: str | None) -> dict[str, str]:
        digest = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
        asked: dict[str, str | None] = {
            "client_id": self.called["client_id"],
            "response_type": "code",
            "scope": "openid email",
            "redirect_uri": CALLBACK,
            "state": "the-state",
            "nonce": "the-nonce",
            "login_hint": self.called["login_hint"],
            "code_challenge": digest,
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in asked.items() if value is not None}

    async def redeem(self, code: str, **changes: str) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "client_id": self.called["client_id"],
            "code_verifier": VERIFIER,
            **changes,
        }
        return await self.http.post("/oauth/token", data=form)

    async def claims(self, id_token: str) -> dict[str, Any]:
        keys = (await self.http.get((await self.metadata())["jwks_uri"])).json()
        return dict(jwt.decode(id_token, KeySet.import_key_set(keys)).claims)

    async def metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.http.get("/.well-known/openid-configuration")).json()
        return found


@pytest_asyncio.fixture
async def world(ctx: Context, alice: Actor) -> World:
    world = await make_world(ctx, alice)
    async with ctx.database.transaction() as tx:
        await tx.execute(update(User).where(User.id == alice.id).values(is_operator=True))
    await republish(world)
    return world


async def republish(world: World, **changes: Any) -> None:
    api: Any = MANIFEST["api"]
    declared = {"sso": "oidc", "sso_redirect_uris": [CALLBACK], "sso_paths": ["/invoices"], **changes}
    await publish(world.ctx, parse({**MANIFEST, "api": {**api, **declared}}), SYSTEM)


def new_browser(ctx: Context) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(ctx, settings()))
    return httpx.AsyncClient(transport=transport, base_url=ISSUER, follow_redirects=False)


@pytest_asyncio.fixture
async def browser(ctx: Context) -> AsyncIterator[httpx.AsyncClient]:
    async with new_browser(ctx) as client:
        yield client


@pytest_asyncio.fixture
async def elsewhere(ctx: Context) -> AsyncIterator[httpx.AsyncClient]:
    """Another browser, and the provider's own connection."""
    async with new_browser(ctx) as client:
        yield client


async def opened(world: World, browser: httpx.AsyncClient, addon_id: UUID, path: str = "") -> dict[str, str]:
    """What the provider is called with when the user opens the dashboard."""
    app_id = (await world.read(addon_id)).app_id
    link = urlsplit(sign_on_url(world.ctx, ISSUER, world.user, addon_id, app_id, 300, path))
    answer = await browser.get(f"{link.path}?{link.query}")
    assert answer.status_code == 303, answer.text
    goal = urlsplit(answer.headers["location"])
    assert f"{goal.scheme}://{goal.netloc}{goal.path}" == "https://store.example.com/sso"
    return {name: values[0] for name, values in parse_qs(goal.query).items()}


async def ask(browser: httpx.AsyncClient, asked: dict[str, str]) -> tuple[int, dict[str, str]]:
    """The authorization request: its status, and what the browser carries back to the provider."""
    answer = await browser.get("/oauth/authorize", params=asked)
    goal = urlsplit(answer.headers.get("location", ""))
    if answer.status_code == 303 and goal.path != "/login":
        assert f"{goal.scheme}://{goal.netloc}{goal.path}" == CALLBACK
    return answer.status_code, {name: values[0] for name, values in parse_qs(goal.query).items()} | {"to": goal.path}


async def test_the_provider_learns_who_came_to_which_add_on_without_any_form_or_question(
    world: World, browser: httpx.AsyncClient, elsewhere: httpx.AsyncClient
) -> None:
    addon = await world.provisioned(name="my-store")
    called = await opened(world, browser, addon.id, "/invoices/7")
    assert (called["iss"], called["target_link_uri"]) == (ISSUER, "https://store.example.com/invoices/7")
    provider = Provider(elsewhere, called)
    status, back = await ask(browser, provider.asking())
    assert (status, back["state"], back["iss"]) == (303, "the-state", ISSUER)
    answer = await provider.redeem(back["code"])
    assert answer.status_code == 200, answer.text
    claims = await provider.claims(answer.json()["id_token"])
    expected = {
        "iss": ISSUER, "aud": called["client_id"], "nonce": "the-nonce",
        "sub": str(world.user.id), "email": "alice@example.com",
        "addon": str(addon.id), "addon_name": "my-store", "app": "shop", "context_app": "shop",
        "role": "owner", "access": "billing",
    }  # fmt: skip
    assert {name: claims.get(name) for name in expected} == expected
    assert "refresh_token" not in answer.json()
    token = {"authorization": f"Bearer {answer.json()['access_token']}"}
    for path in ("/addons", "/apps", f"/addons/{addon.id}", "/apps/shop/config-vars"):
        assert (await elsewhere.get(path, headers=token)).status_code in (403, 404)
    assert (await provider.redeem(back["code"])).status_code == 400
    async with world.ctx.database.transaction() as tx:
        kinds = (await tx.execute(select(Event.kind).where(Event.addon_id == addon.id))).scalars().all()
    assert "addon.opened" in kinds


async def test_a_hint_is_worth_nothing_in_another_browser(
    world: World, browser: httpx.AsyncClient, elsewhere: httpx.AsyncClient, mallory: Actor
) -> None:
    addon = await world.provisioned()
    provider = Provider(elsewhere, await opened(world, browser, addon.id))
    assert (await ask(elsewhere, provider.asking()))[1]["to"] == "/login"
    assert (await ask(elsewhere, provider.asking(prompt="none")))[1]["error"] == "login_required"
    elsewhere.cookies.set("broker-session", (await begin_session(world.ctx, mallory, "theirs")).reveal())
    assert (await ask(elsewhere, provider.asking()))[1]["error"] == "login_required"


async def test_the_user_gets_in_from_another_browser_by_signing_in_there(
    world: World, browser: httpx.AsyncClient, elsewhere: httpx.AsyncClient
) -> None:
    addon = await world.provisioned()
    provider = Provider(elsewhere, await opened(world, browser, addon.id))
    elsewhere.cookies.set("broker-session", (await begin_session(world.ctx, world.user, "mine")).reveal())
    assert "code" in (await ask(elsewhere, provider.asking()))[1]


@pytest.mark.parametrize(
    "scope",
    ["openid read", "openid global", "read-protected", "identity", "openid offline_access", "openid app:{app}", None],
)
async def test_a_dashboard_gets_at_nothing_of_the_users(
    world: World, browser: httpx.AsyncClient, scope: str | None
) -> None:
    addon = await world.provisioned()
    provider = Provider(browser, await opened(world, browser, addon.id))
    wanted = scope and scope.format(app=addon.app_id)
    _, back = await ask(browser, provider.asking(scope=wanted))
    assert back["error"] == "invalid_scope"
    assert "code" not in back


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": f"{CALLBACK}/x"},
        {"client_id": str(UUID(int=7))},
    ],
)
async def test_nobody_is_sent_anywhere_but_to_the_provider(
    world: World, browser: httpx.AsyncClient, changes: dict[str, str]
) -> None:
    addon = await world.provisioned()
    provider = Provider(browser, await opened(world, browser, addon.id))
    answer = await browser.get("/oauth/authorize", params=provider.asking(**changes))
    assert (answer.status_code, "location" in answer.headers) == (400, False)


async def test_without_proof_of_the_code_there_is_no_token(world: World, browser: httpx.AsyncClient) -> None:
    addon = await world.provisioned()
    provider = Provider(browser, await opened(world, browser, addon.id))
    assert (await ask(browser, provider.asking(code_challenge=None)))[1]["error"] == "invalid_request"
    _, back = await ask(browser, provider.asking())
    assert (await provider.redeem(back["code"], code_verifier="x" * 43)).status_code == 400


async def test_a_hint_ends_with_its_time_with_the_access_and_with_the_way_of_signing_on(
    world: World, browser: httpx.AsyncClient, mallory: Actor
) -> None:
    addon = await world.provisioned()
    provider = Provider(browser, await opened(world, browser, addon.id))
    browser.cookies.set("broker-session", (await begin_session(world.ctx, world.user, "mine")).reveal())
    await republish(world, sso="form")
    assert (await ask(browser, provider.asking()))[1]["error"] == "login_required"
    await republish(world)
    assert "code" in (await ask(browser, provider.asking()))[1]
    world.ctx.clock.advance(seconds=301)
    assert (await ask(browser, provider.asking()))[1]["error"] == "login_required"


async def test_a_hint_is_no_ticket_and_a_ticket_no_hint(world: World, browser: httpx.AsyncClient) -> None:
    addon = await world.provisioned()
    called = await opened(world, browser, addon.id)
    assert (await browser.get(f"/sso/addons/{addon.id}", params={"ticket": called["login_hint"]})).status_code == 403
    ticket = parse_qs(urlsplit(sign_on_url(world.ctx, ISSUER, world.user, addon.id, addon.app_id, 300)).query)[
        "ticket"
    ][0]
    browser.cookies.set("broker-entering", ticket)
    _, back = await ask(browser, Provider(browser, called).asking(login_hint=ticket))
    assert back["to"] == "/login"


async def test_the_client_follows_the_manifest_and_is_nobodys_to_change(
    world: World, browser: httpx.AsyncClient
) -> None:
    addon = await world.provisioned()
    await opened(world, browser, addon.id)
    await republish(world, sso_redirect_uris=["https://store.example.com/other"])
    provider = Provider(browser, await opened(world, browser, addon.id))
    assert (await browser.get("/oauth/authorize", params=provider.asking())).status_code == 400
    answer = await browser.get(
        "/oauth/authorize", params=provider.asking(redirect_uri="https://store.example.com/other")
    )
    assert answer.headers["location"].startswith("https://store.example.com/other?code=")
