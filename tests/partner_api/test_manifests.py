"""The registry over HTTP, as the addons-admin plugin speaks it: register, push, pull, versions, secrets, refusals."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from broker.app import create_app
from broker.catalog.manifest_auth import authenticate_service
from broker.kernel.context import Actor, Context
from broker.kernel.errors import Unauthorized
from broker.kernel.secret import Secret
from tests.catalog.samples import cache_api, cache_manifest
from tests.domain import StoppedClock
from tests.platform_api.conftest import client_of, settings, token_of

MANIFESTS = "/api/v3/addons/acme-cache/manifests"
CURRENT = "/api/v3/addons/acme-cache/current_manifest"


async def _client(ctx: Context, actor: Actor, **values: Any) -> httpx.AsyncClient:
    return client_of(create_app(ctx, settings(**values)), await token_of(ctx, actor))


@pytest.fixture
async def partner(ctx: Context, alice: Actor) -> AsyncIterator[httpx.AsyncClient]:
    async with await _client(ctx, alice) as client:
        yield client


@pytest.fixture
async def stranger(ctx: Context, mallory: Actor) -> AsyncIterator[httpx.AsyncClient]:
    async with await _client(ctx, mallory) as client:
        yield client


async def push(client: httpx.AsyncClient, contents: Any, slug: str = "acme-cache") -> httpx.Response:
    return await client.post(f"/api/v3/addons/{slug}/manifests", json={"contents": contents})


async def registered(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await push(client, cache_manifest())
    assert answer.status_code == 201, answer.text
    stored: dict[str, Any] = answer.json()
    return stored


async def test_the_first_push_registers_and_gives_the_stored_form_and_the_client_secret_once(
    partner: httpx.AsyncClient,
) -> None:
    stored = await registered(partner)
    assert stored["contents"] == {"$base": 1, **cache_manifest()}
    assert list(stored["contents"]) == ["$base", *cache_manifest()]
    assert stored["client_secret"].startswith("HRKU-S-")
    pulled = (await partner.get(CURRENT)).json()
    assert pulled["contents"] == stored["contents"]
    assert "client_secret" not in pulled


async def test_the_same_contents_again_make_no_version(partner: httpx.AsyncClient) -> None:
    stored = await registered(partner)
    again = await push(partner, stored["contents"])
    assert (again.status_code, again.json()["id"]) == (200, stored["id"])
    assert len((await partner.get(MANIFESTS)).json()) == 1


async def test_every_version_is_kept_and_found_by_id_and_by_revision(
    partner: httpx.AsyncClient, clock: StoppedClock
) -> None:
    first = await registered(partner)
    clock.advance(hours=1)
    second = (await push(partner, first["contents"] | {"name": "Renamed", "notes": ["kept", {"as": "written"}]})).json()
    assert second["contents"] | {"$base": 1} == first["contents"] | {
        "name": "Renamed",
        "notes": ["kept", {"as": "written"}],
    }
    listed = (await partner.get(MANIFESTS)).json()
    assert [(item["id"], item["created_at"]) for item in listed] == [
        (second["id"], "2026-11-21T10:54:07Z"),
        (first["id"], "2026-11-21T09:54:07Z"),
    ]
    assert (await partner.get(f"{MANIFESTS}/{first['id']}")).json()["contents"] == first["contents"]
    assert (await partner.get(f"{MANIFESTS}/2")).json()["contents"] == second["contents"]
    for missing in ("3", first["id"][::-1], "nonsense", "9" * 40):
        answer = await partner.get(f"{MANIFESTS}/{missing}")
        assert answer.status_code == 404
        assert isinstance(answer.json()["error"], str)


async def test_what_is_based_on_an_older_revision_is_refused_and_told_of_the_newer(partner: httpx.AsyncClient) -> None:
    first = await registered(partner)
    await push(partner, first["contents"] | {"name": "Renamed"})
    late = await push(partner, first["contents"] | {"name": "Another"})
    assert late.status_code == 409
    assert "based on revision 1, and the newest is 2, pushed by alice@example.com" in late.json()["error"]


async def test_a_push_whose_answer_was_lost_can_be_repeated(partner: httpx.AsyncClient) -> None:
    changed = (await registered(partner))["contents"] | {"name": "Renamed"}
    first, again = await push(partner, changed), await push(partner, changed)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()


async def test_all_faults_are_told_at_once(partner: httpx.AsyncClient) -> None:
    api = cache_api(
        regions=[], password=None, production={"base_url": "https://10.0.0.7/x", "sso_url": "http://a.example/"}
    )
    answer = await push(partner, cache_manifest(name="", api=api))
    assert answer.status_code == 422
    faults = answer.json()["error"]["base"]
    assert [fault.partition(":")[0] for fault in faults] == [
        "/name",
        "/api/regions",
        "/api/password",
        "/api/production/sso_url",
        "/api/production/base_url",
    ]


@pytest.mark.parametrize("contents", [None, [], "text", {"id": "other"}, {"a": {"b": [[[]]] * 2}}])
async def test_what_is_no_manifest_is_refused(partner: httpx.AsyncClient, contents: Any) -> None:
    answer = await push(partner, contents)
    assert (answer.status_code, bool(answer.json()["error"]["base"])) == (422, True)


async def test_nesting_without_end_is_refused(partner: httpx.AsyncClient) -> None:
    body = '{"contents": {"id": "acme-cache", "deep": ' + "[" * 900 + "]" * 900 + "}}"
    answer = await partner.post(MANIFESTS, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert "deeply" in answer.json()["error"]["base"][0]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:7000/x", "https://127.0.0.1/x", "https://localhost/x", "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/x", "https://2130706433/x", "https://0x7f.1/x", "http://partner.example/x",
            "https://[64:ff9b::a00:1]/x", "https://[2002:a00:1::]/x", "https://\uff11\uff10.0.0.1/x"],
)  # fmt: skip
async def test_urls_into_the_operators_own_network_are_refused(partner: httpx.AsyncClient, url: str) -> None:
    answer = await push(
        partner, cache_manifest(api=cache_api(production={"base_url": url, "sso_url": "https://a.example/"}))
    )
    assert answer.status_code == 422
    assert any(fault.startswith("/api/production/base_url") for fault in answer.json()["error"]["base"])


async def test_development_lets_plain_http_on_loopback_in(ctx: Context, alice: Actor) -> None:
    api = cache_api(production={"base_url": "http://127.0.0.1:7000/x", "sso_url": "http://localhost:7000/sso"})
    async with await _client(ctx, alice, outbound_allow="127.0.0.0/8") as client:
        assert (await push(client, cache_manifest(api=api))).status_code == 201


async def test_the_oldest_form_of_a_manifest_is_taken(partner: httpx.AsyncClient) -> None:
    api = {
        "password": "p" * 32, "sso_salt": "s" * 32, "config_vars": ["OLDIE_URL"], "regions": ["us"],
        "production": "https://oldie.example.com/", "test": "http://localhost:4567/",
    }  # fmt: skip
    answer = await push(partner, {"id": "oldie", "name": "Oldie", "api": api}, slug="oldie")
    assert answer.status_code == 201
    assert answer.json()["contents"]["api"] == api


async def test_somebody_elses_service_is_not_there(partner: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    stored = await registered(partner)
    for path in (MANIFESTS, CURRENT, f"{MANIFESTS}/{stored['id']}"):
        mine = await stranger.get(path)
        nobodys = await stranger.get(path.replace("acme-cache", "no-such"))
        assert (mine.status_code, mine.json()) == (404, nobodys.json())
    for path in ("client-secret", "secrets"):
        assert (await stranger.post(f"/api/v3/addons/acme-cache/{path}", json={})).status_code == 404
    taken = await push(stranger, cache_manifest())
    assert (taken.status_code, taken.json()["error"]["base"]) == (
        422,
        ['/id: "acme-cache" is taken: choose another id.'],
    )


async def test_without_a_token_there_is_a_sentence(partner: httpx.AsyncClient) -> None:
    answer = await partner.get(CURRENT, headers={"authorization": ""})
    assert answer.status_code == 401
    assert "token" in answer.json()["error"].lower()
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_the_token_may_be_the_password_beside_the_address(ctx: Context, partner: httpx.AsyncClient) -> None:
    token = partner.headers["authorization"].removeprefix("Bearer ")
    partner.headers.pop("authorization")
    answer = await partner.post(MANIFESTS, json={"contents": cache_manifest()}, auth=("alice@example.com", token))
    assert (answer.status_code, answer.json()["pushed_by"]) == (201, "alice@example.com")


async def test_a_changed_password_overlaps_with_the_one_before(
    ctx: Context, partner: httpx.AsyncClient, clock: StoppedClock
) -> None:
    first = await registered(partner)
    old = Secret(first["contents"]["api"]["password"])
    rotated = (await partner.post("/api/v3/addons/acme-cache/secrets", json={})).json()
    new = Secret(rotated["contents"]["api"]["password"])
    assert rotated["revision"] == 2
    assert not old.matches(new.reveal())
    assert rotated["contents"]["api"]["sso_salt"] != first["contents"]["api"]["sso_salt"]
    for valid in (old, new):
        assert (await authenticate_service(ctx, "acme-cache", valid)).slug == "acme-cache"
    clock.advance(hours=24)
    assert await authenticate_service(ctx, "acme-cache", new)
    for slug, wrong in (("acme-cache", old), ("acme-cache", Secret("")), ("no-such", new)):
        with pytest.raises(Unauthorized):
            await authenticate_service(ctx, slug, wrong)


async def test_an_immediate_rotation_leaves_no_overlap(ctx: Context, partner: httpx.AsyncClient) -> None:
    old = Secret((await registered(partner))["contents"]["api"]["password"])
    await partner.post("/api/v3/addons/acme-cache/secrets", json={"immediate": True})
    with pytest.raises(Unauthorized):
        await authenticate_service(ctx, "acme-cache", old)


@pytest.mark.parametrize("slug", ["%00", "%ED%A0%80", "A-B", "a" * 64, "-a", "%2e%2e"])
async def test_what_can_be_no_slug_is_refused_like_any_other_fault(partner: httpx.AsyncClient, slug: str) -> None:
    assert (await partner.get(f"/api/v3/addons/{slug}/current_manifest")).status_code == 404
    assert (await partner.post(f"/api/v3/addons/{slug}/client-secret")).status_code == 404
    pushed = await partner.post(f"/api/v3/addons/{slug}/manifests", json={"contents": cache_manifest(id=None)})
    assert (pushed.status_code, pushed.json()["error"]["base"][0][:4]) == (422, "/id:")


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"contents": 1e999}', b'{"contents": "\\ud800"}', b"\xff"])
async def test_a_body_that_cannot_be_read_is_told_in_error(partner: httpx.AsyncClient, body: bytes) -> None:
    answer = await partner.post(MANIFESTS, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]
