"""Lasting addresses of dashboards, followed by browsers that are signed in and by browsers that are not."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio

from broker.app import create_app
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.ids import new_id
from broker.oauth.sessions import begin_session
from tests.addons.conftest import MANIFEST, World, make_world
from tests.platform_api.conftest import settings
from tests.web.test_sso import Form


@pytest_asyncio.fixture
async def world(ctx: Context, alice: Actor) -> World:
    world = await make_world(ctx, alice)
    api: Any = MANIFEST["api"]
    await publish(ctx, parse({**MANIFEST, "api": {**api, "sso_paths": ["/invoices"]}}), SYSTEM)
    return world


@pytest_asyncio.fixture
async def nobody(ctx: Context) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which nobody is signed in."""
    transport = httpx.ASGITransport(create_app(ctx, settings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://broker.test", follow_redirects=False) as client:
        yield client


async def signed_in(browser: httpx.AsyncClient, ctx: Context, actor: Actor) -> httpx.AsyncClient:
    browser.cookies.set("broker-session", (await begin_session(ctx, actor, "a browser")).reveal())
    return browser


@pytest.mark.parametrize(
    "address",
    ["/go/my-store", "/go/{id}", "/go/store", "/sso/apps/shop/addons/my-store", "/sso/apps/{app}/addons/{id}?ignored=1",
     "/sso/apps/shop/attachments/STORE", "/sso/apps/{app}/attachments/store"],
)  # fmt: skip
async def test_every_address_of_a_dashboard_leads_to_it(world: World, nobody: httpx.AsyncClient, address: str) -> None:
    addon = await world.provisioned(name="my-store")
    browser = await signed_in(nobody, world.ctx, world.user)
    answer = await browser.get(address.format(id=addon.id, app=addon.app_id))
    form = Form(answer.text)
    assert (answer.status_code, form.action) == (200, "https://store.example.com/sso")
    assert (form.fields["resource_id"], form.fields["user_id"]) == (str(addon.id), str(world.user.id))


@pytest.mark.parametrize(
    "address",
    ["/go/my-store?to=/invoices/7%3Fprint=yes", "/sso/apps/shop/addons/my-store?path=/invoices/7%3Fprint=yes"],
)
async def test_a_place_in_the_dashboard_can_be_named(world: World, nobody: httpx.AsyncClient, address: str) -> None:
    await world.provisioned(name="my-store")
    browser = await signed_in(nobody, world.ctx, world.user)
    assert Form((await browser.get(address)).text).fields["path"] == "/invoices/7?print=yes"


@pytest.mark.parametrize(
    "to",
    ["//evil.example", "https://evil.example", "/\\evil.example", "/invoices/../admin", "/invoices/%252e%252e/x",
     "/admin", "javascript:alert(1)", "/invoices%0d%0aSet-Cookie:x=1"],
)  # fmt: skip
async def test_a_place_elsewhere_is_a_page_that_says_so(world: World, nobody: httpx.AsyncClient, to: str) -> None:
    await world.provisioned(name="my-store")
    browser = await signed_in(nobody, world.ctx, world.user)
    answer = await browser.get("/go/my-store", params={"to": to})
    assert (answer.status_code, Form(answer.text).action) == (422, None)
    assert "set-cookie" not in answer.headers


async def test_whoever_is_not_signed_in_signs_in_first_and_comes_back(world: World, nobody: httpx.AsyncClient) -> None:
    await world.provisioned(name="my-store")
    for address in ("/go/my-store?to=/invoices%3Fa=b", "/go/there-is-none", f"/sso/apps/shop/addons/{new_id()}"):
        answer = await nobody.get(address)
        goal = urlsplit(answer.headers["location"])
        assert (answer.status_code, goal.netloc, goal.path) == (303, "", "/login")
        assert parse_qs(goal.query)["next"] == [address]


async def test_somebody_elses_dashboard_is_like_none(world: World, nobody: httpx.AsyncClient, mallory: Actor) -> None:
    addon = await world.provisioned(name="my-store")
    browser = await signed_in(nobody, world.ctx, mallory)
    theirs = [
        f"/go/{addon.id}",
        "/go/my-store",
        f"/sso/apps/shop/addons/{addon.id}",
        "/sso/apps/shop/attachments/STORE",
    ]
    none = [
        f"/go/{new_id()}",
        "/go/their-store",
        f"/sso/apps/none/addons/{new_id()}",
        "/sso/apps/none/attachments/STORE",
    ]
    answers = [await browser.get(address) for address in (*theirs, *none)]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers[:3] + answers[4:7]}) <= 2  # one for add-ons, one for apps


async def test_a_name_that_fits_several_is_asked_about(world: World, nobody: httpx.AsyncClient) -> None:
    for name in ("one-store", "two-store"):
        await world.provisioned(name=name)
    answer = await (await signed_in(nobody, world.ctx, world.user)).get("/go/store")
    assert answer.status_code == 422
    assert "one-store" in answer.text
    assert "two-store" in answer.text
