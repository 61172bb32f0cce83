"""Pictures of every page, light and dark, wide and narrow: `make screenshots` writes them for people to look at."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
from pathlib import Path
from typing import Final

import structlog
from playwright.async_api import Browser, Page

from tests.browser.site import chromium, site
from tests.browser.teamwork import APP as TEAM_APP
from tests.browser.teamwork import LOOKED_AT, MATE, TEAM
from tests.browser.troubles import ORPHAN, RUN
from tests.browser.wares import EMAIL, PASSWORD
from tests.engines import postgres_server

TARGET: Final = Path(".cache/screenshots")
WIDTHS: Final = {"wide": {"width": 1280, "height": 800}, "narrow": {"width": 360, "height": 720}}
PAGES: Final = {
    "home": "/",
    "search": "/search?q=mail",
    "search-typo": "/search?q=postgrse",
    "search-nothing": "/search?q=elephants&free=1",
    "all": "/search",
    "category": "/categories/logging",
    "listing": "/marketplace/logstream",
    "listing-metered": "/marketplace/mail",
    "docs": "/marketplace/postgres/docs",
    "login": "/login",
    "signup": "/signup",
    "reset": "/reset",
    "not-found": "/nothing/here",
    "refused": "/sso/addons/none",
}
SIGNED_IN: Final = {
    "profile": "/account/profile",
    "security": "/account/security",
    "two-factor": "/account/two-factor",
    "prove": "/account/prove?next=/account/two-factor",
    "account": "/account/authorizations",
    "logout": "/logout",
    "install": "/install/logstream",
    "install-how": "/install/logstream?plan=standard&app=intu-jokes",
    "install-options": "/install/find-it?plan=plan-4900&app=intu-jokes",
    "apps": "/dashboard",
    "app-new": "/dashboard/new",
    "app-resources": "/dashboard/apps/intu-jokes",
    "app-empty": "/dashboard/apps/night-owl",
    "app-addon": "/dashboard/apps/intu-jokes/addons/jokes-logs",
    "app-addon-making": "/dashboard/apps/intu-jokes/addons/jokes-search",
    "app-addon-failed": "/dashboard/apps/intu-jokes/addons/jokes-cache",
    "app-credentials": "/dashboard/apps/intu-jokes/addons/jokes-logs/credentials",
    "app-move": "/dashboard/apps/intu-jokes/addons/jokes-logs/move?to=night-owl",
    "app-plan": "/dashboard/apps/intu-jokes/addons/jokes-logs/plan?to=premium",
    "app-destroy-addon": "/dashboard/apps/intu-jokes/addons/jokes-logs/destroy",
    "app-activity": "/dashboard/apps/intu-jokes/activity",
    "app-access": "/dashboard/apps/intu-jokes/access",
    "app-settings": "/dashboard/apps/intu-jokes/settings",
    "app-destroy": "/dashboard/apps/intu-jokes/destroy",
    "billing": "/account/billing",
    "invoices": "/account/invoices",
    "invoice": "/account/invoices/INV-2026-000005",
    "spending": "/account/spending",
    "spending-service": "/account/spending?by=service",
    "spending-tag": "/account/spending?by=tag",
    "payment": "/account/payment?next=/install/logstream",
    "budgets": "/account/budgets",
    "notices": "/account/notices",
    "teams": "/teams",
    "team": f"/teams/{TEAM}",
    "team-remove": f"/teams/{TEAM}/people/{MATE}/remove",
    "team-end": f"/teams/{TEAM}/end",
    "team-billing": f"/teams/{TEAM}/billing",
    "team-app-new": f"/dashboard/new?team={TEAM}",
    "team-app-access": f"/dashboard/apps/{TEAM_APP}/access",
    "team-app-looked-at": f"/dashboard/apps/{LOOKED_AT}/settings",
    "provider": "/provider",
    "provider-service": "/provider/logstream",
    "provider-manifest": "/provider/logstream/manifest",
    "provider-operations": "/provider/logstream/operations",
    "provider-deliveries": "/provider/logstream/deliveries",
    "provider-money": "/provider/logstream/money",
    "provider-access": "/provider/logstream/access",
    "operator": "/operator",
    "operator-operations": "/operator/operations",
    "operator-orphans": "/operator/orphans",
    "operator-orphan": f"/operator/orphans/{ORPHAN}",
    "operator-services": "/operator/services",
    "operator-listings": "/operator/listings",
    "operator-listing": "/operator/listings/night-shift",
    "operator-reconcile": "/operator/reconcile",
    "operator-run": f"/operator/reconcile/{RUN}",
    "operator-accounts": "/operator/accounts",
    "operator-payments": "/operator/payments",
    "operator-payouts": "/operator/payouts",
    "operator-audit": "/operator/audit",
    "operator-chain": "/operator/audit/chain",
    "operator-queues": "/operator/queues",
    "operator-flags": "/operator/flags",
    "operator-settings": "/operator/settings",
}


async def main(only: tuple[str, ...]) -> None:
    """Write the pictures of these pages, or of all."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise SystemExit("Chromium is missing: scripts/optional-tools chromium")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    TARGET.mkdir(parents=True, exist_ok=True)
    with postgres_server() as server:
        async with site(server) as place, chromium(program) as browser:
            for scheme in ("light", "dark"):
                for width, size in WIDTHS.items():
                    await _take(browser, place.url, scheme, width, size, only)


async def _take(
    browser: Browser, url: str, scheme: str, width: str, size: dict[str, int], only: tuple[str, ...]
) -> None:
    context = await browser.new_context(color_scheme=scheme, viewport=size)  # type: ignore[arg-type]  # its own literals
    page = await context.new_page()
    await _pictures(page, url, f"{scheme}-{width}", PAGES, only)
    await sign_in(page, url)
    await _pictures(page, url, f"{scheme}-{width}", SIGNED_IN, only)
    await context.close()


async def sign_in(page: Page, url: str) -> None:
    """As the operator."""
    await page.goto(f"{url}/login")
    await page.get_by_label("E-mail address").fill(EMAIL)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/dashboard")


async def _pictures(page: Page, url: str, form: str, pages: dict[str, str], only: tuple[str, ...]) -> None:
    for name, path in pages.items():
        if not only or name in only:
            await page.goto(url + path)
            await page.screenshot(path=TARGET / f"{name}-{form}.png", full_page=True)
            print(TARGET / f"{name}-{form}.png")


if __name__ == "__main__":
    asyncio.run(main(tuple(sys.argv[1:])))
