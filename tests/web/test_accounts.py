"""The pages of the account over the wire, as a browser without JavaScript uses them."""

import base64
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from broker.accounts.passkeys import Site
from broker.accounts.totp import code_at, step_of
from broker.app import create_app
from broker.faces.mails.letters import Letters
from broker.flags.switch import set_flag
from broker.kernel.context import Actor, Context
from broker.notices.models import Notice
from broker.notices.outbox import opened
from broker.oauth.sessions import begin_session
from broker.web.browser import HOME
from tests.accounts.test_passkeys import Key, added
from tests.domain import StoppedClock, new_user
from tests.oauth.conftest import EMAIL, ISSUER, PASSWORD, Browser, ann, fields_of, over_wire, password
from tests.platform_api.conftest import settings, token_of

__all__ = ["ann", "password"]

COOKIE = "__Host-broker-session"
NEW, GOOD = "new@example.com", "several words make a good one"


@pytest.fixture
def app(ctx: Context) -> FastAPI:
    return create_app(ctx, settings(public_url=ISSUER, sign_up="open"))


@pytest.fixture
async def browser(app: FastAPI, password: str) -> AsyncIterator[Browser]:
    """One in which nobody is signed in."""
    async with over_wire(app) as http:
        yield Browser(http)


async def newest_mail(ctx: Context) -> tuple[str, str, str]:
    """Its kind, its receiver, and its text."""
    async with ctx.database.transaction() as tx:
        newest = select(Notice.__table__).order_by(Notice.created_at.desc(), Notice.id.desc()).limit(1)
        row: Any = (await tx.execute(newest)).one()
    return row.kind, row.address, Letters(ISSUER).letter(row.kind, opened(ctx.vault, row)).text


async def link_in_mail(ctx: Context) -> str:
    _, _, text = await newest_mail(ctx)
    found = re.search(rf"{re.escape(ISSUER)}(/\S+token=\S+)", text)
    assert found is not None, text
    return found[1]


async def send(browser: Browser, page: str, action: str, **fields: str) -> httpx.Response:
    """Open a page and send the form on it that goes to `action`."""
    shown = await browser.http.get(page)
    assert shown.status_code == 200, (page, shown.status_code, shown.headers.get("location"))
    assert f'action="{action}"' in shown.text, (page, action)
    form = shown.text[shown.text.index(f'action="{action}"') :]
    return await browser.http.post(action, data={**fields_of(form[: form.index("</form>")]), **fields})


async def set_up_app(browser: Browser, clock: StoppedClock) -> tuple[bytes, httpx.Response]:
    """Turn an authenticator app on, reading the secret from the page as a person would type it."""
    page = (await browser.http.get("/account/two-factor")).text
    assert "<svg" in page
    typed = re.search(r'<code class="mono">([A-Z2-7 ]+)</code>', page)
    assert typed is not None
    text = typed[1].replace(" ", "")
    secret = base64.b32decode(text + "=" * (-len(text) % 8))
    return secret, await send(browser, "/account/two-factor", "/account/two-factor/app", code=_code(clock, secret))


def _code(clock: StoppedClock, secret: bytes) -> str:
    return code_at(secret, step_of(clock.now()))


async def test_sign_up_confirm_two_factor_and_sign_in_again(
    browser: Browser, ctx: Context, clock: StoppedClock
) -> None:
    for email in (EMAIL, NEW):  # known or not: the same answer
        answer = await send(browser, "/signup", "/signup", email=email)
        assert (answer.status_code, f"on its way to <strong>{email}</strong>" in answer.text) == (200, True)
    link = await link_in_mail(ctx)
    assert (await browser.http.get(link)).status_code == (await browser.http.get(link)).status_code == 200
    weak = await send(browser, link, "/confirm", password="password12")
    assert (weak.status_code, "tried first" in weak.text) == (422, True)
    made = await send(browser, link, "/confirm", password=GOOD, name="<b>New</b>")
    assert (made.status_code, COOKIE in browser.http.cookies) == (303, True)
    assert (await newest_mail(ctx))[0] == "session.new_device"
    assert "&lt;b&gt;New&lt;/b&gt;" in (await browser.http.get("/account/profile")).text
    assert (await browser.http.get(link)).status_code == 422, "used"
    secret, shown = await set_up_app(browser, clock)
    codes = re.findall(r"\b[a-z2-7]{4}(?:-[a-z2-7]{4}){3}\b", shown.text)
    assert len(codes) == 10
    assert "On</span>" in (await browser.http.get("/account/two-factor")).text
    clock.advance(minutes=2)
    half = await browser.sign_in(NEW, GOOD, "/account/security")
    assert half.headers["location"] == "/login/code?next=%2Faccount%2Fsecurity"
    old = browser.http.cookies[COOKIE]
    page = half.headers["location"]
    wrong = await send(browser, page, "/login/code", code="000000")
    assert (wrong.status_code, "wrong" in wrong.text) == (403, True)
    whole = await send(browser, page, "/login/code", code=_code(clock, secret))
    assert (whole.status_code, whole.headers["location"]) == (303, "/account/security")
    assert browser.http.cookies[COOKIE] != old
    assert "__Host-broker-half-way" not in browser.http.cookies
    await browser.sign_in(NEW, GOOD)
    assert (await send(browser, page, "/login/code", code=codes[0])).status_code == 303, "a recovery code"


async def test_half_a_sign_in_opens_nothing_and_ends_with_the_password_or_after_minutes(
    browser: Browser, app: FastAPI, ctx: Context, clock: StoppedClock
) -> None:
    await browser.sign_in()
    secret, _ = await set_up_app(browser, clock)
    clock.advance(minutes=2)
    async with over_wire(app) as http:
        other = Browser(http)
        await other.sign_in()
        assert COOKIE not in http.cookies
        for path in ("/account/profile", "/account/security"):
            assert (await http.get(path)).headers["location"].startswith("/login?next=")
        half = http.cookies["__Host-broker-half-way"]
        http.cookies.set(
            "__Host-broker-half-way", half[:-1] + ("0" if half[-1] != "0" else "1"), "broker.example.com", "/"
        )
        forged = await send(other, "/login/code", "/login/code", code=_code(clock, secret))
        assert (forged.status_code, COOKIE in http.cookies) == (401, False)
        http.cookies.set("__Host-broker-half-way", half, "broker.example.com", "/")
        clock.advance(minutes=11)
        late = await send(other, "/login/code", "/login/code", code=_code(clock, secret))
        assert (late.status_code, "Sign in again" in late.text) == (401, True)


async def test_a_forgotten_password_is_replaced_by_mail_and_lets_nobody_in_by_itself(
    browser: Browser, ctx: Context
) -> None:
    for email in ("nobody@example.com", EMAIL):
        assert "If there is an account" in (await send(browser, "/reset", "/reset", email=email)).text
    link = await link_in_mail(ctx)
    done = await send(browser, link, "/reset/choose", password=GOOD)
    assert (done.status_code, done.headers["location"]) == (303, "/login?done=password")
    assert "Your new password is set." in (await browser.http.get("/login?done=password")).text
    assert COOKIE not in browser.http.cookies
    assert (await browser.sign_in()).status_code == 401
    assert (await browser.sign_in(password=GOOD)).status_code == 303


async def test_what_is_dangerous_asks_for_the_password_again(
    browser: Browser, ctx: Context, clock: StoppedClock
) -> None:
    await browser.sign_in()
    clock.advance(minutes=16)
    for path in ("/account/two-factor",):
        sent = await browser.http.get(path)
        assert sent.headers["location"] == "/account/prove?next=%2Faccount%2Ftwo-factor"
    refused = await send(browser, "/account/profile", "/account/email", email=NEW)
    assert refused.headers["location"] == "/account/prove?next=%2Faccount%2Fprofile"
    proof = "/account/prove?next=%2Faccount%2Fprofile"
    assert (await send(browser, proof, "/account/prove", password="wrong")).status_code == 422
    assert (await send(browser, proof, "/account/prove", password=PASSWORD)).headers["location"] == "/account/profile"
    assert (await send(browser, "/account/profile", "/account/email", email=NEW)).status_code == 303
    confirmed = await send(browser, await link_in_mail(ctx), "/account/email/confirm")
    assert confirmed.headers["location"] == "/account/profile?done=email"
    assert NEW in (await browser.http.get("/account/profile")).text
    kind, to, _ = await newest_mail(ctx)
    assert (kind, to) == ("email.changed", EMAIL)


async def test_a_session_and_the_password_do_not_make_up_for_the_second_factor(
    browser: Browser, clock: StoppedClock
) -> None:
    await browser.sign_in()
    secret, _ = await set_up_app(browser, clock)
    clock.advance(minutes=16)
    here = "/account/two-factor"
    proof = f"/account/prove?next={quote(here, safe='')}"
    assert (await send(browser, proof, "/account/prove", password=PASSWORD)).status_code == 422, "without a code"
    wrong = await send(browser, proof, "/account/prove", password=PASSWORD, code="000000")
    assert (wrong.status_code, "code is wrong" in wrong.text) == (403, True)
    changed = await send(browser, "/account/security", "/account/password", old=PASSWORD, password=GOOD)
    assert changed.headers["location"] == "/account/prove?next=%2Faccount%2Fsecurity", "a new session would be proved"
    assert (await browser.http.get(here)).headers["location"] == proof
    right = await send(browser, proof, "/account/prove", password=PASSWORD, code=_code(clock, secret))
    assert right.headers["location"] == here
    assert (await send(browser, here, "/account/two-factor/app/remove")).headers["location"] == f"{here}?done=removed"


async def test_a_passkey_of_ones_own_is_proof_enough(
    browser: Browser, ctx: Context, clock: StoppedClock, ann: Actor, mallory: Actor
) -> None:
    site = Site.of(ISSUER)
    assert site is not None
    mine, other = Key(origin=ISSUER), Key(origin=ISSUER)
    await added(ctx, ann, site, mine)
    await added(ctx, mallory, site, other)
    cookie = await begin_session(ctx, ann, "Firefox")
    browser.http.cookies.set(COOKIE, cookie.reveal(), "broker.example.com", "/")
    clock.advance(minutes=16)
    for key, status in ((other, 422), (mine, 303)):
        page = (await browser.http.get("/account/prove?next=/account/two-factor")).text
        form = page[page.index("data-passkey") :]
        options = re.search(r'data-options="([^"]*)"', form)
        assert options is not None
        fields = {**fields_of(form), "answer": key.signed(json.loads(unescape(options[1])))}
        assert (await browser.http.post("/account/prove", data=fields)).status_code == status
    assert (await browser.http.get("/account/two-factor")).status_code == 200


async def test_a_new_password_ends_every_other_session_and_renews_this_one(
    browser: Browser, app: FastAPI, ctx: Context
) -> None:
    await browser.sign_in()
    mine = browser.http.cookies[COOKIE]
    async with over_wire(app) as http:
        await Browser(http).sign_in()
        form = {"old": "wrong", "password": GOOD}
        assert (await send(browser, "/account/security", "/account/password", **form)).status_code == 422
        changed = await send(browser, "/account/security", "/account/password", old=PASSWORD, password=GOOD)
        assert changed.headers["location"] == "/account/security?done=password"
        assert browser.http.cookies[COOKIE] != mine
        assert "Your password is changed." in (await browser.http.get(changed.headers["location"])).text
        assert (await http.get("/account/security")).status_code == 303


async def test_devices_are_listed_with_where_and_when_and_ended(browser: Browser, app: FastAPI) -> None:
    await browser.sign_in()
    async with over_wire(app) as http:
        http.headers["user-agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
        await Browser(http).sign_in()
        page = (await browser.http.get("/account/security")).text
        assert "Firefox on Linux" in page
        assert "from 127.0.0.1" in page
        await send(browser, "/account/security", "/account/sessions/end-others")
        assert (await http.get("/account/security")).status_code == 303
    assert (await browser.http.get("/account/security")).status_code == 200


async def test_a_token_is_made_on_the_page_and_shown_once(browser: Browser, app: FastAPI) -> None:
    await browser.sign_in()
    made = await send(
        browser, "/account/authorizations", "/account/tokens", description="<i>ci</i>", scope="read", days="7"
    )
    found = re.search(r"HRKU-[\w-]{43}", made.text)
    assert found is not None
    assert "<i>" not in made.text
    assert found[0] not in (await browser.http.get("/account/authorizations")).text
    answer = await browser.http.get("/account", headers={"authorization": f"Bearer {found[0]}"})
    assert answer.json()["email"] == EMAIL
    bad = await send(browser, "/account/authorizations", "/account/tokens", description="x", scope="all", days="7")
    assert (bad.status_code, "scope: must be" in bad.text) == (422, True)


INSIDE = (
    "/account/profile",
    "/account/email",
    "/account/email/confirm",
    "/account/password",
    "/account/sessions/end-others",
    "/account/prove",
    "/account/tokens",
    "/account/passkeys",
    "/account/two-factor/app",
    "/account/two-factor/app/remove",
    "/account/two-factor/codes",
    "/account/two-factor/policy",
    "/auth/browser/x",
)
OUTSIDE = ("/signup", "/confirm", "/reset", "/reset/choose", "/login/code", "/login/passkey")


async def test_no_form_of_another_page_does_anything(browser: Browser, app: FastAPI) -> None:
    await browser.sign_in()
    good = fields_of((await browser.http.get("/account/profile")).text)
    wrong: tuple[tuple[dict[str, str], dict[str, str]], ...] = (
        ({}, {}),
        ({"form_token": "00"}, {}),
        (good, {"sec-fetch-site": "cross-site"}),
    )
    async with over_wire(app) as nobody:
        for path in INSIDE:
            for fields, headers in wrong:
                assert (await browser.http.post(path, data=fields, headers=headers)).status_code == 403, path
            assert (await nobody.post(path, data={})).headers["location"].startswith("/login"), path


async def test_no_form_from_outside_is_taken_from_elsewhere(browser: Browser, app: FastAPI) -> None:
    async with over_wire(app) as elsewhere:
        theirs = fields_of((await elsewhere.get("/login")).text)
    for path in OUTSIDE:
        for fields in ({}, theirs):
            assert (await browser.http.post(path, data={"email": NEW, **fields})).status_code == 403, path


async def test_nobody_is_led_elsewhere(browser: Browser) -> None:
    await browser.sign_in()
    for evil in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        proved = await send(browser, "/account/prove", "/account/prove", password=PASSWORD, next=evil)
        assert proved.headers["location"] == HOME
        asked = await browser.http.get("/login/code", params={"next": evil})
        assert "evil" not in asked.headers["location"]


async def test_while_operators_have_sign_up_off_the_page_says_why(browser: Browser, ctx: Context) -> None:
    operator = replace(await new_user(ctx, "operator@example.com"), is_operator=True)
    await send(browser, "/signup", "/signup", email=NEW)
    link = await link_in_mail(ctx)
    sent = fields_of((await browser.http.get("/signup")).text)
    await set_flag(ctx, operator, "sign-up", False, "Too many <b>robots</b>.")
    for answer in (
        await browser.http.get("/signup"),
        await browser.http.post("/signup", data={**sent, "email": NEW}),
        await send(browser, link, "/confirm", password=GOOD),
    ):
        assert (answer.status_code, "Too many &lt;b&gt;robots&lt;/b&gt;." in answer.text) == (503, True)


async def test_where_sign_up_is_closed_nobody_signs_up(ctx: Context) -> None:
    async with over_wire(create_app(ctx, settings(public_url=ISSUER))) as http:
        assert (await http.get("/signup")).status_code == 404
        assert (await http.post("/signup", data={"email": NEW})).status_code == 404
        assert "/signup" not in (await http.get("/login")).text


async def test_browsers_find_the_account_where_programs_do(browser: Browser, ctx: Context, ann: Actor) -> None:
    wants = {"accept": "text/html,application/xhtml+xml"}
    assert (await browser.http.get("/account", headers=wants)).headers["location"] == "/account/profile"
    token = {"authorization": f"Bearer {await token_of(ctx, ann)}"}
    assert (await browser.http.get("/account", headers=wants | token)).json()["email"] == EMAIL
