"""OAuth over the Platform API: clients, sessions, what clients hold, and tokens in their older form."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from broker.kernel.context import Actor, Context
from broker.oauth.sessions import begin_session, find_session
from tests.domain import StoppedClock
from tests.oauth.conftest import Browser, query_of
from tests.platform_api.conftest import client_of

CALLBACK = "https://tool.example.com/callback"


async def made(api: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await api.post("/oauth/clients", json={"name": "Tool", "redirect_uri": CALLBACK, **body})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.fixture
async def browser(app: FastAPI, ctx: Context, alice: Actor) -> AsyncIterator[Browser]:
    """Alice's, signed in: on this machine, where the cookie needs no https."""
    async with client_of(app) as http:
        http.cookies["broker-session"] = (await begin_session(ctx, alice, "Firefox")).reveal()
        yield Browser(http)


async def code(browser: Browser, client: dict[str, Any]) -> str:
    url = f"/oauth/authorize?response_type=code&client_id={client['id']}&scope=read"
    return query_of((await browser.decide(url)).headers["location"])["code"]


async def test_a_client_goes_through_its_life(api: httpx.AsyncClient, intruder: httpx.AsyncClient) -> None:
    client = await made(api)
    assert (client["name"], client["redirect_uri"], client["public"]) == ("Tool", CALLBACK, False)
    assert client["secret"].startswith("HRKU-S-")
    path = f"/oauth/clients/{client['id']}"
    hint = client["secret"][:8] + "*" * 10 + client["secret"][-4:]
    assert (await api.get(path)).json() == {**client, "secret": hint}
    assert [item["id"] for item in (await api.get("/oauth/clients")).json()] == [client["id"]]
    changed = (await api.patch(path, json={"name": "Better tool", "redirect_uri": f"{CALLBACK}/2"})).json()
    assert (changed["name"], changed["redirect_uris"]) == ("Better tool", [f"{CALLBACK}/2"])
    rotated = (await api.post(f"{path}/actions/rotate-credentials")).json()
    assert rotated["secret"] not in (hint, client["secret"])
    for method, where in (
        ("GET", path),
        ("PATCH", path),
        ("DELETE", path),
        ("POST", f"{path}/actions/rotate-credentials"),
    ):
        refused = await intruder.request(method, where)
        assert (refused.status_code, refused.json()["resource"]) == (404, "client")
    assert (await api.delete(path)).json()["name"] == "Better tool"
    assert (await api.get(path)).status_code == 404
    assert (await api.get("/oauth/clients")).json() == []


IMPOSSIBLE: tuple[tuple[dict[str, Any], str], ...] = (
    ({"name": ""}, "name: "),
    ({"name": "a\u202eb"}, "name: "),
    ({"name": "x" * 81}, "name: "),
    ({"redirect_uri": "http://tool.example.com/"}, "redirect_uri: must begin with https://"),
    ({"redirect_uri": "https://*.example.com/"}, "redirect_uri: must be an absolute URI"),
    ({"redirect_uri": "https://a.example.com/#x"}, "redirect_uri: must be an absolute URI"),
    ({"redirect_uri": "https://a@b.example.com/"}, "redirect_uri: must be an absolute URI"),
    ({"redirect_uri": "https://a.example.com/%2e%2e/b"}, "redirect_uri: must not have"),
    ({"redirect_uri": "javascript:alert(1)"}, "redirect_uri: must begin"),
    ({"redirect_uri": "com.example.tool:/callback"}, "redirect_uri: must begin"),
    ({"redirect_uri": "com.example.tool:callback", "public": True}, "redirect_uri: must begin"),
    ({"redirect_uris": []}, "redirect_uri: give one"),
    ({"redirect_uris": ["https://example.com/other"]}, "redirect_uri: must be the first of redirect_uris"),
    ({"public": True, "requires_pkce": False}, "requires_pkce: "),
    ({"public": True, "own_scopes": ["read"]}, "own_scopes: "),
    ({"own_scopes": ["global"]}, "own_scopes: "),
)


async def test_an_impossible_client_is_refused_in_one_sentence(api: httpx.AsyncClient) -> None:
    for body, message in IMPOSSIBLE:
        refused = await api.post("/oauth/clients", json={"name": "Tool", "redirect_uri": CALLBACK, **body})
        assert (refused.status_code, refused.json()["id"]) == (422, "invalid_params"), body
        assert refused.json()["message"].startswith(message)


async def test_a_public_client_has_no_secret_and_stays_public(api: httpx.AsyncClient) -> None:
    client = await made(api, public=True, redirect_uri="com.example.tool:/callback")
    assert client["secret"] is None
    path = f"/oauth/clients/{client['id']}"
    assert (await api.post(f"{path}/actions/rotate-credentials")).status_code == 422
    assert (await api.patch(path, json={"requires_pkce": False})).status_code == 422


async def test_older_programs_get_their_tokens_in_the_older_form(
    api: httpx.AsyncClient, browser: Browser, anonymous: httpx.AsyncClient, app: FastAPI, alice: Actor
) -> None:
    client = await made(api, requires_pkce=False)
    own = {"secret": client["secret"]}
    grant = {"type": "authorization_code", "code": await code(browser, client)}
    first = await anonymous.post("/oauth/tokens", json={"grant": grant, "client": own})
    assert (first.status_code, first.headers["cache-control"]) == (201, "no-store")
    given = first.json()
    assert (given["user"]["id"], given["access_token"]["expires_in"]) == (str(alice.id), 28800)
    refresh = {"grant": {"type": "refresh_token"}, "client": own, "refresh_token": given["refresh_token"]}
    second = (await anonymous.post("/oauth/tokens", json=refresh)).json()
    assert second["authorization"] == given["authorization"]
    async with client_of(app, second["access_token"]["token"]) as third_party:
        assert (await third_party.get("/account")).status_code == 200
    [_, held] = (await api.get("/oauth/authorizations")).json()
    assert (held["id"], held["scope"], held["session"]) == (given["authorization"]["id"], ["read"], given["session"])
    assert held["client"] == {"id": client["id"], "name": "Tool", "redirect_uri": CALLBACK}
    assert held["access_token"]["token"].startswith("HRKU-T-")
    assert "*" in held["access_token"]["token"]
    assert held["last_used_at"] is not None
    assert (await api.post(f"/oauth/authorizations/{held['id']}/actions/regenerate-tokens")).status_code == 422
    await api.delete(f"/oauth/authorizations/{held['id']}")
    gone = await anonymous.post("/oauth/tokens", json={**refresh, "refresh_token": second["refresh_token"]})
    assert (gone.status_code, gone.json()["id"]) == (400, "invalid_grant")


async def test_the_older_form_refuses_what_the_newer_one_does(
    api: httpx.AsyncClient, browser: Browser, anonymous: httpx.AsyncClient
) -> None:
    client, other = await made(api, requires_pkce=False), await made(api)
    grant = {"type": "authorization_code", "code": await code(browser, client)}
    for body, status in (
        ({"grant": grant, "client": {"secret": "HRKU-S-wrong"}}, 401),
        ({"grant": grant, "client": {"secret": other["secret"]}}, 400),
        ({"grant": {"type": "authorization_code"}, "client": {"secret": client["secret"]}}, 422),
        ({"grant": {"type": "refresh_token"}, "client": {"secret": client["secret"]}}, 422),
        ({"grant": {"type": "password"}, "client": {"secret": client["secret"]}}, 422),
        ({"grant": grant}, 422),
    ):
        assert (await anonymous.post("/oauth/tokens", json=body)).status_code == status


async def test_sessions_are_listed_and_ended(
    ctx: Context, api: httpx.AsyncClient, intruder: httpx.AsyncClient, alice: Actor
) -> None:
    cookie = await begin_session(ctx, alice, "Firefox\x00 on \u2028Linux")
    [session] = (await api.get("/oauth/sessions")).json()
    assert (session["description"], session["expires_in"]) == ("Firefox on Linux", 7 * 86400)
    path = f"/oauth/sessions/{session['id']}"
    for nothing in ("/oauth/sessions/~", "/oauth/sessions/nonsense"):
        assert (await api.delete(nothing)).json()["resource"] == "session"
    assert (await intruder.delete(path)).status_code == 404
    assert await find_session(ctx, cookie) is not None
    assert (await api.delete(path)).json()["id"] == session["id"]
    assert await find_session(ctx, cookie) is None
    assert (await api.get("/oauth/sessions")).json() == []


async def test_the_last_use_of_a_token_is_known_to_some_minutes(api: httpx.AsyncClient, clock: StoppedClock) -> None:
    async def last_used() -> str:
        return str((await api.get("/oauth/authorizations")).json()[0]["last_used_at"])

    assert await last_used() == "2026-11-21T09:54:07Z"
    clock.advance(minutes=4)
    assert await last_used() == "2026-11-21T09:54:07Z"
    clock.advance(minutes=1)
    assert await last_used() == "2026-11-21T09:59:07Z"
