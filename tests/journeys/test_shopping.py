"""Somebody new signs up, wants a paid add-on, adds a card for it, watches it being made, uses it, and destroys it again: in a browser."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.journeys.people import Person
from tests.journeys.test_accounts import new_page, sign_up
from tests.journeys.test_browser import PHONE, chromium, sideways
from tests.platform import Platform

__all__ = ["chromium"]

pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.timeout(400)]


@pytest_asyncio.fixture(loop_scope="session")
async def page(request: pytest.FixtureRequest, chromium: Browser, platform: Platform) -> AsyncIterator[Page]:
    """Of somebody who has just made an account."""
    opened = await new_page(chromium, platform.url, **request.param)
    opened.context.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)
    await sign_up(opened, Person(platform), platform.url)
    yield opened
    await opened.context.close()


@pytest.mark.parametrize(
    ("app", "page"),
    [("scripted", {}), ("plain", {"java_script_enabled": False, "color_scheme": "dark", **PHONE})],
    indirect=["page"],
)
async def test_a_paid_add_on_is_bought_used_changed_and_destroyed(page: Page, app: str, platform: Platform) -> None:
    app, cache = f"{app}-{secrets.token_hex(3)}", f"cache-{secrets.token_hex(3)}"
    await page.goto("/marketplace/redis")
    await page.get_by_role("link", name="Install").locator("visible=true").first.click()
    await _choose(page, app)
    await _lack_a_card_and_add_one(page, cache, platform)
    await expect(page.get_by_role("status")).to_contain_text("Your payment method is added")
    assert await page.get_by_label("Name of the add-on").input_value() == cache
    await page.get_by_role("button", name="Install, for $15/month").click()
    await expect(page.get_by_role("status")).to_contain_text(f"It is ready. {app} has REDIS_URL")
    assert await sideways(page) == 0
    await _look_at_what_it_costs_and_gives(page, app)
    await page.goto(f"/dashboard/apps/{app}/addons/{cache}")
    await page.get_by_role("link", name="Change the plan").click()
    await page.get_by_role("link", name="Look at it: Premium 1").click()
    await page.get_by_role("button", name="Change it now").click()
    await expect(page.get_by_text("redis:premium-1", exact=True)).to_be_visible()
    await _land_signed_in(page, cache, by_hand=app.startswith("plain"))
    await page.goto(f"/dashboard/apps/{app}/addons/{cache}")
    await page.get_by_role("link", name="Destroy").click()
    await page.get_by_label(f"Type {cache} to confirm").fill(cache)
    await page.get_by_role("button", name="Destroy it").click()
    await expect(page.get_by_text("Gone")).to_be_visible()


async def _choose(page: Page, app: str) -> None:
    await page.get_by_role("radio", name="Premium 0").check()
    await page.get_by_label("Name of the new app").fill(app)
    await page.get_by_role("button", name="Go on").click()
    await expect(page.get_by_text("Gets REDIS_URL")).to_be_visible()


async def _lack_a_card_and_add_one(page: Page, name: str, platform: Platform) -> None:
    """Over the gateway's own page, and back to where it was wanted."""
    await page.get_by_text("Names", exact=True).click()
    await page.get_by_label("Name of the add-on").fill(name)
    await page.get_by_role("button", name="Install, for $15/month").click()
    await page.get_by_role("link", name="To your payment methods").click()
    await expect(page.get_by_text("you go on where you were")).to_be_visible()
    assert await sideways(page) == 0
    await page.get_by_role("button", name="Add a payment method").click()
    await page.get_by_label("Number of a test card").fill("4242 4242 4242 4242")
    assert not page.url.startswith(platform.url), "cards are entered elsewhere"
    await page.get_by_role("button", name="Add the card").click()
    await page.wait_for_url(f"{platform.url}/install/redis?*")


async def _look_at_what_it_costs_and_gives(page: Page, app: str) -> None:
    await page.goto(f"/dashboard/apps/{app}")
    await expect(page.get_by_text("15.00 USD").first).to_be_visible()
    await page.goto(f"/dashboard/apps/{app}/settings")
    await expect(page.get_by_text("redis://")).to_have_count(0)
    await page.get_by_role("button", name="Reveal values").click()
    await expect(page.get_by_text("redis://").first).to_be_visible()


async def _land_signed_in(page: Page, name: str, *, by_hand: bool) -> None:
    """In the provider's dashboard, without a password."""
    await page.get_by_role("link", name="Open its dashboard").click()
    if by_hand:
        await page.get_by_role("button", name="Continue to Redis").click()
    await page.wait_for_url("**/dashboard/*")
    await expect(page.get_by_role("heading", level=1)).to_have_text(name)
    assert "ticket" not in page.url
