"""The money of an account in a browser: without JavaScript on a phone, with the keyboard, and what axe-core says."""

import pytest
from playwright.async_api import Browser, expect

from tests.browser.screenshots import sign_in
from tests.browser.site import Site
from tests.browser.test_marketplace import PHONE, opened, sideways

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


async def test_bills_are_read_and_a_budget_is_set_on_a_phone_without_javascript(chromium: Browser, site: Site) -> None:
    async with opened(chromium, java_script_enabled=False, viewport=PHONE) as page:
        await sign_in(page, site.url)
        await page.goto(f"{site.url}/account/billing")
        await expect(page.get_by_role("heading", name="To be paid")).to_be_visible()
        side = page.get_by_role("navigation", name="Account")
        await side.get_by_role("link", name="Invoices").click()
        await page.get_by_role("region", name="Invoices").get_by_role("link").first.click()
        await page.get_by_text("How line 1 was computed").click()
        await expect(page.get_by_text("a month ×").first).to_be_visible()
        await side.get_by_role("link", name="Spending").click()
        await expect(page.get_by_role("img", name="Spent by app, in USD")).to_be_visible()
        await page.get_by_role("link", name="By service").click()
        await page.get_by_text("The same as a table").click()
        await expect(page.get_by_role("rowheader", name="bugnet")).to_be_visible()
        await page.get_by_role("link", name="Set a budget").click()
        await page.get_by_label("For", exact=True).select_option(label="night-owl")
        await page.get_by_label("At the most").fill("20.00")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_have_text("The budget is set.")
        await page.get_by_role("button", name="Remove the budget for The app night-owl").click()
        await page.get_by_role("button", name="Refuse logstream:enterprise").click()
        await expect(page.get_by_role("region", name="Asked before")).to_contain_text("Refused")
        await side.get_by_role("link", name="Notices").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Notices")
        await page.goto(f"{site.url}/account/billing")
        assert await sideways(page) == 0
