"""Every page, in a world in which every text of others is hostile: nothing of it runs, nothing is kept, read by other sites or
framed, and looking changes nothing. New pages and new columns are looked at by themselves; by everybody in test_everybody.py.
"""

from collections.abc import AsyncIterator

import httpx
import pytest
from structlog.testing import capture_logs

from broker.app import create_app
from broker.kernel.context import Context
from tests.oauth.conftest import ISSUER, over_wire
from tests.platform_api.conftest import settings
from tests.security.hostile import spread
from tests.security.site import NOBODY, site
from tests.security.walk import Walk, state_of, wrong_with

_READERS = {
    "/operator": "olga",
    "/provider": "pat",
    "/log": NOBODY,
    "/reset": NOBODY,
    "/signup": NOBODY,
    "/confirm": NOBODY,
}
"""Who sees most on the pages that begin so; alice on all others."""
_WRITING = ("/account/two-factor", "/go/", "/sso/")
"""Looking there leaves something behind: the secret of an app that is shown to be set up; on record, that somebody went to a
dashboard."""


async def test_nothing_of_others_runs_and_looking_changes_nothing(ctx: Context) -> None:
    walk = Walk()
    with capture_logs():
        async with site(ctx) as place:
            await spread(ctx)
            before = await state_of(ctx)
            for key in sorted(place.pages("GET"), key=lambda key: key[1].startswith(_WRITING)):
                if key[1].startswith(_WRITING) and before:
                    assert await state_of(ctx) == before
                    before = {}
                reader = next((name for start, name in _READERS.items() if key[1].startswith(start)), "alice")
                await walk.visit(place, key, [reader])
    assert not walk.faults, "\n".join(walk.faults)
    assert len(walk.marked) > 40, walk.marked
    assert walk.marked >= {"/auth/browser/{login}", "/teams/join", "/teams/{team}", "/operator/listings/{slug}"}


@pytest.fixture
async def browser(ctx: Context) -> AsyncIterator[httpx.AsyncClient]:
    """Nobody's, on an application with a page that fails."""

    async def fails() -> None:
        raise RuntimeError("unforeseen")

    app = create_app(ctx, settings(public_url=ISSUER, rate_limit_per_hour=0, request_limit_bytes=2000))
    app.add_api_route("/fails", fails)
    async with over_wire(app) as client:
        yield client


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing/here", 404),
        ("POST", "/search", 405),
        ("PUT", "/login", 405),
        ("POST", "/login", 413),
        ("POST", "/login", 403),
        ("GET", "/fails", 500),
        ("GET", "/health", 200),
        ("GET", "/static/style.css", 200),
        ("GET", "/static/nothing.css", 404),
        ("GET", "/marketplace/none/logo", 200),
        ("GET", "/account", 401),
    ],
)
async def test_no_answer_goes_without_its_shield(
    browser: httpx.AsyncClient, method: str, path: str, status: int, accept: str
) -> None:
    sent = {"content": b"x" * 3000 if status == 413 else b"x=1"} if method == "POST" else {}
    with capture_logs():
        answer = await browser.request(method, path, headers={"accept": accept}, **sent)
    wanted = 303 if (path, accept) == ("/account", "text/html") else status
    faults = [fault for fault in wrong_with(answer, path) if "it fails" not in fault and "may be kept" not in fault]
    assert (answer.status_code, faults) == (wanted, [])


async def test_no_page_of_a_framework_runs_scripts_of_another_host(browser: httpx.AsyncClient) -> None:
    for path in ("/docs", "/redoc", "/docs/oauth2-redirect"):
        assert (await browser.get(path)).status_code == 404
