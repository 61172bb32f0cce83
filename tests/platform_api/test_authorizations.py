"""Signing in over HTTP: Bearer, Basic, e-mail and password, tokens made, shown, renewed, revoked."""

import base64

import httpx
import pytest
from fastapi import FastAPI

from broker.accounts.seed import ensure_account
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.secret import Secret
from tests.domain import StoppedClock
from tests.platform_api.conftest import client_of, token_of


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
async def bob(ctx: Context) -> None:
    await ensure_account(ctx, "bob@example.com", Secret("pass:word"), Secret("HRKU-seed"))


@pytest.mark.parametrize("user", ["", "anything", "alice@example.com"])
async def test_a_token_is_accepted_as_the_password_of_any_user(
    anonymous: httpx.AsyncClient, token: str, user: str
) -> None:
    answer = await anonymous.get("/account", headers=basic(user, token))
    assert (answer.status_code, answer.json()["email"]) == (200, "alice@example.com")


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer wrong", "Basic", "Basic !!!", "Basic YQ==", "Digest x", "Bearer \u00ff"],
)
async def test_without_a_valid_token_nothing_is_answered(anonymous: httpx.AsyncClient, header: str) -> None:
    for path in ("/account", "/apps", "/apps/x", "/addon-services", "/regions", "/account/rate-limits"):
        refused = await anonymous.get(path, headers={"authorization": header.encode("latin-1")} if header else {})
        assert (refused.status_code, refused.json()["id"]) == (401, "unauthorized")
        assert "www-authenticate" in refused.headers


@pytest.mark.usefixtures("bob")
async def test_a_login_makes_a_token_that_works(anonymous: httpx.AsyncClient, app: FastAPI) -> None:
    body = {"description": "Heroku CLI login from laptop", "expires_in": 2592000, "scope": ["global"]}
    made = await anonymous.post("/oauth/authorizations", json=body, headers=basic("Bob@Example.com", "pass:word"))
    assert made.status_code == 201
    assert made.json()["user"]["email"] == "bob@example.com"
    assert made.json()["access_token"]["expires_in"] == 2592000
    async with client_of(app, made.json()["access_token"]["token"]) as client:
        assert (await client.get("/account")).json()["email"] == "bob@example.com"


@pytest.mark.usefixtures("bob")
async def test_a_password_opens_nothing_but_the_making_of_tokens(anonymous: httpx.AsyncClient) -> None:
    headers = basic("bob@example.com", "pass:word")
    assert (await anonymous.get("/account", headers=headers)).status_code == 401
    assert (await anonymous.get("/oauth/authorizations", headers=headers)).status_code == 401


@pytest.mark.usefixtures("bob")
async def test_guessing_passwords_is_stopped(anonymous: httpx.AsyncClient) -> None:
    statuses = [
        (await anonymous.post("/oauth/authorizations", headers=basic("bob@example.com", "no"))).status_code
        for _ in range(11)
    ]
    assert statuses == [401] * 10 + [429]


async def test_tokens_are_listed_with_hints_described_renewed_and_revoked(
    api: httpx.AsyncClient, app: FastAPI, token: str
) -> None:
    made = (
        await api.post("/oauth/authorizations", json={"description": "ci", "expires_in": "3600", "scope": ["read"]})
    ).json()
    assert (made["scope"], made["access_token"]["expires_in"]) == (["read"], 3600)
    listed = (await api.get("/oauth/authorizations")).json()
    assert [item["description"] for item in listed] == ["test", "ci"]
    assert listed[0]["access_token"]["token"] == token[:8] + "**********" + token[-4:]
    path = f"/oauth/authorizations/{made['id']}"
    assert (await api.patch(path, json={"description": "cd", "client": {}})).json()["description"] == "cd"
    renewed = (await api.post(f"{path}/actions/regenerate-tokens")).json()
    async with (
        client_of(app, made["access_token"]["token"]) as old,
        client_of(app, renewed["access_token"]["token"]) as new,
    ):
        assert (await old.get("/account")).status_code == 401
        assert (await new.get("/account")).status_code == 200
        assert (await new.post("/apps")).status_code == 403
        assert (await new.get("/apps")).json() == []
    assert (await api.delete(path)).json()["description"] == "cd"
    assert (await api.post("/oauth/authorizations")).json()["description"] == "API token"
    assert (await api.get(path)).json()["resource"] == "authorization"


async def test_logging_out_goes_the_way_of_the_heroku_cli(api: httpx.AsyncClient) -> None:
    session = await api.delete("/oauth/sessions/~")
    assert (session.status_code, session.json()["id"], session.json()["resource"]) == (404, "not_found", "session")
    default = await api.get("/oauth/authorizations/~")
    assert (default.status_code, default.json()["resource"]) == (404, "authorization"), "else it keeps its token"
    token = api.headers["authorization"].removeprefix("Bearer ")
    shown = [
        (item["id"], *item["access_token"]["token"].split("*" * 10))
        for item in (await api.get("/oauth/authorizations")).json()
    ]
    [own] = [id for id, prefix, suffix in shown if token.startswith(prefix) and token.endswith(suffix)]
    assert (await api.delete(f"/oauth/authorizations/{own}")).status_code == 200
    assert (await api.get("/account")).status_code == 401


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"expires_in": "soon"}, "expires_in: must be a whole number."),
        ({"expires_in": 0}, "expires_in: "),
        ({"expires_in": 10**30}, "expires_in: "),
        ({"scope": ["all"]}, "scope: must be a list of "),
        ({"scope": 7}, "scope: must be a list."),
        ({"description": 7}, "description: must be a string."),
        ({"description": "a\0"}, "description: must not contain a NUL character."),
        ({"description": "x" * 300}, "description: "),
    ],
)
async def test_an_impossible_token_is_refused_in_one_sentence(
    api: httpx.AsyncClient, body: dict[str, object], message: str
) -> None:
    refused = await api.post("/oauth/authorizations", json=body)
    assert (refused.status_code, refused.json()["id"]) == (422, "invalid_params")
    assert refused.json()["message"].startswith(message)


async def test_an_expired_token_is_refused(
    ctx: Context, api: httpx.AsyncClient, app: FastAPI, clock: StoppedClock
) -> None:
    made = (await api.post("/oauth/authorizations", json={"expires_in": 60})).json()
    clock.advance(minutes=1)
    async with client_of(app, made["access_token"]["token"]) as client:
        assert (await client.get("/account")).status_code == 401


async def test_a_token_reaches_as_far_as_its_scopes(
    ctx: Context, app: FastAPI, alice: Actor, api: httpx.AsyncClient
) -> None:
    await api.post("/apps", json={"name": "demo"})
    expected = {Scope.IDENTITY: (200, 403, 403), Scope.READ: (200, 200, 403), Scope.READ_PROTECTED: (200, 200, 200)}
    for scope, statuses in expected.items():
        async with client_of(app, await token_of(ctx, alice, scope)) as client:
            paths = ("/account", "/apps/demo", "/apps/demo/config-vars")
            assert tuple([(await client.get(path)).status_code for path in paths]) == statuses
            assert (await client.patch("/apps/demo/config-vars", json={"A": "1"})).status_code == 403
