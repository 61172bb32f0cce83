"""Requests as the Heroku CLI (npm `heroku` 11.10.0) and heroku-client (npm 3.1.4) put them on the wire."""

import base64
from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from tests.wire.clients.conftest import Server

CLI = {
    "accept": "application/vnd.heroku+json; version=3.sdk",
    "content-type": "application/json",
    "user-agent": "heroku-cli/11.10.0 linux",
    "request-id": ",".join(["01234567-89ab-cdef-0123-456789abcdef"] * 180),
}


@pytest_asyncio.fixture
async def cli(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    headers = {**CLI, "authorization": f"Bearer {server.token}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers) as client:
        yield client


@pytest_asyncio.fixture
async def node(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """heroku-client: Basic with an empty user, and a `Range` on every request."""
    basic = base64.b64encode(f":{server.token}".encode()).decode()
    headers = {
        "accept": "application/vnd.heroku+json; version=3",
        "content-type": "application/json",
        "range": "id ..; max=1000",
        "authorization": f"Basic {basic}",
    }
    async with httpx.AsyncClient(base_url=server.url, headers=headers) as client:
        yield client


async def test_config_set_reads_the_vars_and_then_the_newest_version(cli: httpx.AsyncClient) -> None:
    assert (await cli.patch("/apps/shop/config-vars", json={"FOO": "bar", "B": "1"})).json() == {"B": "1", "FOO": "bar"}
    newest = await cli.get("/apps/shop/releases", headers={"range": "version ..; order=desc,max=1"})
    assert (newest.status_code, newest.json()[0]["version"]) == (206, 2)
    listed = await cli.get("/apps/shop/releases", headers={"range": "version ..; max=15, order=desc"})
    assert (listed.status_code, "next-range" in listed.headers) == (200, False)
    assert [item["version"] for item in listed.json()] == [2, 1]


async def test_config_edit_sends_everything_back(cli: httpx.AsyncClient) -> None:
    await cli.patch("/apps/shop/config-vars", json={"FOO": "bar"})
    everything = (await cli.get("/apps/shop/config-vars")).json()
    assert (await cli.patch("/apps/shop/config-vars", json=everything | {"NEW": "1"})).json() == everything | {
        "NEW": "1"
    }


async def test_a_delete_may_carry_a_body_and_answers_the_object(cli: httpx.AsyncClient) -> None:
    made = (
        await cli.post("/apps/shop/addons", json={"attachment": {}, "config": {}, "plan": {"name": "store"}})
    ).json()
    gone = await cli.request("DELETE", f"/apps/{made['app']['id']}/addons/{made['id']}", json={"force": False})
    assert (gone.status_code, gone.json()["state"]) == (200, "deprovisioning")


async def test_whoami_and_the_particleboard_ask_the_same(cli: httpx.AsyncClient) -> None:
    first, second = await cli.get("/account"), await cli.get("/account")
    assert first.json() == second.json()
    assert first.headers["request-id"] != second.headers["request-id"]


async def test_heroku_client_sends_its_range_everywhere(node: httpx.AsyncClient) -> None:
    for path in ("/account", "/apps", "/apps/shop", "/apps/shop/releases", "/apps/shop/config-vars", "/addon-services"):
        answer = await node.get(path)
        assert (answer.status_code, "next-range" in answer.headers) == (200, False), path
        assert "request-id" in answer.headers
        assert answer.headers["content-type"] == "application/json"


async def test_heroku_client_posts_with_a_content_length_of_zero(node: httpx.AsyncClient) -> None:
    made = await node.post("/apps", content=b"", headers={"content-length": "0"})
    assert (made.status_code, "next-range" in made.headers) == (201, False)


async def test_heroku_client_follows_next_range_verbatim(node: httpx.AsyncClient) -> None:
    for _ in range(3):
        await node.post("/apps")
    following: str | None = "id ..; max=2"
    seen = []
    while following is not None:
        answer = await node.get("/apps", headers={"range": following})
        seen += [app["id"] for app in answer.json()]
        following = answer.headers.get("next-range")
    assert len(seen) == len(set(seen)) == 4


async def test_heroku_client_repeats_a_post_after_a_reset(node: httpx.AsyncClient) -> None:
    first, second = await node.post("/apps", json={"name": "demo"}), await node.post("/apps", json={"name": "demo"})
    assert (first.status_code, second.status_code, second.json()["message"]) == (201, 422, "Name is already taken")
