"""Bodies that no client of ours sends, at every door that takes any: nothing fails, and nothing becomes a header or a path."""

import gzip
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from structlog.testing import capture_logs

from broker.app import create_app
from broker.kernel.context import Actor, Context
from broker.oauth.sessions import begin_session
from tests.oauth.conftest import ISSUER, cookie_of, fields_of, over_wire
from tests.platform_api.conftest import settings, token_of

FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}
DEEP = "[" * 100_000
BODIES: list[tuple[dict[str, str], bytes]] = [
    (JSON, b"[]"),
    (JSON, b"1"),
    (JSON, b'"x"'),
    (JSON, b"null"),
    (JSON, b'{"grant_type": NaN}'),
    (JSON, b'{"grant_type": ' + b"9" * 5000 + b"}"),
    (JSON, b'{"name": 1e400}'),
    (JSON, DEEP.encode()),
    (JSON, (b'{"a":' * 900) + b"1" + b"}" * 900),
    (JSON, json.dumps(dict.fromkeys(("grant_type", "name", "code", "client_id"), "\ud800")).encode()),
    (JSON, json.dumps(dict.fromkeys(("grant_type", "name", "code", "client_id"), "\0")).encode()),
    (JSON, gzip.compress(b"{}")),
    (JSON, b"\xff\xfe{\0}\0"),
    ({**JSON, "content-encoding": "gzip"}, gzip.compress(b"0" * 10_000_000)),
    (FORM, b"grant_type=authorization_code&code=%00&client_id=%00&name=%00"),
    (FORM, b"grant_type=authorization_code&code=%ED%A0%80"),
    (FORM, b"grant_type=%FF&name=%C3"),
    (FORM, b"grant_type=authorization_code&grant_type=refresh_token&code=x&code=y"),
    (FORM, b"&".join(b"a%d=1" % number for number in range(100_000))),
    (FORM, b"=" * 500_000),
    (
        {"content-type": "multipart/form-data; boundary=x"},
        b"--x\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n" * 10_000,
    ),
    ({"content-type": "multipart/form-data"}, b"--x"),
    ({"content-type": "text/plain"}, b"form_token=x"),
    (JSON, b" " * 1_000_000 + b"{"),
    (JSON, b"x" * 2_000_000),
]
DOORS = (
    "/login",
    "/signup",
    "/reset",
    "/oauth/token",
    "/oauth/authorizations",
    "/apps",
    "/dashboard/apps",
    "/provider",
    "/auth",
)


@pytest.fixture
async def http(ctx: Context, alice: Actor) -> AsyncIterator[httpx.AsyncClient]:
    async with over_wire(create_app(ctx, settings(public_url=ISSUER, rate_limit_per_hour=0, sign_up="open"))) as client:
        client.cookies.update(cookie_of(await begin_session(ctx, alice, "a browser")))
        yield client


async def test_no_body_makes_a_door_fail(http: httpx.AsyncClient, ctx: Context, alice: Actor) -> None:
    bearer = {"authorization": f"Bearer {await token_of(ctx, alice)}"}
    taken = []
    with capture_logs() as logs:
        for door in DOORS:
            for headers, body in BODIES:
                for who in ({}, bearer) if door.startswith(("/oauth", "/apps")) else ({},):
                    answer = await http.post(door, content=body, headers={**headers, **who})
                    if answer.status_code >= 500:
                        why = [entry for entry in logs if entry["event"] == "request.failed"]
                        taken.append(f"{door} {who != {}} {headers} {body[:60]!r}: {answer.status_code} {why}")
                    logs.clear()
    assert not taken, "\n".join(taken)


async def test_what_is_typed_becomes_no_header(http: httpx.AsyncClient) -> None:
    """Line breaks in names of files, addresses of redirects and cookies."""
    for path in (
        "/dashboard/apps/%0d%0aset-cookie:%20a=b",
        "/install/x%0d%0aset-cookie:a=b",
        "/operator/listings/%0d%0aa:b/feature",
    ):
        for method in ("GET", "POST"):
            http.cookies.clear()
            answer = await http.request(method, path, headers={"accept": "text/html"})
            assert "set-cookie" not in answer.headers
            assert not any("\n" in value or "\r" in value for value in answer.headers.values())
    token = fields_of((await http.get("/login")).text)
    answer = await http.post(
        "/login", data={**token, "email": "a\r\nset-cookie: a=b", "password": "x", "next": "/a\r\nset-cookie: a=b"}
    )
    assert (answer.status_code, "set-cookie: a=b" in str(answer.headers)) == (401, False)


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2fpages.py",
        "/static/%2e%2e/pages.py",
        "/static//etc/passwd",
        "/static/style.css%00",
        "/static/....//pages.py",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/static/" + "a" * 5000,
    ],
)
async def test_no_path_leads_out_of_its_folder(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert answer.status_code in (404, 400)
    assert "import" not in answer.text
