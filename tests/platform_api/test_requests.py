"""What every endpoint owes every request: bodies read with care, JSON always, ids, rate limits, no 500."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from broker.app import create_app
from broker.kernel.context import Actor, Context
from tests.domain import StoppedClock
from tests.platform_api.conftest import client_of, settings, token_of

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
async def test_what_is_not_json_is_a_bad_request(api: httpx.AsyncClient, body: bytes) -> None:
    refused = await api.post("/apps", content=body, headers=JSON)
    assert (refused.status_code, refused.json()["id"]) == (400, "bad_request")


async def test_an_address_with_a_nul_character_names_nothing(api: httpx.AsyncClient) -> None:
    for path in ("/account/app-transfers/a%00b", "/account/payers/a%00b"):
        answer = await api.get(path)
        assert (answer.status_code, answer.json()["id"]) == (404, "not_found")
    assert (await api.get("/audit/entries?kind=a%00b")).json() == []


@pytest.mark.parametrize("body", [b"[]", b"1", b'"x"', b"null", b"true"])
async def test_a_body_that_is_no_object_is_a_bad_request(api: httpx.AsyncClient, body: bytes) -> None:
    refused = await api.post("/apps", content=body, headers=JSON)
    assert (refused.status_code, refused.json()["message"]) == (400, "The request body must be a JSON object.")


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "x"])
async def test_a_body_of_another_type_is_not_read(api: httpx.AsyncClient, kind: str) -> None:
    refused = await api.post("/apps", content=b"name=demo", headers={"content-type": kind})
    assert (refused.status_code, refused.json()["id"]) == (415, "unsupported_media_type")


async def test_a_compressed_body_is_named_as_such(api: httpx.AsyncClient) -> None:
    refused = await api.post("/apps", content=b"\x1f\x8b", headers={**JSON, "content-encoding": "gzip"})
    assert (refused.status_code, "without `Content-Encoding`" in refused.json()["message"]) == (415, True)


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json; charset=utf-8", "application/vnd.heroku+json; version=3", ""]
)
async def test_json_under_its_names_is_read(api: httpx.AsyncClient, kind: str) -> None:
    made = await api.post("/apps", content=b'{"name":"demo"}', headers={"content-type": kind} if kind else {})
    assert (made.status_code, made.json()["name"]) == (201, "demo")


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(ctx: Context, token: str) -> None:
    seen: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            seen.append(1)
            yield b" " * 1000

    async with client_of(create_app(ctx, settings(request_limit_bytes=5000)), token) as client:
        for content in (b" " * 5001, endless()):
            refused = await client.post("/apps", content=content, headers=JSON)
            assert (refused.status_code, refused.json()["id"]) == (413, "payload_too_large")
        assert (await client.post("/apps", content=b" " * 5000, headers=JSON)).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {"name": 7},
        {"name": ["x"]},
        {"name": {}},
        {"name": "a\0b"},
        {"name": "\ud800"},
        {"name": "x" * 100_000},
        {"name": 10**300},
        {"region": 7},
        {"region": {"name": 7}},
        {"region": {"name": {"name": {}}}},
        {"stack": "a\0b"},
        {"stack": True},
    ],
)
async def test_wrong_types_are_refused_in_one_sentence(api: httpx.AsyncClient, body: dict[str, object]) -> None:
    refused = await api.post("/apps", content=json.dumps(body), headers=JSON)
    assert (refused.status_code, refused.json()["id"]) == (422, "invalid_params")
    assert refused.json()["message"].endswith(".")
    assert (await api.get("/apps")).json() == []


HOSTILE = [
    "%00",
    "a%00b",
    "%ff",
    "%ed%a0%80",
    "%2e%2e",
    "x" * 3000,
    "%F0%9F%92%A9",
    "'; drop table apps; --",
    "~",
    "null",
]


@pytest.mark.parametrize("segment", HOSTILE)
async def test_no_path_segment_breaks_an_endpoint(api: httpx.AsyncClient, segment: str) -> None:
    await api.post("/apps", json={"name": "demo"})
    for path in (
        f"/apps/{segment}",
        f"/apps/{segment}/config-vars",
        f"/apps/demo/releases/{segment}",
        f"/apps/demo/releases/{segment}/config-vars",
        f"/apps/demo/addons/{segment}",
        f"/apps/demo/addon-attachments/{segment}",
        f"/addons/{segment}",
        f"/addons/{segment}/operations",
        f"/addon-attachments/{segment}",
        f"/addon-services/{segment}",
        f"/addon-services/{segment}/plans",
        f"/plans/{segment}",
        f"/regions/{segment}",
        f"/stacks/{segment}",
        f"/sso/addons/{segment}",
    ):
        answer = await api.get(path)
        assert answer.status_code == 404, path
    assert (await api.get(f"/oauth/authorizations/{segment}")).status_code == 404


@pytest.mark.parametrize("key", ["a\0b", "\ud800", "x" * 5000, "::", "a::b", "demo::x", ""])
async def test_no_typed_key_breaks_a_resolution(api: httpx.AsyncClient, key: str) -> None:
    await api.post("/apps", json={"name": "demo"})
    for path, member in (("addons", "addon"), ("addon-attachments", "addon_attachment")):
        for app in (None, "demo", "a\0b"):
            body = json.dumps({member: key, "app": app})
            answer = await api.post(f"/actions/{path}/resolve", content=body, headers=JSON)
            assert answer.status_code in (404, 422), (path, app)


async def test_unknown_paths_and_methods_answer_in_json(anonymous: httpx.AsyncClient) -> None:
    missing, wrong = await anonymous.get("/nowhere"), await anonymous.put("/apps")
    assert (missing.status_code, missing.json()["id"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["id"]) == (405, "method_not_allowed")
    assert missing.headers["content-type"] == wrong.headers["content-type"] == "application/json"
    assert wrong.headers["allow"] == "GET, POST"
    for path, methods in {"/oauth/token": "POST", "/vendor/apps/x": "GET, PUT", "/login": "GET, POST"}.items():
        assert (await anonymous.patch(path)).headers["allow"] == methods
    assert wrong.json()["message"] == "This API endpoint takes only GET, POST."
    for answer in (await anonymous.get("/pipelines"), await anonymous.post("/apps/demo/dynos")):
        assert answer.json()["message"].endswith(("and add or attach its add-ons.", "where you deploy it."))


@pytest.mark.parametrize("path", ["/", "/health", "/static/style.css", "/apps", "/nowhere", "/oauth/token"])
async def test_head_is_answered_like_get_without_the_body(api: httpx.AsyncClient, path: str) -> None:
    head, get = await api.head(path), await api.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers.get("content-length") == get.headers.get("content-length")
    assert head.headers["content-type"] == get.headers["content-type"]


async def test_every_answer_has_a_fresh_request_id_and_what_is_left_of_the_rate(api: httpx.AsyncClient) -> None:
    first, second = (
        await api.get("/apps"),
        await api.get("/nowhere", headers={"request-id": ",".join(["x" * 36] * 190)}),
    )
    assert len({first.headers["request-id"], second.headers["request-id"]}) == 2
    assert [int(answer.headers["ratelimit-remaining"]) for answer in (first, second)] == [4499, 4498]
    assert (await api.get("/account/rate-limits")).json() == {"remaining": 4498}
    assert (await api.get("/account/rate-limits")).json() == {"remaining": 4498}


async def test_a_token_is_slowed_down_and_gets_its_requests_back(ctx: Context, token: str, clock: StoppedClock) -> None:
    async with client_of(create_app(ctx, settings(rate_limit_per_hour=60)), token) as client:
        statuses = [(await client.get("/regions")).status_code for _ in range(61)]
        assert statuses == [200] * 60 + [429]
        refused = await client.get("/regions")
        assert (refused.json()["id"], refused.headers["ratelimit-remaining"]) == ("rate_limit", "0")
        assert "retry-after" in refused.headers
        clock.advance(minutes=2)
        assert [(await client.get("/regions")).status_code for _ in range(3)] == [200, 200, 429]


async def test_whoever_invents_tokens_has_one_bucket_for_all_of_them_and_empties_nobody_else_s(
    ctx: Context, token: str
) -> None:
    app = create_app(ctx, settings(rate_limit_per_hour=3))
    async with client_of(app, token) as mine, client_of(app) as nobody:
        assert (await mine.get("/apps")).headers["ratelimit-remaining"] == "2"
        invented = [{"authorization": f"Bearer HRKU-{number}"} for number in range(5)]
        assert [(await nobody.get("/apps", headers=one)).status_code for one in invented] == [401] * 3 + [429] * 2
        assert (await nobody.get("/apps", headers=invented[0])).status_code == 429
        assert (await mine.get("/apps")).headers["ratelimit-remaining"] == "1", "it has proved good"
        assert (await nobody.get("/apps")).status_code == 401, "no token at all is no invented one"


async def test_a_token_that_proves_good_takes_nothing_from_the_place_that_it_came_from(
    ctx: Context, alice: Actor
) -> None:
    app = create_app(ctx, settings(rate_limit_per_hour=2))
    for _ in range(4):
        async with client_of(app, await token_of(ctx, alice)) as client:
            answers = [await client.get("/apps") for _ in range(3)]
            assert [answer.status_code for answer in answers] == [200, 200, 429]
            assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]


async def test_without_a_limit_nobody_is_slowed_down(ctx: Context, token: str) -> None:
    async with client_of(create_app(ctx, settings(rate_limit_per_hour=0)), token) as client:
        assert int((await client.get("/regions")).headers["ratelimit-remaining"]) > 0


async def test_what_nobody_expected_is_a_500_without_values(
    ctx: Context, token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app: FastAPI = create_app(ctx, settings())

    async def broken() -> None:
        raise RuntimeError("canary-secret")

    app.add_api_route("/broken", broken)
    async with client_of(app, token) as client:
        answer = await client.get("/broken")
    assert (answer.status_code, answer.json()["id"]) == (500, "internal_error")
    assert answer.headers["request-id"] == answer.json()["request_id"]
    logged = capsys.readouterr()
    assert "canary-secret" not in answer.text + logged.out + logged.err
    assert "RuntimeError" in logged.out + logged.err


async def test_health_answers_without_a_token(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
