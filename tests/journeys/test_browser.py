"""A person with a browser opens dashboards: by click, without JavaScript, by keyboard, on a phone, too late."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from broker.addons.tickets import Visit, mint_ticket
from broker.kernel.vault import KeyRing, Vault
from tests.journeys.conftest import Api
from tests.journeys.mailing import submission
from tests.platform import Platform

pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.timeout(400)]

QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
PHONE = {"viewport": {"width": 360, "height": 720}}
LETTER = (
    "From: Jokes <jokes@example.com>\r\nTo: you@example.com\r\nSubject: Knock knock\r\nMIME-Version: 1.0\r\n"
    "Content-Type: text/html\r\n\r\n<h1>Who is there?</h1><script>document.title = 'stolen'</script>"
    "<p style='width: 2000px'>A long line.</p>"
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def chromium(chromium_program: str) -> AsyncIterator[Browser]:
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_program, args=[*QUIET, *as_root])
        yield browser
        await browser.close()


@pytest.fixture
def mail(api: Api, app: str) -> dict[str, Any]:
    """A mail add-on with a message in it."""
    name = api.add(app, "sendgrid")
    config = api.config(app)
    with submission(config) as client:
        client.login(config["SENDGRID_USERNAME"], config["SENDGRID_PASSWORD"])
        client.sendmail("jokes@example.com", ["you@example.com"], LETTER)
    return api.get(f"/addons/{name}")


async def opened(chromium: Browser, **options: Any) -> Page:
    context = await chromium.new_context(**options)
    context.set_default_timeout(60_000)
    return await context.new_page()


async def sideways(page: Page) -> int:
    """How far the page can be scrolled to the side. Units: CSS pixels."""
    return int(await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


async def test_a_link_leads_into_the_dashboard(chromium: Browser, mail: dict[str, Any]) -> None:
    page = await opened(chromium)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    await page.goto(mail["web_url"])
    await page.wait_for_url("**/dashboard/*")
    assert "ticket" not in page.url
    await expect(page.get_by_role("heading", level=1)).to_have_text(mail["name"])
    await page.get_by_role("link", name="Knock knock").click()
    frame = page.frame_locator("iframe[title='HTML of the message']")
    await expect(frame.get_by_role("heading", name="Who is there?")).to_be_visible()
    assert await page.title() == "Knock knock", "scripts of a mail do not run"
    assert [fault for fault in faults if "sandbox" not in fault] == []
    await page.context.close()


async def test_an_address_that_lasts_leads_through_signing_in_to_a_place_in_the_dashboard(
    chromium: Browser, platform: Platform, mail: dict[str, Any]
) -> None:
    page = await opened(chromium)
    await page.goto(mail["web_url"])
    await page.wait_for_url("**/dashboard/*")
    await page.get_by_role("link", name="Knock knock").click()
    await page.wait_for_url("**/messages/*")
    place = page.url.partition(mail["id"])[2]
    await page.context.close()

    page = await opened(chromium)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text))
    await page.goto(f"{platform.url}/go/{mail['name']}?to={place}")
    await page.get_by_label("E-mail").fill(platform.email)
    await page.get_by_label("Password").fill(platform.password)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/dashboard/{mail['id']}{place}")
    assert await page.title() == "Knock knock"
    assert [fault for fault in faults if "sandbox" not in fault] == []
    await page.context.close()


async def test_without_javascript_a_button_leads_there_by_keyboard_alone(
    chromium: Browser, mail: dict[str, Any]
) -> None:
    page = await opened(chromium, java_script_enabled=False)
    await page.goto(mail["web_url"])
    await expect(page.get_by_role("heading", level=1)).to_have_text(f"Opening {mail['name']}")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Continue to SendGrid")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/dashboard/*")
    search = page.get_by_role("searchbox", name="Search subject, people and text")
    await page.keyboard.press("Tab")
    await expect(search).to_be_focused()
    await page.keyboard.type("nothing like it")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("No message matches.")).to_be_visible()
    await page.context.close()


@pytest.mark.parametrize("plan", ["postgres", "redis"])
async def test_pages_fit_a_phone(chromium: Browser, api: Api, app: str, plan: str) -> None:
    addon = api.get(f"/addons/{api.add(app, plan)}")
    page = await opened(chromium, **PHONE)
    await page.goto(addon["web_url"])
    await page.wait_for_url("**/dashboard/*")
    assert addon["name"] in (await page.title())
    assert await sideways(page) == 0
    await page.context.close()


async def test_the_mail_viewer_and_the_sign_on_page_fit_a_phone(chromium: Browser, mail: dict[str, Any]) -> None:
    page = await opened(chromium, **PHONE, java_script_enabled=False)
    await page.goto(mail["web_url"])
    assert await sideways(page) == 0
    await page.get_by_role("button").click()
    await page.wait_for_url("**/dashboard/*")
    assert await sideways(page) == 0
    await page.get_by_role("link", name="Knock knock").click()
    await page.wait_for_url("**/messages/*")
    assert await sideways(page) == 0
    await page.context.close()


def _expired(platform: Platform, api: Api, mail: dict[str, Any]) -> str:
    """The link as it was made some time ago, by a broker with the same key."""
    keys = [base64.urlsafe_b64decode(line) for line in (platform.home / "secret.key").read_text().split()]
    user, addon, app = (UUID(found["id"]) for found in (api.get("/account"), mail, mail["app"]))
    ended = datetime.now(UTC) - timedelta(minutes=1)
    ticket = mint_ticket(Vault(KeyRing(lambda: keys)), Visit(user, addon, app), ended)
    return f"{mail['web_url'].split('?')[0]}?ticket={ticket}"


async def test_a_link_that_is_used_too_late_or_tampered_with_explains_itself(
    chromium: Browser, platform: Platform, api: Api, mail: dict[str, Any]
) -> None:
    page = await opened(chromium, **PHONE)
    for link, sentence in (
        (_expired(platform, api, mail), "This link has expired."),
        (mail["web_url"][:-6] + "AAAAAA", "This link is not valid."),
        (mail["web_url"].split("?")[0], "This link is not valid."),
    ):
        answer = await page.goto(link)
        assert answer is not None
        assert answer.status == 403
        await expect(page.get_by_role("heading", level=1)).to_have_text("This link can't be used")
        await expect(page.get_by_role("main")).to_contain_text(sentence)
        await expect(page.get_by_role("main")).to_contain_text("broker addons:open NAME")
        assert await sideways(page) == 0
    await page.context.close()
