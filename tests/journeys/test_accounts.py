"""People with a browser make accounts, prove them twice, and sign in: with codes, without JavaScript, with a passkey."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.journeys.people import Person, send, signed_up
from tests.journeys.test_browser import PHONE, QUIET, sideways
from tests.platform import Platform
from tests.waiting import until

pytestmark = [pytest.mark.journey, pytest.mark.browser, pytest.mark.timeout(400)]

HOSTS = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def chromium(chromium_program: str) -> AsyncIterator[Browser]:
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    quiet = [flag for flag in QUIET if not flag.startswith("--host-resolver-rules")]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_program, args=[*quiet, HOSTS, *as_root])
        yield browser
        await browser.close()


async def new_page(chromium: Browser, origin: str, **options: Any) -> Page:
    context = await chromium.new_context(base_url=origin, **options)
    context.set_default_timeout(60_000)
    return await context.new_page()


async def sign_up(page: Page, person: Person, origin: str) -> None:
    """From the form for the address to the account."""
    await page.goto("/login")
    await page.get_by_role("link", name="Make an account").click()
    await page.get_by_label("E-mail address").fill(person.email)
    await page.get_by_role("button", name="Send the link").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mail")
    await page.goto(person.link("Confirm").replace(person.platform.url, origin))
    await page.get_by_label("Password").fill(person.password)
    await page.get_by_role("button", name="Make the account").click()
    await page.wait_for_url("**/dashboard")


@pytest.mark.parametrize("options", [{"java_script_enabled": False, **PHONE}, {"color_scheme": "dark"}])
async def test_sign_up_two_factor_and_sign_in(chromium: Browser, platform: Platform, options: dict[str, Any]) -> None:
    person, page = Person(platform), await new_page(chromium, platform.url, **options)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    await sign_up(page, person, platform.url)
    await page.goto("/account/two-factor")
    assert await sideways(page) <= 0
    await expect(page.locator("svg.qr")).to_be_visible()
    person.typed(await page.locator("code.mono").inner_text())
    await page.get_by_label("Code", exact=True).fill(person.code())
    await page.get_by_role("button", name="Turn it on").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your recovery codes")
    person.recovery_codes = (await page.locator("pre").inner_text()).split()
    await page.get_by_role("link", name="I have kept them").click()
    await expect(page.get_by_text("10 of them are left")).to_be_visible()
    await page.goto("/logout")
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_label("E-mail address").fill(person.email)
    await page.get_by_label("Password").fill(person.password)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("One more step")
    await page.get_by_label("Code", exact=True).fill("000 000")
    await page.get_by_role("button", name="Go on").click()
    await expect(page.get_by_role("alert")).to_contain_text("wrong")
    await page.get_by_label("Code", exact=True).fill(person.recovery_codes[0])
    await page.get_by_role("button", name="Go on").click()
    await page.wait_for_url("**/dashboard")
    await page.goto("/account/security")
    assert await sideways(page) <= 0
    await expect(page.get_by_text("This one")).to_be_visible()
    assert [fault for fault in faults if "403" not in fault] == []
    await page.context.close()


async def test_a_passkey_signs_in_without_a_password(chromium: Browser, platform: Platform) -> None:
    origin = platform.url.replace("127.0.0.1", "localhost")
    person, page = Person(platform), await new_page(chromium, origin)
    tools = await page.context.new_cdp_session(page)
    await tools.send("WebAuthn.enable")
    await tools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    await sign_up(page, person, origin)
    await page.goto("/account/two-factor")
    await page.get_by_label("What you call the device").fill("My <laptop>")
    await page.get_by_role("button", name="Add a passkey").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your recovery codes")
    await page.goto("/account/two-factor")
    await expect(page.get_by_role("heading", name="My <laptop>")).to_be_visible()
    await page.goto("/logout")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page).to_have_url(f"{origin}/login")
    await page.goto("/login?next=/account/security")
    await page.get_by_role("button", name="Use a passkey").click()
    await expect(page).to_have_url(f"{origin}/account/security")
    await page.goto("/account/profile")
    await expect(page.get_by_text(person.email)).to_be_visible()
    await page.goto("/account/two-factor")
    await page.get_by_role("button", name="Remove My <laptop>").click()
    await expect(page.get_by_role("status")).to_contain_text("removed")
    await page.context.close()


async def test_our_own_command_line_logs_in_with_a_browser_or_a_code(platform: Platform, tmp_path: Path) -> None:
    """Without Chromium: what a browser would do is little here."""
    asked = tmp_path / "url"
    opener = tmp_path / "browser"
    opener.write_text(f'#!/bin/sh\nprintf %s "$1" > {asked}.part && mv {asked}.part {asked}\n')
    opener.chmod(0o700)
    surroundings = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "BROWSER": str(opener)}
    command = [sys.executable, "-m", "broker"]

    def run(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *words], env=surroundings, input=given, capture_output=True, text=True, timeout=120, check=False
        )

    async def opened() -> bool:
        return asked.exists()

    with signed_up(platform) as (person, browser):
        login = [*command, "login", "--url", platform.url, "--browser"]
        with subprocess.Popen(login, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as waiting:
            await until(opened, within_s=30)
            page = asked.read_text().removeprefix(platform.url)
            code = re.search(r"<code>([A-Z]{4}-[A-Z]{4})</code>", browser.get(page).text)
            send(browser, page, decision="allow")
            said = waiting.communicate(timeout=120)[0].decode()
        assert waiting.returncode == 0, said
        assert code is not None
        assert f"Your code is {code[1]}." in said
        assert run("whoami").stdout == f"{person.email}\n"
        assert "Somebody signed in" in run("notices").stdout
        run("logout")
        typed = f"{person.password}\n{person.recovery_codes[0]}\n"
        done = run("login", "--url", platform.url, "--email", person.email, given=typed)
        assert done.returncode == 0, done.stderr
        run("logout")
