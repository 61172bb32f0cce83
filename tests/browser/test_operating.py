"""An operator on a phone without scripts: sees what needs somebody, closes an orphan, pays partners, looks into the audit."""

import pytest
from playwright.async_api import Browser, Page, expect

from broker.events.audit import seal
from tests.browser.screenshots import sign_in
from tests.browser.site import Site
from tests.browser.test_marketplace import PHONE, opened, sideways

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


async def through(page: Page, name: str) -> None:
    """Go to another page of the console."""
    await page.get_by_role("navigation", name="Console").get_by_role("link", name=name).click()
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert await sideways(page) == 0, name


async def test_an_operator_deals_with_what_needs_somebody(chromium: Browser, site: Site) -> None:
    async with opened(chromium, java_script_enabled=False, viewport=PHONE) as page:
        await sign_in(page, site.url)
        await page.goto(site.url)
        await page.get_by_role("link", name="Operate").click()
        await expect(page.get_by_role("article").filter(has_text="Open orphans")).to_contain_text("199.00 USD a month")
        await page.get_by_role("link", name="Operations that are stuck").click()
        await expect(page.get_by_role("row").filter(has_text="ship-post")).to_contain_text("did not answer in time")
        await through(page, "Orphans")
        await page.get_by_role("link", name="ship-logs").click()
        await page.get_by_label("Why it is dealt with").fill("The provider has deleted it by hand.")
        await page.get_by_role("button", name="Resolve it").click()
        await expect(page.get_by_role("status")).to_contain_text("not tried any more")
        await through(page, "Payouts")
        await page.get_by_label("Approve 392.00 USD for find-it").check()
        await page.get_by_role("button", name="Approve those that are ticked").click()
        await expect(page.get_by_role("status")).to_contain_text("in the export for the bank")
        item = page.get_by_role("listitem").filter(has_text="392.00 USD")
        await item.get_by_label("The bank's reference").fill("transfer 7")
        await item.get_by_role("button", name="Mark as paid").click()
        await expect(page.get_by_role("row").filter(has_text="transfer 7")).to_contain_text("paid")
        await through(page, "Reconcile")
        await page.get_by_role("button", name="Compare").click()
        await expect(page.get_by_role("status")).to_contain_text("under way")
        await through(page, "Flags")
        installs = page.get_by_role("listitem").filter(has_text="Add-ons are created.")
        await installs.get_by_label("Why").fill("We move the database.")
        await installs.get_by_role("button").click()
        await expect(page.get_by_role("status")).to_contain_text("It is off")
        await installs.get_by_label("Why").fill("It is moved.")
        await installs.get_by_role("button", name="Switch it on").click()
        await expect(page.get_by_role("status")).to_contain_text("It is on")
        await through(page, "Settings")
        await through(page, "Overview")
        await expect(page.get_by_role("article").filter(has_text="Switched off")).to_contain_text(
            "Installs of rabbit-post."
        )
        await page.get_by_role("link", name="Jobs by kind").click()
        await page.get_by_role("button", name="Make again").click()
        await expect(page.get_by_role("status")).to_contain_text("made again")
        await page.goto(f"{site.url}/provider/logstream/deliveries?status=retrying")
        await page.get_by_role("button", name="Tell now").click()
        await expect(page.get_by_role("status")).to_contain_text("told once more")
        assert await sideways(page) == 0
        await page.get_by_role("link", name="Operate").click()
        await through(page, "Audit")
        await page.get_by_label("What").fill("orphan.resolved")
        await page.get_by_role("button", name="Search").click()
        await page.get_by_text("More").click()
        await expect(page.get_by_text("deleted it by hand")).to_be_visible()
        await seal(site.ctx)  # no worker runs beside these pages
        await page.get_by_role("link", name="Compute the chain again").click()
        await expect(page.get_by_text("Agrees", exact=True)).to_be_visible()
