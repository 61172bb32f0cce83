"""Alice with her browser, a third party with its client, and the wire between them."""

import base64
import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from broker.accounts.models import User
from broker.accounts.passwords import hash_password
from broker.app import create_app
from broker.kernel.context import Actor, Context
from broker.kernel.secret import Secret
from broker.oauth.clients import ClientView, ClientWishes, create_client
from broker.oauth.sessions import begin_session
from tests.domain import new_user
from tests.platform_api.conftest import settings

ISSUER = "https://broker.example.com"
CALLBACK = "https://tool.example.com/callback?via=broker"
EMAIL, PASSWORD = "ann@example.com", "correct horse"


@pytest.fixture
def app(ctx: Context) -> FastAPI:
    return create_app(ctx, settings(public_url=ISSUER))


def over_wire(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ISSUER)


@pytest.fixture
async def wire(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with over_wire(app) as client:
        yield client


@pytest.fixture
async def ann(ctx: Context) -> Actor:
    """The user."""
    return await new_user(ctx, EMAIL)


@pytest.fixture
async def password(ctx: Context, ann: Actor) -> str:
    """The user's, for the tests that need one: hashing takes time."""
    async with ctx.database.transaction() as tx:
        hashed = await hash_password(Secret(PASSWORD))
        await tx.execute(update(User).where(User.id == ann.id).values(password_hash=hashed))
    return PASSWORD


@pytest.fixture
async def maker(ctx: Context) -> Actor:
    """Who registered the client."""
    return await new_user(ctx, "maker@example.com")


def fields_of(page: str) -> dict[str, str]:
    """The hidden fields of a page's form."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {name: unescape(value) for name, value in found}


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


@dataclass
class Browser:
    """What a user's browser does: keeps cookies, sends forms, follows nothing by itself."""

    http: httpx.AsyncClient

    async def sign_in(self, email: str = EMAIL, password: str = PASSWORD, onward: str = "") -> httpx.Response:
        page = await self.http.get("/login", params={"next": onward})
        return await self.http.post("/login", data={**fields_of(page.text), "email": email, "password": password})

    async def decide(self, url: str, **choice: Any) -> httpx.Response:
        """Open the consent page and send its form."""
        page = await self.http.get(url)
        assert page.status_code == 200, (page.status_code, page.headers.get("location"), page.text)
        return await self.http.post(url, data={**fields_of(page.text), "decision": "allow", **choice})


def cookie_of(session: Secret) -> dict[str, str]:
    return {"__Host-broker-session": session.reveal()}


@pytest.fixture
async def browser(app: FastAPI, ctx: Context, ann: Actor) -> AsyncIterator[Browser]:
    """Ann's, signed in."""
    async with over_wire(app) as http:
        http.cookies.update(cookie_of(await begin_session(ctx, ann, "Firefox")))
        yield Browser(http)


@dataclass
class ThirdParty:
    """A program of somebody else's, with its client."""

    http: httpx.AsyncClient
    client: ClientView
    redirect_uri: str = CALLBACK
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @property
    def id(self) -> str:
        return str(self.client.id)

    @property
    def basic(self) -> httpx.BasicAuth | None:
        return httpx.BasicAuth(self.id, self.client.secret.reveal()) if self.client.secret else None

    def url(self, scope: str = "read", **more: str | None) -> str:
        """Where it sends a user. None leaves a parameter out."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        asked: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": self.redirect_uri,
            "scope": scope,
            "state": "st&te",
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            **more,
        }
        return "/oauth/authorize?" + urlencode({name: value for name, value in asked.items() if value is not None})

    async def ask_tokens(self, **params: str | None) -> httpx.Response:
        named = {} if self.basic else {"client_id": self.id}
        sent = {name: value for name, value in {**named, **params}.items() if value is not None}
        return await self.http.post("/oauth/token", data=sent, auth=self.basic or httpx.USE_CLIENT_DEFAULT)

    async def redeem(self, code: str, **more: str | None) -> httpx.Response:
        usual = {"redirect_uri": self.redirect_uri, "code_verifier": self.verifier}
        return await self.ask_tokens(**{"grant_type": "authorization_code", "code": code, **usual, **more})

    async def refresh(self, token: str, **more: str) -> httpx.Response:
        return await self.ask_tokens(grant_type="refresh_token", refresh_token=token, **more)

    async def code(self, browser: Browser, scope: str = "read", **choice: Any) -> str:
        """A code, after the user's consent."""
        back = await browser.decide(self.url(scope, prompt="consent"), **choice)
        assert back.status_code == 303, back.text
        return query_of(back.headers["location"])["code"]

    async def tokens(self, browser: Browser, scope: str = "read", **choice: Any) -> dict[str, Any]:
        """Tokens, after the user's consent."""
        answer = await self.redeem(await self.code(browser, scope, **choice))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def get(self, path: str, token: str) -> httpx.Response:
        return await self.http.get(path, headers={"authorization": f"Bearer {token}"})


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Status and word of a refusal at the token endpoint."""
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, str(answer.json()["error"])


@pytest.fixture
async def tool(ctx: Context, wire: httpx.AsyncClient, maker: Actor) -> ThirdParty:
    """A web application: it has a secret."""
    return ThirdParty(wire, await create_client(ctx, maker, ClientWishes("Tool", [CALLBACK])))


@pytest.fixture
async def native(ctx: Context, wire: httpx.AsyncClient, maker: Actor) -> ThirdParty:
    """A program on the user's machine: it has no secret, and listens on whatever port is free."""
    wishes = ClientWishes("Native", ["http://127.0.0.1/callback"], public=True)
    return ThirdParty(wire, await create_client(ctx, maker, wishes), "http://127.0.0.1:49152/callback")
