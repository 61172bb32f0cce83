"""A team in a browser: without JavaScript, on phones, by two people."""

import re

import pytest
from playwright.async_api import Browser, Page, expect
from sqlalchemy import select

from broker.faces.mails.letters import Letters
from broker.notices.models import Notice
from broker.notices.outbox import opened as unsealed
from tests.browser.screenshots import sign_in
from tests.browser.site import Site
from tests.browser.test_marketplace import PHONE, opened, sideways

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

INVITED = "fresh@example.com"


async def test_a_team_is_made_and_whoever_is_invited_signs_up_and_sees_its_apps_but_no_value(
    chromium: Browser, site: Site
) -> None:
    async with opened(chromium, java_script_enabled=False, viewport=PHONE) as page:
        await sign_in(page, site.url)
        await page.get_by_role("link", name="Teams").click()
        await page.get_by_label("Name").fill("harbour")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_contain_text("you own it")
        await page.get_by_role("link", name="New app").click()
        await expect(page.get_by_label("Owner")).to_have_value("harbour")
        await page.get_by_label("Name").fill("harbour-lights")
        await page.get_by_role("button", name="Make the app").click()
        await page.get_by_role("link", name="Settings").click()
        await page.get_by_label("Name of new var 1").fill("BEACON")
        await page.get_by_label("Value of new var 1").fill("seven short flashes")
        await page.get_by_role("button", name="Save, in one release").click()
        await expect(page.get_by_text("BEACON")).to_be_visible()
        await page.goto(f"{site.url}/teams/harbour")
        await page.get_by_label("E-mail address").fill(INVITED)
        await page.get_by_label("Role", exact=True).select_option("viewer")
        await page.get_by_role("button", name="Invite by mail").click()
        await expect(page.get_by_role("button", name=f"Take it back: the invitation of {INVITED}")).to_be_visible()
        assert await sideways(page) == 0
    async with opened(chromium, java_script_enabled=False, viewport=PHONE, color_scheme="dark") as page:
        await _sign_up_and_join(page, site)
        await expect(page.get_by_text("Your role is viewer")).to_be_visible()
        assert await sideways(page) == 0
        await page.get_by_role("link", name="harbour-lights").click()
        await expect(page.get_by_text("lets you look at this app")).to_be_visible()
        await page.get_by_role("link", name="Settings").click()
        await expect(page.get_by_text("BEACON")).to_be_visible()
        await expect(page.get_by_role("button")).to_have_count(0)
        await expect(page.get_by_text("seven short flashes")).to_have_count(0)
        assert await sideways(page) == 0
        await page.get_by_role("link", name="harbour", exact=True).click()
        await page.get_by_role("link", name="Leave").click()
        await page.get_by_role("button", name="Leave the team").click()
        await expect(page.get_by_role("status")).to_have_text("You have left the team.")
        assert (await page.goto(f"{site.url}/dashboard/apps/harbour-lights")).status == 404  # type: ignore[union-attr]  # it answers


async def _sign_up_and_join(page: Page, site: Site) -> None:
    await page.goto(await _link(site, "team.invited"))
    await expect(page).to_have_url(f"{site.url}/teams/join")
    await expect(page.get_by_role("heading", name="Join the team harbour?")).to_be_visible()
    assert await sideways(page) == 0
    await page.get_by_role("button", name="Make an account").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mail")
    await page.goto(await _link(site, "sign_up.confirm"))
    await page.get_by_label("Password").fill("several words make a good one")
    await page.get_by_role("button").click()
    await page.get_by_role("button", name="Join").click()


async def _link(site: Site, kind: str) -> str:
    """The one in the mail of this kind."""
    async with site.ctx.database.transaction() as tx:
        mail = select(Notice.__table__).where(Notice.kind == kind, Notice.address == INVITED)
        row = (await tx.execute(mail)).one()
    text = Letters(site.url).letter(kind, unsealed(site.ctx.vault, row)).text
    found = re.search(r"\S+token=\S+", text)
    assert found is not None
    return found[0]
