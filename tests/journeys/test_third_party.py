"""A third-party web application is let in, reads what it may, refreshes, and is shown the door, in a real browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.journeys import third_party
from tests.journeys.conftest import Api, NewApp
from tests.journeys.test_browser import PHONE, QUIET, opened, sideways
from tests.platform import Platform

pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.timeout(400)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def chromium(chromium_program: str) -> AsyncIterator[Browser]:
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_program, args=[*QUIET, *as_root])
        yield browser
        await browser.close()


@contextmanager
def running(platform: Platform, client: dict[str, Any], scope: str) -> Iterator[str]:
    """The third party's program; its address."""
    words = [sys.executable, str(Path(third_party.__file__)), platform.url, client["id"], scope]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            process.stdin.write(client["secret"] + "\n")
            process.stdin.flush()
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


@pytest.fixture
def client(api: Api) -> Iterator[dict[str, Any]]:
    made = api.post("/oauth/clients", name="Weather for apps", redirect_uri="http://127.0.0.1/callback")
    yield made
    api.delete(f"/oauth/clients/{made['id']}")


async def sign_in(page: Page, platform: Platform) -> None:
    await expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    await page.get_by_label("E-mail address").fill(platform.email)
    await page.get_by_label("Password").fill(platform.password)
    await page.get_by_role("button", name="Sign in").click()


async def says(page: Page, words: str | re.Pattern[str]) -> None:
    """Once it is there: a click does not wait for the page that it leads to."""
    await expect(page.locator("#said")).to_have_text(words)


async def test_a_program_is_connected_reads_refreshes_and_is_disconnected(
    chromium: Browser, platform: Platform, api: Api, new_app: NewApp, client: dict[str, Any]
) -> None:
    chosen = new_app()
    new_app()  # which the program must not see
    api.call("PATCH", f"/apps/{chosen}/config-vars", PASSWORD="not for you")
    page = await opened(chromium, **PHONE)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    with running(platform, client, "read") as address:
        await page.goto(f"{address}/connect")
        assert await sideways(page) == 0
        await sign_in(page, platform)

        await expect(page.get_by_role("heading", level=1)).to_have_text("Let Weather for apps use your account?")
        await expect(page.get_by_role("main")).to_contain_text("not the values of config vars")
        await expect(page.get_by_role("main")).to_contain_text(address.removeprefix("http://"))
        assert await sideways(page) == 0
        await page.get_by_label("Only these:").check()
        await page.get_by_label(chosen).check()
        await page.get_by_role("button", name="Allow").click()

        await page.wait_for_url("**/callback?*")
        await says(page, re.compile("^Connected: read app:"))
        await page.get_by_role("link", name="look").click()
        await says(page, f"Apps: {chosen}. Values of config vars: [403].")
        await page.get_by_role("link", name="refresh").click()
        await says(page, re.compile("The old token: 401\\.$"))

        await page.goto(f"{platform.url}/account/authorizations")
        card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="Weather for apps"))
        await expect(card).to_contain_text(f"On {chosen} only.")
        await expect(card).to_contain_text("Last used")
        assert await sideways(page) == 0
        await page.get_by_role("button", name="Disconnect Weather for apps").click()
        await expect(card).to_have_count(0)

        await page.goto(f"{address}/look")
        await says(page, "Nothing can be read: 401.")
        await page.goto(f"{address}/refresh")
        await says(page, re.compile("^Refused: invalid_grant\\."))
    assert faults == []
    await page.context.close()


async def test_without_javascript_and_mouse_one_can_say_no(
    chromium: Browser, platform: Platform, client: dict[str, Any]
) -> None:
    page = await opened(chromium, java_script_enabled=False)
    with running(platform, client, "write-protected") as address:
        await page.goto(f"{address}/connect")
        await expect(page.get_by_label("E-mail address")).to_be_focused()
        await page.keyboard.type(platform.email)
        await page.keyboard.press("Tab")
        await page.keyboard.type(platform.password)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("main")).to_contain_text("This reaches passwords and keys of your apps.")
        await page.get_by_role("button", name="Deny").focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/callback?*")
        await says(page, "You said no: access_denied.")
    await page.context.close()
