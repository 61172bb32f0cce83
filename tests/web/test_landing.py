"""The pages that say where one is, as a browser gets them from the whole application."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from broker.app import create_app
from broker.kernel.context import Context
from broker.settings import Settings


@pytest_asyncio.fixture
async def browser(ctx: Context) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(
        DATABASE_URL="postgresql://nobody@127.0.0.1/none",
        secret_key="MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        public_url="https://broker.example.com",
    )
    transport = httpx.ASGITransport(create_app(ctx, settings))
    async with httpx.AsyncClient(transport=transport, base_url="https://broker.example.com") as client:
        yield client


async def test_the_root_says_what_this_is_and_how_to_log_in(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/")
    assert answer.status_code == 200
    assert "broker login --url https://broker.example.com" in answer.text
    assert "script-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["intu-jokes", "no-such-app"])
async def test_the_page_of_an_app_is_the_same_whether_there_is_one_or_not(
    browser: httpx.AsyncClient, name: str
) -> None:
    answer = await browser.get(f"/dashboard/apps/{name}")
    assert answer.status_code == 200
    assert f"broker addons --app {name}" in answer.text


async def test_nothing_of_a_wild_name_comes_back(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/dashboard/apps/<script>alert(1)</script>")
    assert "alert" not in answer.text
