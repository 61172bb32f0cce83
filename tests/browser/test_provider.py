"""A provider registers a service with a browser, tries a change out, pushes it and sees its listing: also on a phone without scripts."""

import json
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.screenshots import sign_in
from tests.browser.site import Site
from tests.browser.test_marketplace import PHONE, opened, sideways
from tests.catalog.shelf import manifest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


@pytest.mark.parametrize(
    ("slug", "options"),
    [("songbird", {}), ("nightbird", {"java_script_enabled": False, "viewport": PHONE, "color_scheme": "dark"})],
)
async def test_a_service_is_registered_changed_and_seen(
    chromium: Browser, site: Site, slug: str, options: dict[str, Any]
) -> None:
    async with opened(chromium, **options) as page:
        await sign_in(page, site.url)
        await page.goto(site.url)
        await page.get_by_role("link", name="Offer an add-on").click()
        contents = manifest(slug, slug.title(), "Sings")
        await _fill(page, contents | {"plans": [{"name": "A Plan"}]}, "Register it")
        await expect(page.get_by_role("alert").first).to_contain_text("nothing was pushed")
        await _fill(page, contents, "Register it")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Keep this now")
        assert await sideways(page) == 0
        await page.get_by_role("link", name="I have kept it").click()
        await page.get_by_role("link", name="Manifest", exact=True).click()
        shown = json.loads(await page.get_by_label("Manifest (JSON)").input_value())
        assert shown["api"]["password"] == "***"
        shown["plans"].append({"name": "choir", "price_cents": 4200})
        await _fill(page, shown, "Check and preview")
        await expect(page.get_by_role("heading", name="It can be pushed")).to_be_visible()
        await expect(page.get_by_text("42.00 USD")).to_be_visible()
        assert await sideways(page) == 0
        await page.get_by_role("button", name="Push", exact=True).click()
        await expect(page.get_by_role("status")).to_have_text("It is pushed, and published.")
        await expect(page.get_by_role("rowheader", name="/plans/choir")).to_be_visible()
        await page.get_by_role("link", name="Overview").click()
        await page.get_by_role("button", name="Ask for a review").click()
        await expect(page.get_by_role("status")).to_contain_text("The operators are asked.")
        assert await sideways(page) == 0
        await page.get_by_role("link", name="See its listing").click()
        await expect(page.get_by_role("columnheader", name="choir").first).to_be_visible()


async def _fill(page: Page, contents: dict[str, Any], button: str) -> None:
    await page.get_by_label("Manifest (JSON)").fill(json.dumps(contents, indent=2))
    await page.get_by_role("button", name=button, exact=True).click()
