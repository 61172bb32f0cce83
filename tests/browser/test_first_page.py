"""What the first page weighs, that nothing on it moves once it is seen, and that ways begin where one is."""

from typing import Any

import pytest
from playwright.async_api import Browser, Page

from tests.browser.screenshots import sign_in
from tests.browser.site import Site
from tests.browser.test_marketplace import PHONE, opened

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

MOST_BYTES = 100 * 1024
SHIFTS = """
window.shifted = [];
new PerformanceObserver((list) => { for (const each of list.getEntries()) window.shifted.push(each.value); })
  .observe({type: "layout-shift", buffered: true});
"""
IN_SIGHT = """(nav) => {
  const row = nav.getBoundingClientRect(), here = nav.querySelector("[aria-current]").getBoundingClientRect();
  return here.left >= row.left - 1 && here.right <= row.right + 1;
}"""


async def carried(page: Page, url: str) -> int:
    """How much is carried over the wire until the page is there and quiet. Units: bytes."""
    tools, loaded = await page.context.new_cdp_session(page), []
    await tools.send("Network.enable")
    tools.on("Network.loadingFinished", lambda event: loaded.append(event["encodedDataLength"]))
    await page.goto(url, wait_until="networkidle")
    assert len(loaded) > 3, "the page, its style, its scripts, and pictures"
    return int(sum(loaded))


@pytest.mark.parametrize("options", [{}, {"viewport": PHONE, "color_scheme": "dark"}])
async def test_the_first_page_is_light_and_nothing_on_it_moves(
    chromium: Browser, site: Site, options: dict[str, Any]
) -> None:
    async with opened(chromium, **options) as page:
        await page.add_init_script(SHIFTS)
        assert await carried(page, site.url) <= MOST_BYTES
        for path in ("/", "/search", "/marketplace/logstream"):
            await page.goto(site.url + path, wait_until="networkidle")
            await page.mouse.wheel(0, 4000)  # what is loaded when it comes into sight must not move anything either
            await page.wait_for_load_state("networkidle")
            assert await page.evaluate("window.shifted") == [], path
            sizeless = "[...document.images].filter((each) => !each.getAttribute('width')).map((each) => each.src)"
            assert await page.evaluate(sizeless) == [], path


@pytest.mark.parametrize("scripted", [True, False])
async def test_on_a_phone_a_row_of_ways_begins_where_one_is_and_can_be_moved(
    chromium: Browser, site: Site, *, scripted: bool
) -> None:
    async with opened(chromium, viewport=PHONE, java_script_enabled=scripted) as page:
        await sign_in(page, site.url)
        for path, name in (
            ("/account/notices", "Account"),
            ("/account/profile", "Account"),
            ("/operator/audit", "Console"),
            ("/dashboard/apps/intu-jokes/settings", "intu-jokes"),
        ):
            await page.goto(site.url + path)
            nav = page.get_by_role("navigation", name=name)
            assert await nav.evaluate(IN_SIGHT), path
        await page.goto(f"{site.url}/account/notices")
        row = page.get_by_role("navigation", name="Account")
        await page.wait_for_timeout(300)  # the moment in which it snaps
        await row.evaluate("(nav) => { nav.scrollLeft = 0; }")
        assert await row.evaluate("(nav) => nav.scrollLeft") == 0
        assert not await row.evaluate(IN_SIGHT)
