"""Collaborators over HTTP. The rules have their tests beside the use cases."""

import httpx
import pytest

from broker.kernel.context import Actor


@pytest.fixture(autouse=True)
async def demo(api: httpx.AsyncClient) -> None:
    assert (await api.post("/apps", json={"name": "demo"})).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {"user": "mallory@example.com"},
        {"silent": True, "user": "Mallory@Example.com"},
        {"user": {"email": "mallory@example.com"}, "silent": 0},
    ],
)
async def test_an_app_is_shared_with_somebody_who_then_sees_it(
    api: httpx.AsyncClient, intruder: httpx.AsyncClient, body: object
) -> None:
    made = await api.post("/apps/demo/collaborators", json=body)
    assert made.status_code == 201
    shown = made.json()
    assert (shown["app"]["name"], shown["user"]["email"], shown["role"]) == (
        "demo",
        "mallory@example.com",
        "collaborator",
    )
    assert "permissions" not in shown
    assert [app["name"] for app in (await intruder.get("/apps")).json()] == ["demo"]
    assert [app["owner"]["email"] for app in (await intruder.get("/users/~/apps")).json()] == ["alice@example.com"]
    assert (await intruder.get("/apps/demo/collaborators")).json()[1] == shown
    assert (await api.get("/apps/demo/collaborators/mallory%40example.com")).json() == shown
    removed = await intruder.request("DELETE", f"/apps/demo/collaborators/{shown['id']}", json={})
    assert (removed.status_code, removed.json()) == (200, shown)
    assert (await intruder.get("/apps/demo")).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"user": "nobody@example.com"}, 404, "Nobody has an account"),
        ({"user": "a\0b"}, 422, "NUL"),
        ({}, 422, "user"),
        ({"user": None}, 422, "user"),
        ({"user": "alice@example.com"}, 422, "owns demo"),
    ],
)
async def test_who_cannot_be_added(api: httpx.AsyncClient, body: object, status: int, words: str) -> None:
    refused = await api.post("/apps/demo/collaborators", json=body)
    assert refused.status_code == status
    assert words in refused.json()["message"]


async def test_a_collaborator_repeats_requests_by_their_keys_as_the_owner_does(
    api: httpx.AsyncClient, intruder: httpx.AsyncClient, mallory: Actor
) -> None:
    await api.post("/apps/demo/collaborators", json={"user": str(mallory.id)})
    named = {"idempotency-key": "one"}
    first = await intruder.post("/apps", json={}, headers=named)
    assert (await intruder.post("/apps", json={}, headers=named)).json() == first.json()
    assert (await api.post("/apps", json={}, headers=named)).json()["id"] != first.json()["id"]


async def test_nobody_without_a_token_learns_who_shares_an_app(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get("/apps/demo/collaborators")).status_code == 401
