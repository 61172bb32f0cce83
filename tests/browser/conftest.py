"""A stocked marketplace and a browser, once for all tests of this folder."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser

from tests.browser import site as sites
from tests.browser.site import Site
from tests.journeys import tools


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with sites.chromium(tools.chromium()) as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(postgres_url: str) -> AsyncIterator[Site]:
    async with sites.site(postgres_url) as place:
        yield place
