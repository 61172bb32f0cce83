"""Opening dashboards over the API: the form of the Heroku CLI, links that lead further in, and who gets either."""

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI

from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor, Context, Scope
from broker.kernel.ids import new_id
from tests.addons.conftest import MANIFEST, World, make_world
from tests.platform_api.conftest import client_of, token_of

SDK = {"accept": "application/vnd.heroku+json; version=3.sdk"}


@pytest.fixture
async def world(ctx: Context, alice: Actor) -> World:
    world = await make_world(ctx, alice)
    api: Any = MANIFEST["api"]
    await publish(ctx, parse({**MANIFEST, "api": {**api, "sso_paths": ["/invoices"]}}), SYSTEM)
    return world


@pytest.mark.parametrize(
    "place", ["shop/addons/my-store", "shop/addons/STORE", "shop/addons/store", "undefined/addons/my-store"]
)
async def test_the_heroku_cli_gets_the_form_itself(api: httpx.AsyncClient, world: World, place: str) -> None:
    addon = await world.provisioned(name="my-store")
    answer = await api.get(f"/apps/{place}/sso", headers=SDK)
    assert answer.status_code == 200, answer.text
    form = answer.json()
    assert (form["method"], form["action"]) == ("post", "https://store.example.com/sso")
    assert form["params"]["resource_id"] == str(addon.id)
    assert {"token", "resource_token", "user_scoped_resource_token", "nav-data"} <= set(form["params"])
    assert answer.headers["cache-control"] == "no-store"


async def test_a_link_leads_to_a_place_in_the_dashboard(api: httpx.AsyncClient, world: World) -> None:
    await world.provisioned(name="my-store")
    answer = await api.post("/addons/my-store/actions/open", json={"path": "/invoices/7?print=yes"})
    assert answer.status_code == 200, answer.text
    link = urlsplit(answer.json()["url"])
    page = await api.get(f"{link.path}?{link.query}")
    assert '<input type="hidden" name="path" value="/invoices/7?print=yes">' in page.text


@pytest.mark.parametrize("path", ["/admin", "//evil.example/invoices", "/invoices/../admin", "https://evil.example"])
async def test_a_link_to_elsewhere_is_refused_at_once(api: httpx.AsyncClient, world: World, path: str) -> None:
    await world.provisioned(name="my-store")
    answer = await api.post("/addons/my-store/actions/open", json={"path": path})
    assert (answer.status_code, answer.json()["id"]) == (422, "invalid_params")


async def test_somebody_elses_dashboard_is_not_there(intruder: httpx.AsyncClient, world: World) -> None:
    addon = await world.provisioned(name="my-store")
    for key in ("my-store", str(addon.id), str(new_id())):
        assert (await intruder.post(f"/addons/{key}/actions/open")).status_code == 404
        assert (await intruder.get(f"/apps/shop/addons/{key}/sso", headers=SDK)).status_code == 404


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope not in (Scope.GLOBAL, Scope.IDENTITY)])
async def test_a_token_that_may_not_do_everything_signs_nobody_on(
    ctx: Context, app: FastAPI, alice: Actor, world: World, scope: Scope
) -> None:
    addon = await world.provisioned(name="my-store")
    async with client_of(app, await token_of(ctx, alice, scope)) as limited:
        for attempt in (limited.post("/addons/my-store/actions/open"), limited.get("/apps/shop/addons/my-store/sso")):
            assert (await attempt).status_code == 403
        shown = (await limited.get("/addons/my-store")).json()["web_url"]
        attached = (await limited.get("/apps/shop/addon-attachments")).json()[0]["web_url"]
    assert shown == attached
    assert urlsplit(shown).path == f"/sso/apps/{addon.app_id}/addons/{addon.id}"
    assert urlsplit(shown).query == ""
