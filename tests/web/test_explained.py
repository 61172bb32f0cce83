"""What browsers are told where programs get JSON: pages that are not there, wrong methods, failures, too much."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from broker.app import create_app
from broker.kernel.context import Context
from tests.oauth.conftest import ISSUER, over_wire
from tests.platform_api.conftest import settings

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PROGRAM = {"accept": "application/vnd.heroku+json; version=3"}


@pytest.fixture
def app(ctx: Context) -> FastAPI:
    app = create_app(ctx, settings(public_url=ISSUER, rate_limit_per_hour=6))

    async def fails() -> None:
        raise RuntimeError("canary of an error")

    app.add_api_route("/fails", fails)
    return app


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with over_wire(app) as client:
        yield client


async def test_people_get_a_page_and_programs_get_json(http: httpx.AsyncClient) -> None:
    for path, status, heading in (
        ("/nothing/here", 404, "There is no such page"),
        ("/operator/listings/x/feature", 405, "This can&#39;t be done here"),
        ("/fails", 500, "Something went wrong"),
    ):
        answer = await http.get(path, headers=BROWSER)
        assert (answer.status_code, heading in answer.text) == (status, True), answer.text
        assert "canary" not in answer.text
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["cache-control"] == "no-store"
    assert (await http.get("/fails", headers=PROGRAM)).json()["id"] == "internal_error"
    assert (await http.get("/nothing/here", headers=PROGRAM)).json()["id"] == "not_found"
    held = {**BROWSER, "authorization": "Bearer HRKU-x"}
    assert (await http.get("/nothing/here", headers=held)).json()["id"] == "not_found"


async def test_who_asks_too_often_is_told_on_a_page_that_still_looks_like_one(http: httpx.AsyncClient) -> None:
    for _ in range(6):
        await http.get("/nothing/here", headers=BROWSER)
    answer = await http.get("/", headers=BROWSER)
    assert (answer.status_code, "Please wait a moment" in answer.text) == (429, True)
    assert (await http.get("/static/style.css")).status_code == 200
