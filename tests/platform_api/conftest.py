"""The application on a rolled-back database, and clients of it with real tokens."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from broker.accounts.authorizations import CreateAuthorization, create_authorization
from broker.app import create_app
from broker.kernel.context import Actor, Context, Scope
from broker.settings import Settings

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()


def settings(**values: Any) -> Settings:
    """Settings of a broker that does not wait for operations: there is no worker here."""
    defaults = {"DATABASE_URL": "postgresql://unused", "secret_key": KEY, "operation_wait_s": 0}
    return Settings(**{**defaults, **values})


@pytest.fixture
def app(ctx: Context) -> FastAPI:
    return create_app(ctx, settings())


async def token_of(ctx: Context, actor: Actor, *scopes: Scope) -> str:
    view = await create_authorization(ctx, actor, CreateAuthorization("test", scopes or None))
    assert view.token is not None
    return view.token.reveal()


def client_of(app: FastAPI, token: str | None = None) -> httpx.AsyncClient:
    headers = {"accept": "application/vnd.heroku+json; version=3"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://broker.test", headers=headers, follow_redirects=False
    )


@pytest.fixture
async def token(ctx: Context, alice: Actor) -> str:
    return await token_of(ctx, alice)


@pytest.fixture
async def api(app: FastAPI, token: str) -> AsyncIterator[httpx.AsyncClient]:
    """Alice's client."""
    async with client_of(app, token) as client:
        yield client


@pytest.fixture
async def anonymous(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as client:
        yield client


@pytest.fixture
async def intruder(ctx: Context, app: FastAPI, mallory: Actor) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody else's client."""
    async with client_of(app, await token_of(ctx, mallory)) as client:
        yield client
