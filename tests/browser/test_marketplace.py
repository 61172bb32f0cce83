"""A visitor with a browser: searching while typing, without JavaScript, by keyboard, on a phone; and what axe-core says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.screenshots import PAGES, SIGNED_IN, sign_in
from tests.browser.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

PHONE = {"width": 360, "height": 720}
AXE = (Path(__file__).parent / "vendor/axe.min.js").read_text(encoding="utf-8")
SERIOUS = ("serious", "critical")


@asynccontextmanager
async def opened(chromium: Browser, **options: Any) -> AsyncIterator[Page]:
    """A page whose console must stay silent: it tells of every breach of the policy."""
    context = await chromium.new_context(**options)
    context.set_default_timeout(60_000)
    page, faults = await context.new_page(), []
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    await context.close()
    refusals = ("404 (Not Found)", "403 (Forbidden)", "422 (Unprocessable Entity)")
    assert [fault for fault in faults if not any(refusal in fault for refusal in refusals)] == []


async def sideways(page: Page) -> int:
    """How far the page can be scrolled to the side. Units: CSS pixels."""
    return int(await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


async def test_results_come_while_one_types(chromium: Browser, site: Site) -> None:
    async with opened(chromium, permissions=["clipboard-read", "clipboard-write"]) as page:
        await page.goto(site.url)
        await expect(page.get_by_role("heading", name="Featured")).to_be_visible()
        await page.get_by_role("searchbox").press_sequentially("postgrse")
        await expect(page.get_by_role("status")).to_contain_text("taken for")
        await expect(page.get_by_role("heading", name="Featured")).to_have_count(0)
        await page.get_by_role("link", name="Postgres", exact=True).click()
        await page.wait_for_url("**/marketplace/postgres")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Postgres")
        await page.get_by_role("button", name="Copy").click()
        await page.wait_for_function("navigator.clipboard.readText()")  # once it is not empty
        assert await page.evaluate("navigator.clipboard.readText()") == "broker addons:add postgres"


async def test_choices_narrow_at_once_and_are_in_the_address(chromium: Browser, site: Site) -> None:
    async with opened(chromium) as page:
        await page.goto(f"{site.url}/search")
        await expect(page.get_by_role("status")).to_have_text("15 add-ons.")
        await page.get_by_label("Category").select_option("Logging")
        await expect(page.get_by_role("status")).to_have_text("1 add-on.")
        await page.get_by_label("Category").select_option("All")
        await page.get_by_label("Rotates credentials").check()
        await expect(page.get_by_role("link", name="Logstream")).to_be_visible()
        await page.wait_for_url("**/search?feature=rotation")
        await page.reload()
        await expect(page.get_by_label("Rotates credentials")).to_be_checked()


async def test_everything_goes_without_javascript(chromium: Browser, site: Site) -> None:
    async with opened(chromium, java_script_enabled=False, viewport=PHONE) as page:
        await page.goto(site.url)
        await page.get_by_role("searchbox").fill("emial")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/search?q=emial")
        await page.get_by_label("With a free plan").check()
        await page.get_by_role("button", name="Apply").click()
        await page.get_by_role("link", name="Mail", exact=True).click()
        await expect(page.get_by_role("heading", name="Plans and prices")).to_be_visible()
        assert await page.get_by_role("button", name="Copy").count() == 0
        await page.get_by_role("link", name="Install").first.click()
        await page.wait_for_url("**/login?next=*")


async def test_the_keyboard_alone_leads_everywhere(chromium: Browser, site: Site) -> None:
    async with opened(chromium) as page:
        await page.goto(f"{site.url}/marketplace/logstream")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Marketplace", exact=True)).to_be_focused()
        for _ in range(3):
            await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Documentation", exact=True)).to_be_focused()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/logstream/docs")


async def test_a_look_is_signed_in_all_over_and_ends_with_signing_out(chromium: Browser, site: Site) -> None:
    async with opened(chromium) as page:
        await page.goto(site.url)
        await expect(page.get_by_role("navigation", name="Main").get_by_role("link", name="Sign in")).to_be_visible()
        await sign_in(page, site.url)
        await page.goto(site.url)
        await page.get_by_role("link", name="Operate").click()
        await page.get_by_role("navigation", name="Console").get_by_role("link", name="Listings").click()
        await page.get_by_role("link", name="Night Shift").click()
        await page.get_by_role("button", name="Feature it").click()
        await expect(page.get_by_role("status")).to_have_text("It is featured on the first page now.")
        await page.get_by_role("button", name="No longer feature it").click()
        await page.get_by_role("link", name="Sign out").click()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page).to_have_url(f"{site.url}/login")
        await page.goto(site.url)
        await expect(page.get_by_role("link", name="Sign in")).to_be_visible()


@pytest.mark.timeout(400)  # some eighty pages, each looked at by a script of half a megabyte
@pytest.mark.parametrize(("scheme", "size"), [("light", {"width": 1280, "height": 800}), ("dark", PHONE)])
async def test_axe_finds_nothing_serious_and_nothing_scrolls_sideways(
    chromium: Browser, site: Site, scheme: str, size: dict[str, int]
) -> None:
    async with opened(chromium, color_scheme=scheme, viewport=size, reduced_motion="reduce") as page:
        found = [fault for path in PAGES.values() for fault in await _faults(page, site.url + path)]
        await sign_in(page, site.url)
        found += [fault for path in SIGNED_IN.values() for fault in await _faults(page, site.url + path)]
    assert not found, "\n".join(found)


async def _faults(page: Page, url: str) -> list[str]:
    await page.goto(url)
    await page.evaluate(AXE)
    result = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    faults = [
        f"{url} {rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in result["violations"]
        if rule["impact"] in SERIOUS
        for node in rule["nodes"][:3]
    ]
    return faults + ([f"{url} scrolls sideways"] if await sideways(page) else [])
