"""Who holds a cookie: never the one that somebody else set or saw before, and never longer than its owner wants."""

from collections.abc import AsyncIterator
from urllib.parse import quote, urlsplit

import httpx
import pytest
from fastapi import FastAPI

from broker.app import create_app
from broker.kernel.context import Context
from broker.web.browser import HOME, local_path
from tests.domain import StoppedClock
from tests.oauth.conftest import ISSUER, PASSWORD, Browser, ann, over_wire, password
from tests.platform_api.conftest import settings
from tests.web.test_accounts import COOKIE, send, set_up_app

__all__ = ["ann", "password"]
HOST = urlsplit(ISSUER).hostname or ""
GOOD = "several words make a good one"


@pytest.fixture
def app(ctx: Context) -> FastAPI:
    return create_app(ctx, settings(public_url=ISSUER))


@pytest.fixture
async def browser(app: FastAPI, password: str) -> AsyncIterator[Browser]:
    async with over_wire(app) as http:
        yield Browser(http)


def session(browser: Browser) -> str:
    return browser.http.cookies[COOKIE]


async def is_in(app: FastAPI, cookie: str) -> bool:
    async with over_wire(app) as http:
        http.cookies.set(COOKIE, cookie, HOST, "/")
        return (await http.get("/account/profile")).status_code == 200


async def test_a_cookie_that_was_planted_signs_in_nobody_and_is_replaced(browser: Browser, app: FastAPI) -> None:
    browser.http.cookies.set(COOKIE, "planted", HOST, "/")
    await browser.sign_in()
    assert session(browser) != "planted"
    assert not await is_in(app, "planted")
    first = session(browser)
    await browser.sign_in()
    assert not await is_in(app, first), "the session of before has ended with the new one"


async def test_showing_who_one_is_changes_the_cookie_so_that_a_copy_gains_nothing(
    browser: Browser, app: FastAPI, clock: StoppedClock
) -> None:
    await browser.sign_in()
    before = session(browser)
    wrong = await send(browser, "/account/prove", "/account/prove", password="wrong", next="/account/security")
    assert (wrong.status_code, session(browser)) == (422, before)
    clock.advance(minutes=16)
    proved = await send(browser, "/account/prove", "/account/prove", password=PASSWORD, next="/account/two-factor")
    assert proved.headers["location"] == "/account/two-factor"
    assert session(browser) != before
    assert (await is_in(app, before), await is_in(app, session(browser))) == (False, True)


async def test_the_first_factor_and_a_new_password_sign_every_other_browser_out(browser: Browser, app: FastAPI) -> None:
    async with over_wire(app) as http:
        other = Browser(http)
        await other.sign_in()
        await browser.sign_in()
        assert await is_in(app, session(other))
        await set_up_app(browser, browser_clock(app))
        assert (await is_in(app, session(other)), await is_in(app, session(browser))) == (False, True)
    before = session(browser)
    changed = await send(browser, "/account/security", "/account/password", old=PASSWORD, password=GOOD)
    assert changed.status_code == 303
    assert (await is_in(app, before), await is_in(app, session(browser))) == (False, True)
    last = session(browser)
    await send(browser, "/logout", "/logout")
    assert not await is_in(app, last), "it has ended here, not in the browser alone"


def browser_clock(app: FastAPI) -> StoppedClock:
    clock: StoppedClock = app.state.ctx.clock
    return clock


LEADING_AWAY = (
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\r/evil.example",
    "/\n//evil.example",
    "\t//evil.example",
    " //evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:\\\\evil.example",
    "HTTPS://evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "//[::1]",
    "//evil.example@broker.example.com",
    "@evil.example",
    ".evil.example",
    "/\u2215/evil.example",
    "\uff0f\uff0fevil.example",
    "/\u3002evil.example",
    "/\x00/evil.example",
    "x" * 100_000,
    "//" + "a" * 100_000,
)


@pytest.mark.parametrize("wanted", LEADING_AWAY)
def test_nothing_that_is_asked_for_leads_to_another_host(wanted: str) -> None:
    assert local_path(wanted) == HOME


@pytest.mark.parametrize(
    "wanted",
    [
        "/%2f%2fevil.example",
        "/.//evil.example",
        "/a//evil.example",
        "/..//evil.example",
        "/;//evil",
        "/?//evil",
        "/#//evil",
    ],
)
def test_what_looks_so_and_stays_here_may_pass(wanted: str) -> None:
    there = httpx.URL(ISSUER).join(local_path(wanted))
    assert (there.scheme, there.host) == ("https", HOST)


async def test_every_way_on_is_looked_at(browser: Browser) -> None:
    """At each place that takes one, from the address or from a form."""
    places = ("/login", "/login/code", "/account/prove")
    evil = [wanted for wanted in LEADING_AWAY if len(wanted) < 1000]
    for place in places:
        for wanted in evil:
            page = await browser.http.get(f"{place}?next={quote(wanted, safe='')}&next=//evil.example")
            assert "evil" not in urlsplit(page.headers.get("location", "")).netloc
            assert not any(mark in page.text for mark in ('value="//', 'href="//', "evil.example"))
    for wanted in evil[:3]:
        assert (await browser.sign_in(onward=wanted)).headers["location"] == HOME
        proved = await send(browser, "/account/prove", "/account/prove", password=PASSWORD, next=wanted)
        assert proved.headers["location"] == HOME
