"""Signing in to the pages: cookies, forms, guessing, and where one is led afterwards."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from broker.accounts.login import ATTEMPTS
from broker.app import create_app
from broker.kernel.context import Actor, Context
from broker.web.browser import HOME, local_path
from tests.oauth.conftest import EMAIL, ISSUER, PASSWORD, Browser, ann, fields_of, over_wire, password
from tests.platform_api.conftest import settings

__all__ = ["ann", "password"]

COOKIE = "__Host-broker-session"


@pytest.fixture
def app(ctx: Context) -> FastAPI:
    return create_app(ctx, settings(public_url=ISSUER))


@pytest.fixture
async def stranger(app: FastAPI, password: str) -> AsyncIterator[Browser]:
    """A browser in which nobody is signed in."""
    async with over_wire(app) as http:
        yield Browser(http)


async def test_whoever_signs_in_gets_a_cookie_that_scripts_and_other_sites_cannot_use(stranger: Browser) -> None:
    answer = await stranger.sign_in()
    assert (answer.status_code, answer.headers["location"]) == (303, HOME)
    cookie = next(text for text in answer.headers.get_list("set-cookie") if text.startswith(COOKIE))
    assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    assert EMAIL in (await stranger.http.get("/logout")).text


async def test_without_https_the_cookie_goes_by_another_name(ctx: Context, password: str) -> None:
    app = create_app(ctx, settings())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:5000") as http:
        answer = await Browser(http).sign_in()
    assert "broker-session" in answer.cookies
    assert not any("Secure" in text for text in answer.headers.get_list("set-cookie"))


async def test_every_sign_in_is_a_session_of_its_own_and_ends_the_one_before(stranger: Browser) -> None:
    stranger.http.cookies.set(COOKIE, "chosen-by-somebody-else", "broker.example.com", "/")
    await stranger.sign_in()
    first = stranger.http.cookies[COOKIE]
    assert first != "chosen-by-somebody-else"
    await stranger.sign_in()
    assert stranger.http.cookies[COOKIE] != first
    stranger.http.cookies.set(COOKIE, first, "broker.example.com", "/")
    assert (await stranger.http.get(HOME)).headers["location"].startswith("/login?next=")


async def test_wrong_passwords_and_unknown_addresses_read_alike_and_are_braked(stranger: Browser) -> None:
    wrong = await stranger.sign_in(password="wrong")
    unknown = await stranger.sign_in(email="nobody@example.com")
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    for answer in (wrong, unknown):
        assert "Invalid e-mail address or password." in answer.text
        assert COOKIE not in answer.cookies
    for _ in range(ATTEMPTS - 1):
        await stranger.sign_in(password="wrong")
    braked = await stranger.sign_in()
    assert (braked.status_code, COOKIE in braked.cookies) == (429, False)
    assert PASSWORD not in braked.text


async def test_nobody_is_signed_in_by_a_page_elsewhere(stranger: Browser, app: FastAPI) -> None:
    async with over_wire(app) as elsewhere:
        theirs = fields_of((await elsewhere.get("/login")).text)
    known = {"email": EMAIL, "password": PASSWORD}
    mine = fields_of((await stranger.http.get("/login")).text)
    for fields in (known, {**known, **theirs}, {**known, "form_token": "00"}):
        answer = await stranger.http.post("/login", data=fields)
        assert (answer.status_code, COOKIE in answer.cookies) == (403, False)
    answer = await stranger.http.post("/login", data={**known, **mine}, headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
    assert (await stranger.http.post("/login", data={**known, **mine})).status_code == 303


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example/",
        "/a\\b",
        "javascript:alert(1)",
        "evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "///evil.example",
        "",
        "http:/evil.example",
        "/é",
        "http://[",
        "//[",
    ],
)
def test_nobody_is_led_away(wanted: str) -> None:
    assert local_path(wanted) == HOME


async def test_one_is_led_to_where_one_wanted_to_go(stranger: Browser) -> None:
    assert (await stranger.sign_in(onward="https://evil.example/")).headers["location"] == HOME
    assert (await stranger.sign_in(onward="/logout")).headers["location"] == "/logout"
    asked = await stranger.sign_in(onward="/oauth/authorize?client_id=a&state=%22")
    assert asked.status_code == 200
    assert 'content="0;url=/oauth/authorize?client_id=a&amp;state=%22"' in asked.text


async def test_a_browser_is_called_what_its_user_calls_it(stranger: Browser) -> None:
    stranger.http.headers["user-agent"] = (
        "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0 Mobile Safari/537.36 Edg/1"
    )
    await stranger.sign_in()
    assert "<h3>Edge on Android " in (await stranger.http.get("/account/security")).text


async def test_signing_out_needs_the_form_and_ends_the_session(stranger: Browser) -> None:
    await stranger.sign_in()
    cookie = stranger.http.cookies[COOKIE]
    assert (await stranger.http.post("/logout", data={})).status_code == 403
    page = await stranger.http.get("/logout")
    assert EMAIL in page.text
    await stranger.http.post("/logout", data=fields_of(page.text))
    assert COOKIE not in stranger.http.cookies
    stranger.http.cookies[COOKIE] = cookie
    assert (await stranger.http.get(HOME)).status_code == 303


async def test_pages_cannot_be_framed_and_run_no_script_but_ours(stranger: Browser) -> None:
    for path, script in (("/login", "script-src 'self'"), ("/logout", "script-src 'none'")):
        if path == "/logout":
            await stranger.sign_in()
        headers = (await stranger.http.get(path)).headers
        assert headers["x-frame-options"] == "DENY"
        policy = headers["content-security-policy"]
        for rule in ("default-src 'none'", "frame-ancestors 'none'", script, "style-src 'self'"):
            assert rule in policy
        assert headers["cache-control"] == "no-store"
    style = await stranger.http.get("/static/style.css")
    assert style.headers["content-type"].startswith("text/css")
    assert (await stranger.http.get("/static/../pages.py")).status_code == 404


async def test_a_user_without_password_signs_in_nowhere(app: FastAPI, ann: Actor) -> None:
    async with over_wire(app) as http:
        assert (await Browser(http).sign_in(password="")).status_code == 401
