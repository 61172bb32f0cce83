"""The page behind an app's `web_url`, as a browser gets it from the whole application."""

import httpx
import pytest
import structlog

from broker.app import create_app
from broker.kernel.context import Context
from tests.oauth.conftest import ISSUER, over_wire
from tests.platform_api.conftest import settings


@pytest.fixture
def browser(ctx: Context) -> httpx.AsyncClient:
    return over_wire(create_app(ctx, settings(public_url=ISSUER)))


@pytest.mark.parametrize("name", ["intu-jokes", "no-such-app"])
async def test_the_page_of_an_app_is_the_same_whether_there_is_one_or_not(
    browser: httpx.AsyncClient, name: str
) -> None:
    answer = await browser.get(f"/dashboard/apps/{name}")
    assert answer.status_code == 200
    assert f"broker addons --app {name}" in answer.text
    assert f"broker login --url {ISSUER}" in answer.text


async def test_nothing_of_a_wild_name_comes_back(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/dashboard/apps/<script>alert(1)</script>")
    assert "alert" not in answer.text


async def test_of_a_page_that_shares_its_address_with_the_api_the_route_is_logged(browser: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as log:
        answer = await browser.get("/apps/intu-jokes", headers={"accept": "text/html"})
    assert answer.status_code == 303
    assert [line["route"] for line in log if line["event"] == "request.answered"] == ["/apps/{app}"]
