"""The token endpoint as providers use it: no client_id, no redirect_uri, a form or a query."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from broker.app import create_app
from broker.kernel.context import Actor, Context
from broker.kernel.errors import BrokerError
from broker.oauth_api.errors import word_of
from tests.addons.conftest import World, make_world
from tests.addons.test_grants import CLIENT_SECRET, give_client_secret, new_code
from tests.platform_api.conftest import settings

SECRET = CLIENT_SECRET.reveal()
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def app(ctx: Context) -> FastAPI:
    return create_app(ctx, settings())


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://broker.test") as client:
        yield client


@pytest.fixture
async def world(ctx: Context, alice: Actor) -> World:
    return await make_world(ctx, alice)


@pytest.fixture
async def addon_id(world: World) -> UUID:
    await give_client_secret(world.ctx)
    return (await world.provisioned()).id


async def asked_for(world: World, addon_id: UUID) -> dict[str, str]:
    code = (await new_code(world.ctx, addon_id)).reveal()
    return {"grant_type": "authorization_code", "code": code, "client_secret": SECRET}


def check_tokens(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert set(body) == {"access_token", "refresh_token", "token_type", "expires_in", "user_id", "session_nonce"}
    assert (body["token_type"], body["expires_in"], body["session_nonce"]) == ("Bearer", 28799, None)
    return dict(body)


async def test_a_form_is_understood(http: httpx.AsyncClient, world: World, addon_id: UUID) -> None:
    check_tokens(await http.post("/oauth/token", data=await asked_for(world, addon_id)))


@pytest.mark.parametrize("headers", [{}, FORM, {"content-type": "application/json"}, {"content-type": "text/html"}])
async def test_a_query_with_an_empty_body_is_understood_whatever_its_type(
    http: httpx.AsyncClient, world: World, addon_id: UUID, headers: dict[str, str]
) -> None:
    check_tokens(await http.post("/oauth/token", params=await asked_for(world, addon_id), headers=headers))


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
async def test_a_form_under_another_name_is_understood(
    http: httpx.AsyncClient, world: World, addon_id: UUID, content_type: str
) -> None:
    form = str(httpx.QueryParams(await asked_for(world, addon_id)))
    check_tokens(await http.post("/oauth/token", content=form, headers={"content-type": content_type}))


async def test_json_is_understood(http: httpx.AsyncClient, world: World, addon_id: UUID) -> None:
    check_tokens(await http.post("/oauth/token", json=await asked_for(world, addon_id) | {"redirect_uri": None}))


async def test_a_refresh_keeps_the_refresh_token(http: httpx.AsyncClient, world: World, addon_id: UUID) -> None:
    first = check_tokens(await http.post("/oauth/token", data=await asked_for(world, addon_id)))
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], "client_secret": SECRET}
    second = check_tokens(await http.post("/oauth/token", params=refresh))
    third = check_tokens(await http.post("/oauth/token", data=refresh))
    assert first["refresh_token"] == second["refresh_token"] == third["refresh_token"]
    assert len({first["access_token"], second["access_token"], third["access_token"]}) == 3


async def test_an_old_token_in_the_header_does_not_stand_in_the_way(
    http: httpx.AsyncClient, world: World, addon_id: UUID
) -> None:
    headers = {"authorization": "Bearer HRKU-P-of-yesterday"}
    check_tokens(await http.post("/oauth/token", data=await asked_for(world, addon_id), headers=headers))


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"code": "unknown"}, 400, "invalid_grant"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": ""}, 400, "invalid_request"),
        ({"code": ""}, 400, "invalid_request"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, 400, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_grant"),
    ],
)
async def test_refusals_are_worded_as_the_specification_has_them(
    http: httpx.AsyncClient, world: World, addon_id: UUID, changes: dict[str, str], status: int, error: str
) -> None:
    answer = await http.post("/oauth/token", data=await asked_for(world, addon_id) | changes)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert set(answer.json()) == {"error", "error_description"}
    assert SECRET not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "body",
    [b"code=1&code=2", b"\xff\xfe", b"code=%ff", b"&".join([b"a=1"] * 99), b"{", b'{"code": 1}', b'{"code": ["1"]}'],
)
async def test_what_is_no_form_is_refused(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post("/oauth/token", content=body, headers=FORM)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_every_refusal_has_a_word() -> None:
    def all_of(kind: type[BrokerError]) -> list[type[BrokerError]]:
        return [kind, *(found for sub in kind.__subclasses__() for found in all_of(sub))]

    words = {kind.__name__: word_of(kind) for kind in all_of(BrokerError)}
    assert words["InvalidClient"] == "invalid_client"
    assert words["DatabaseUnavailable"] == "temporarily_unavailable"
    assert words["BrokerError"] == "server_error"
    assert words["PayloadTooLarge"] == "invalid_request"
