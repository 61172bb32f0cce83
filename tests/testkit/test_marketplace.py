"""The marketplace for one provider, clicked through as a browser without JavaScript would."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from typing import Any

import httpx
import pytest

from broker.testkit.listen import bound, origin_of
from broker.testkit.serve import marketplace
from broker.testkit.subject import subject
from tests.testkit.shelf import PASSWORD, SALT, Shelf, manifest
from tests.testkit.trying import offered

_FORM = re.compile(r'<form method="post" action="([^"]+)">(.*?)</form>', re.DOTALL)
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


class Visitor:
    """Reads a page, fills in its forms, presses their buttons."""

    def __init__(self, browser: httpx.AsyncClient) -> None:
        self.browser = browser
        self.page = ""

    async def look(self) -> str:
        self.page = (await self.browser.get("/")).text
        return self.page

    async def press(self, button: str, **fields: str) -> httpx.Response:
        action, body = next(found for found in _FORM.findall(self.page) if f">{button}" in found[1])
        hidden = {name: unescape(value) for name, value in _HIDDEN.findall(body)}
        answer = await self.browser.post(action, data={**hidden, **fields})
        self.page = answer.text
        return answer

    @property
    def resource(self) -> str:
        found = re.search(r"<h3>(test-kit-[0-9a-f]+) \((\w+)\): (\w+)</h3>", self.page)
        assert found, self.page
        self.name = found[1]
        return f"{found[2]} {found[3]}"


@asynccontextmanager
async def visited(shelf: Shelf, **api: Any) -> AsyncIterator[Visitor]:
    listener = bound()
    async with (
        offered(shelf) as origin,
        marketplace(subject(manifest(origin, **api)), listener) as left,
        httpx.AsyncClient(base_url=origin_of(listener), follow_redirects=True, timeout=30) as browser,
    ):
        yield Visitor(browser)
    assert left == []


async def test_one_can_click_through_the_life_of_an_addon() -> None:
    shelf = Shelf()
    async with visited(shelf) as visitor:
        assert "None yet." in await visitor.look()
        await visitor.press("Provision", plan="mini")
        assert visitor.resource == "mini provisioned"
        uuid = next(iter(shelf.items))
        assert "“Enjoy.”" in visitor.page
        await visitor.press(f"Provision {visitor.name} again")
        assert list(shelf.items) == [uuid]
        await visitor.press(f"Change plan of {visitor.name}", plan="maxi")
        assert visitor.resource == "maxi provisioned"
        await visitor.press(f"Open dashboard of {visitor.name}", person="ada")
        assert "ada@example.com" in visitor.page
        assert "<h1>Shelf</h1>" in (await visitor.press("Continue to the provider")).text
        await visitor.look()
        await visitor.press(f"Destroy {visitor.name}")
        assert visitor.resource == "maxi deprovisioned"
        assert f"DELETE /heroku/resources/{uuid} → 204" in visitor.page


async def test_a_second_click_within_a_second_signs_on_as_well() -> None:
    async with visited(Shelf()) as visitor:
        await visitor.look()
        await visitor.press("Provision")
        page = visitor.page
        for _ in range(3):
            visitor.page = page
            await visitor.press(f"Open dashboard of {visitor.resource and visitor.name}")
            assert "<h1>Shelf</h1>" in (await visitor.press("Continue to the provider")).text


async def test_what_the_provider_does_later_is_seen() -> None:
    shelf = Shelf(later=True)
    async with visited(shelf) as visitor:
        await visitor.look()
        await visitor.press("Provision")
        while shelf.tasks:
            await next(iter(shelf.tasks))
        await visitor.look()
        assert visitor.resource == "mini provisioned"
        assert "POST /oauth/token → 200" in visitor.page
        assert "/actions/provision → 200" in visitor.page


async def test_what_is_left_when_it_stops_is_removed() -> None:
    shelf = Shelf()
    async with visited(shelf) as visitor:
        await visitor.look()
        await visitor.press("Provision")
        assert [item.gone for item in shelf.items.values()] == [False]
    assert [item.gone for item in shelf.items.values()] == [True]


async def test_the_page_shows_the_calls_without_secrets_of_the_manifest_or_values_of_config() -> None:
    shelf = Shelf()
    async with visited(shelf) as visitor:
        await visitor.look()
        await visitor.press("Provision")
        calls = visitor.page.partition("Calls to the provider")[2]
        uuid = next(iter(shelf.items))
        assert uuid in calls
        assert [secret for secret in (PASSWORD, SALT, shelf.secret(uuid)) if secret in calls] == []


async def test_a_form_of_another_site_does_nothing() -> None:
    shelf = Shelf()
    async with visited(shelf) as visitor:
        for form in ({}, {"form_token": "guessed"}):
            answer = await visitor.browser.post("/provision", data={"plan": "mini", **form})
            assert (answer.status_code, "<h1>Not done</h1>" in answer.text) == (403, True)
    assert shelf.items == {}


async def test_it_answers_under_its_own_address_only() -> None:
    async with visited(Shelf()) as visitor:
        answer = await visitor.browser.get("/", headers={"host": "marketplace.example"})
    assert answer.status_code == 421


async def test_the_page_allows_itself_nothing_but_its_style_and_the_providers_form() -> None:
    async with visited(Shelf()) as visitor:
        answer = await visitor.browser.get("/")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "<script" not in answer.text


@pytest.mark.parametrize("path", ["/resources/01234567-89ab-4def-8123-456789abcdef/delete", "/resources/x/plan"])
async def test_an_addon_that_is_none_is_told(path: str) -> None:
    async with visited(Shelf()) as visitor:
        await visitor.look()
        token = dict(_HIDDEN.findall(visitor.page))["form_token"]
        assert (await visitor.browser.post(path, data={"form_token": token})).status_code == 403
