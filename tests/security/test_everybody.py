"""The walk of test_pages.py as everybody, and once more with a real browser that obeys no policy: nothing of others runs in it."""

import pytest
from playwright.async_api import Browser, Page, Route
from structlog.testing import capture_logs

from broker.kernel.context import Context
from tests.browser.conftest import chromium
from tests.security.hostile import HOSTILE, MARK, spread
from tests.security.site import NOBODY, PEOPLE, site
from tests.security.walk import Walk

__all__ = ["chromium"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

_LISTEN = f"window.ran = 0; window.{MARK} = () => {{ window.ran += 1 }}"
_TOUCH = """() => {
  for (const each of document.querySelectorAll("*"))
    for (const kind of ["mouseover", "pointerenter", "focus", "toggle", "animationstart"])
      each.dispatchEvent(new Event(kind))
  return window.ran
}"""


async def ran(page: Page, html: str) -> int:
    """How often the text of others ran in this page."""

    given: list[str] = [html]

    async def answer(route: Route) -> None:
        if given and route.request.is_navigation_request():  # once: a page of ours sends its form by itself
            given.clear()
            await route.fulfill(body=html, content_type="text/html; charset=utf-8")
        else:
            await route.abort()

    await page.route("**/*", answer)
    await page.goto("http://127.0.0.1:65000/", wait_until="load")
    count: int = await page.evaluate(_TOUCH)
    await page.unroute("**/*", answer)
    return count


async def test_nothing_of_others_runs_whoever_looks(ctx: Context, chromium: Browser) -> None:
    walk = Walk()
    with capture_logs():
        async with site(ctx) as place:
            await spread(ctx)
            for key in place.pages("GET"):
                await walk.visit(place, key, [*PEOPLE, NOBODY])
    assert not walk.faults, "\n".join(walk.faults)
    context = await chromium.new_context(bypass_csp=True)
    await context.add_init_script(_LISTEN)
    page = await context.new_page()
    assert await ran(page, f"<!doctype html><title>x</title><p>{HOSTILE}") > 0, "where it may, it runs"
    hostile = {html: where for where, html in walk.seen.items() if MARK in html}
    assert len(hostile) > 100
    assert [where for html, where in hostile.items() if await ran(page, html)] == []
    await context.close()
