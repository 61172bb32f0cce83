"""Teams over HTTP, and acting with their money. The rules have their tests beside the use cases: tests/apps/test_teams.py."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from broker.events.models import Event
from broker.kernel.context import Actor, Context
from tests.domain import new_user
from tests.partner_api.conftest import stocked
from tests.platform_api.conftest import client_of, token_of

NewClient = Callable[[str], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def client(ctx: Context, app: FastAPI) -> AsyncIterator[NewClient]:
    """A client of somebody new."""
    made: list[httpx.AsyncClient] = []

    async def new(name: str) -> httpx.AsyncClient:
        made.append(client_of(app, await token_of(ctx, await new_user(ctx, f"{name}@example.com"))))
        return made[-1]

    yield new
    for each in made:
        await each.aclose()


async def test_a_team_comes_to_be_works_and_ends(api: httpx.AsyncClient, client: NewClient) -> None:
    bob = await client("bob")
    team = (await api.post("/teams", json={"name": "acme"})).json()
    assert (team["role"], team["type"], team["members"]) == ("owner", "team", 1)
    assert [each["name"] for each in (await api.get("/teams")).json()] == ["acme"]
    (feature,) = (await api.get("/teams/acme/features")).json()
    assert (feature["name"], feature["enabled"]) == ("team-invite-acceptance", True)
    assert {each["name"] for each in (await api.get("/teams/permissions")).json()} > {"deploy", "view"}

    asked = await api.put("/teams/acme/invitations", json={"email": "bob@example.com", "role": "member"})
    assert (asked.status_code, asked.json()["user"]["email"]) == (201, "bob@example.com")
    assert (await api.put("/teams/acme/invitations", json={"email": "b", "role": "boss"})).status_code == 422
    assert (await bob.get("/teams/acme")).status_code == 404
    assert (await bob.post("/account/team-invitations/actions/accept", json={"invitation": "acme"})).is_success
    assert (await bob.get("/teams/acme")).json()["role"] == "member"

    made = (await bob.post("/teams/apps", json={"name": "shop", "team": "acme"})).json()
    assert (made["team"]["name"], made["owner"]["email"]) == ("acme", "acme@herokumanager.com")
    assert (await api.get("/users/~/apps")).json() == []
    assert [each["name"] for each in (await api.get("/teams/acme/apps")).json()] == ["shop"]
    assert (await bob.delete("/apps/shop")).status_code == 403
    assert (await bob.post("/apps", json={"name": "bobs"})).json()["team"] is None
    assert (await bob.patch("/teams/apps/bobs", json={"owner": "acme"})).json()["team"]["name"] == "acme"
    assert (await bob.patch("/teams/apps/bobs", json={"owner": "bob@example.com"})).status_code == 403
    assert (await api.patch("/teams/apps/bobs", json={"owner": "bob@example.com"})).status_code == 422
    assert (await api.patch("/teams/apps/bobs", json={"owner": "alice@example.com"})).json()["team"] is None

    changed = await api.patch("/teams/acme/members", json={"email": "bob@example.com", "role": "viewer"})
    assert changed.json()["role"] == "viewer"
    listed = (await api.get("/teams/apps/shop/collaborators")).json()
    assert [(each["user"]["email"], each["role"], len(each["permissions"])) for each in listed] == [
        ("acme@herokumanager.com", "owner", 4), ("alice@example.com", "owner", 4), ("bob@example.com", "viewer", 1),
    ]  # fmt: skip
    assert (await bob.get("/apps/shop/config-vars")).status_code == 403
    assert (await api.delete("/teams/acme")).status_code == 409
    assert (await api.delete("/apps/shop")).is_success
    assert (await bob.delete("/teams/acme")).status_code == 403
    assert (await api.patch("/teams/acme", json={"name": "umbrella"})).json()["name"] == "umbrella"
    assert (await api.delete("/teams/umbrella")).is_success
    assert (await bob.get("/teams")).json() == (await api.get("/teams")).json() == []
    assert (await bob.post("/teams", json={"name": "umbrella"})).status_code == 201


async def test_who_sees_to_a_team_s_money_acts_with_it_and_is_named(
    ctx: Context, alice: Actor, api: httpx.AsyncClient, client: NewClient, intruder: httpx.AsyncClient
) -> None:
    await stocked(ctx, alice)
    await api.post("/teams", json={"name": "acme"})
    billing, viewer = await client("billing"), await client("viewer")
    for role in ("billing", "viewer"):
        body = {"email": f"{role}@example.com", "role": role}
        assert (await api.put("/teams/acme/members", json=body)).is_success
    assert (await api.patch("/teams/apps/shop", json={"owner": "acme"})).is_success

    budget = await billing.post("/account/budgets?team=acme", json={"limit_minor": 500})
    assert budget.status_code == 201
    assert [each["id"] for each in (await api.get("/account/budgets", params={"team": "acme"})).json()] == [
        budget.json()["id"]
    ]
    assert (await billing.get("/account/budgets")).json() == []
    assert (await billing.get("/account/costs", params={"team": "acme", "app": "shop"})).is_success
    for path in (
        "/account/invoices",
        "/account/budgets",
        "/account/billing",
        "/account/payment-methods",
        "/account/payers",
    ):
        answers = [(await who.get(path, params={"team": "acme"})).status_code for who in (billing, viewer, intruder)]
        assert answers == [200, 403, 404], path
    answers = [(await who.get("/account/app-transfers?team=acme")).status_code for who in (api, billing)]
    assert answers == [200, 403], "what the team is given, its owners and admins decide"
    async with ctx.database.transaction() as tx:
        told = select(Event.actor_email, Event.authorization_id).where(Event.kind == "budget.set")
        (row,) = (await tx.execute(told)).all()
    assert row.actor_email == "billing@example.com"
    assert row.authorization_id is not None


async def test_nonsense_is_refused_and_breaks_nothing(api: httpx.AsyncClient, intruder: httpx.AsyncClient) -> None:
    await api.post("/teams", json={"name": "acme"})
    await api.post("/apps", json={"name": "own"})
    for odd in ("%00", "a%00b", "x" * 3000, "%F0%9F%98%80", "%ED%A0%80", "..%2Facme", "' or 1=1"):
        for part in ("", "/members", "/apps", "/usage", "/invitations", "/members/nobody", "/apps/own/usage"):
            assert (await api.get(f"/teams/{odd}{part}")).status_code == 404, (odd, part)
        assert (await api.get(f"/teams/acme/members/{odd}")).status_code == 404, odd
        assert (await api.delete(f"/teams/acme/invitations/{odd}")).status_code == 404, odd
        assert (await api.get(f"/account/budgets?team={odd}")).status_code in (404, 422), odd
        assert (await api.get(f"/teams/apps/{odd}")).status_code == 404, odd
    for body in (
        {},
        {"name": None},
        {"name": 7},
        {"name": ["a"]},
        {"name": "Acme Corp"},
        {"name": "a\0b"},
        {"name": ""},
    ):
        assert (await api.post("/teams", json=body)).status_code == 422, body
        assert (await api.patch("/teams/acme", json=body)).status_code == 422, body
    for body in ({}, {"email": "a@example.com"}, {"role": "member"}, {"email": "a\0@example.com", "role": "member"}):
        assert (await api.put("/teams/acme/members", json=body)).status_code == 422, body
        assert (await api.put("/teams/acme/invitations", json=body)).status_code == 422, body
    for body in ({}, {"token": "x"}, {"invitation": "a\0"}, {"invitation": "acme"}, {"token": "é"}):
        answer = await intruder.post("/account/team-invitations/actions/accept", json=body)
        assert answer.status_code in (404, 422), body
    for owner in ("nobody@example.com", "acme@herokumanager.com.example.com", "", "a\0"):
        assert (await api.patch("/teams/apps/own", json={"owner": owner})).status_code in (404, 422), owner
