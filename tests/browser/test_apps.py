"""Somebody installs an add-on with a browser, watches it, changes it and destroys it: with scripts, and on a phone without."""

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from broker.addons.queries import list_addons
from broker.addons.resolve import AddonKey, read_addon
from broker.kernel.context import Actor
from tests.browser.furniture import actor_of, settled
from tests.browser.screenshots import sign_in
from tests.browser.site import Site
from tests.browser.test_marketplace import PHONE, opened, sideways

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


async def provider_answers(site: Site, actor: Actor, name: str, refusal: str | None = None) -> None:
    """What a worker does with what the add-on waits for."""
    await settled(site.ctx, await read_addon(site.ctx, actor, AddonKey(name)), refusal)


@pytest.mark.parametrize(
    ("app", "options"),
    [("scripted", {}), ("plain", {"java_script_enabled": False, "viewport": PHONE, "color_scheme": "dark"})],
)
async def test_an_add_on_is_installed_watched_changed_and_destroyed(
    chromium: Browser, site: Site, app: str, options: dict[str, Any]
) -> None:
    actor = await actor_of(site.ctx)
    logs = f"{app}-logs"
    async with opened(chromium, **options) as page:
        await sign_in(page, site.url)
        await page.goto(f"{site.url}/marketplace/logstream")
        await page.get_by_role("link", name="Install").locator("visible=true").first.click()
        await _install(page, app, logs)
        await expect(page.get_by_role("heading", name="It is being made")).to_be_visible()
        assert await sideways(page) == 0
        await provider_answers(site, actor, logs)
        await expect(page.get_by_role("status")).to_contain_text(f"It is ready. {app} has LOGSTREAM_URL")
        await page.get_by_role("link", name="Change the plan").click()
        await page.get_by_role("link", name="Look at it: Premium").click()
        await expect(page.get_by_text("199.00 USD", exact=True)).to_be_visible()
        assert await sideways(page) == 0
        await page.get_by_role("button", name="Change it now").click()
        await expect(page.get_by_role("heading", name="The plan is being changed")).to_be_visible()
        await provider_answers(site, actor, logs, "Not on a Sunday.")
        await expect(page.get_by_role("alert")).to_contain_text("Not on a Sunday.")
        await _set_a_var(page, site.url, app)
        await page.goto(f"{site.url}/dashboard/apps/{app}")
        assert await sideways(page) == 0
        await page.get_by_role("link", name="Logstream", exact=True).click()
        await page.get_by_role("link", name="Destroy").click()
        await page.get_by_label(f"Type {logs} to confirm").fill(logs)
        await page.get_by_role("button", name="Destroy it").click()
        await expect(page.get_by_role("heading", name="It is being removed")).to_be_visible()
        await provider_answers(site, actor, logs)
        await expect(page.get_by_text("Gone")).to_be_visible()
    assert logs not in [each.name for each in await list_addons(site.ctx, actor)]


async def _install(page: Page, app: str, name: str) -> None:
    await page.get_by_role("radio", name="Standard").check()
    await page.get_by_label("Add it to").select_option("A new app")
    await page.get_by_text("Name and region of a new app").click()
    await page.get_by_label("Name of the new app").fill(app)
    await page.get_by_role("button", name="Go on").click()
    await expect(page.get_by_text("Gets LOGSTREAM_URL")).to_be_visible()
    await expect(page.get_by_text("with release v2")).to_be_visible()
    await page.get_by_text("Names", exact=True).click()
    await page.get_by_label("Name of the add-on").fill(name)
    await page.get_by_role("button", name="Install, for $49/month").click()


async def _set_a_var(page: Page, url: str, app: str) -> None:
    await page.goto(f"{url}/dashboard/apps/{app}/settings")
    assert await sideways(page) == 0
    await page.get_by_label("Name of new var 1").fill("GREETING")
    await page.get_by_label("Value of new var 1").fill("hello")
    await page.get_by_role("button", name="Save, in one release").click()
    await expect(page.get_by_role("status")).to_contain_text("in a release of their own")
    await expect(page.get_by_text("hello", exact=True)).to_have_count(0)
    await page.get_by_role("button", name="Reveal values").click()
    await expect(page.get_by_text("hello", exact=True)).to_be_visible()
    await page.goto(f"{url}/dashboard/apps/{app}/activity")
    await expect(page.get_by_text("Config vars read")).to_be_visible()
