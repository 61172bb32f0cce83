"""The page behind `addons:open`, as a browser gets it: no session, no script needed."""

import logging
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from broker.addons.ports import Answer, Reply
from broker.app import create_app
from broker.apps.resolve import visible_app
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.ids import new_id
from broker.web import sso
from tests.addons.conftest import MANIFEST, World, make_world
from tests.platform_api.conftest import settings

PUBLIC_URL = "https://broker.example.com"


@pytest_asyncio.fixture
async def world(ctx: Context, alice: Actor) -> World:
    return await make_world(ctx, alice)


@pytest_asyncio.fixture
async def browser(ctx: Context) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(ctx, settings()))
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL, follow_redirects=False) as client:
        yield client


async def link(world: World, addon_id: UUID, actor: Actor | None = None) -> str:
    async with world.ctx.database.transaction() as tx:
        app = await visible_app(tx, world.user, "shop")
    return sso.sign_on_url(world.ctx, PUBLIC_URL, actor or world.user, addon_id, app.id, 300)


class Form(HTMLParser):
    """The one form of a page: where it goes, what is in it, and whether there is a button."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.method: str | None = None
        self.fields: dict[str, str | None] = {}
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if tag == "form":
            self.action, self.method = given["action"], given["method"]
        if tag == "input":
            self.fields[str(given["name"])] = given["value"]


async def republish(world: World, name: str = "Store", **api: Any) -> None:
    await publish(world.ctx, parse({**MANIFEST, "name": name, "api": {**MANIFEST["api"], **api}}), SYSTEM)


async def test_the_page_is_a_form_that_works_with_a_button_alone(world: World, browser: httpx.AsyncClient) -> None:
    addon = await world.provisioned(name="my-store")
    answer = await browser.get(await link(world, addon.id))
    form = Form(answer.text)
    assert answer.status_code == 200
    assert (form.action, form.method) == ("https://store.example.com/sso", "post")
    assert form.fields["resource_id"] == str(addon.id)
    assert {"token", "resource_token", "user_scoped_resource_token", "nav-data", "email"} <= set(form.fields)
    assert form.tags.index("form") < form.tags.index("button")
    assert "Continue to Store" in answer.text
    assert "store.example.com" in answer.text


async def test_the_page_may_load_nothing_run_one_script_and_be_framed_by_nobody(
    world: World, browser: httpx.AsyncClient
) -> None:
    addon = await world.provisioned()
    first, second = [await browser.get(await link(world, addon.id)) for _ in range(2)]
    policy = first.headers["content-security-policy"]
    nonce = re.search(r"script-src 'nonce-([\w-]+)'", policy)
    assert nonce
    assert f'<script nonce="{nonce[1]}">' in first.text
    assert nonce[1] not in second.text
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action https:;" in policy
    assert first.headers["cache-control"] == "no-store"
    assert first.headers["referrer-policy"] == "no-referrer"
    assert first.headers["x-content-type-options"] == "nosniff"


async def test_whatever_a_partner_calls_itself_is_text_and_never_markup(
    world: World, browser: httpx.AsyncClient
) -> None:
    await republish(world, name='"><script>alert(1)</script>')
    addon = await world.create()
    world.provider.will(Reply(Answer.DONE, 200, provider_id='"><img src=x>'))
    await world.run()
    answer = await browser.get(await link(world, addon.id))
    form = Form(answer.text)
    assert form.fields["id"] == '"><img src=x>'
    assert form.tags.count("script") == 1
    assert "img" not in form.tags


async def test_the_oldest_form_of_manifest_is_a_redirect(world: World, browser: httpx.AsyncClient) -> None:
    await republish(world, production="https://store.example.com")
    addon = await world.provisioned()
    answer = await browser.get(await link(world, addon.id))
    goal = urlsplit(answer.headers["location"])
    assert answer.status_code == 303
    assert (goal.netloc, goal.path) == ("store.example.com", "/heroku/resources/remote-1")
    assert {"token", "timestamp", "email"} <= set(parse_qs(goal.query))
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


async def refused(browser: httpx.AsyncClient, url: str, status: int, words: str) -> None:
    answer = await browser.get(url)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert words in answer.text
    assert "<form" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "script-src 'none'" in answer.headers["content-security-policy"]


async def test_every_refusal_is_a_page_that_says_what_to_do(
    world: World, browser: httpx.AsyncClient, mallory: Actor
) -> None:
    addon = await world.provisioned()
    good = await link(world, addon.id)
    await refused(browser, good.split("?")[0], 403, "addons:open")
    await refused(browser, good[:-3], 403, "addons:open")
    await refused(browser, good.replace(str(addon.id), str(new_id())), 403, "addons:open")
    await refused(browser, good + "x" * 3000, 403, "addons:open")
    await refused(browser, good.replace(str(addon.id), "my-store"), 404, "no such add-on")
    await refused(browser, await link(world, addon.id, mallory), 404, "no such add-on")
    world.ctx.clock.advance(seconds=301)
    await refused(browser, good, 403, "expired")


async def test_an_add_on_that_is_not_ready_is_a_page_too(world: World, browser: httpx.AsyncClient) -> None:
    addon = await world.create(name="my-store")
    await refused(browser, await link(world, addon.id), 409, "my-store is provisioning")


async def test_a_service_without_dashboard_is_a_page_too(world: World, browser: httpx.AsyncClient) -> None:
    await republish(world, production={"base_url": "https://store.example.com/heroku/resources"})
    addon = await world.provisioned()
    await refused(browser, await link(world, addon.id), 422, "has no dashboard")


async def test_neither_ticket_nor_tokens_reach_the_log(
    world: World, browser: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    addon = await world.provisioned()
    url = await link(world, addon.id)
    with caplog.at_level(logging.DEBUG):
        caplog.set_level(logging.WARNING, "httpx")  # the test's own browser
        answer = await browser.get(url)
        await browser.get(url + "x")
    shown = capsys.readouterr()
    written = caplog.text + shown.out + shown.err
    ticket = url.split("ticket=")[1]
    assert ticket not in written
    for name, value in Form(answer.text).fields.items():
        assert "token" not in name or str(value) not in written
