"""Bad input over HTTP: each is refused in words with the right status, nothing fails, and nothing is half done."""

import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.platform_api.conftest import client_of
from tests.wire.conftest import JSON, Shop, refused

GONE = "0190a0a0-0000-7000-8000-000000000000"
ADDONS = "/apps/shop/addons"

REFUSED: dict[str, list[tuple[str, str, object, int, str]]] = {
    "missing": [
        ("GET", "/apps/nosuch", None, 404, "not_found"),
        ("GET", f"/apps/{GONE}", None, 404, "not_found"),
        ("PATCH", "/apps/nosuch", {"name": "abc"}, 404, "not_found"),
        ("DELETE", "/apps/nosuch", None, 404, "not_found"),
        ("POST", "/apps/nosuch/addons", {"plan": "store"}, 404, "not_found"),
        ("PATCH", "/apps/nosuch/config-vars", {"A": "1"}, 404, "not_found"),
        ("POST", "/apps/nosuch/releases", {"release": 1}, 404, "not_found"),
        ("POST", ADDONS, {"plan": "nosuch"}, 404, "not_found"),
        ("POST", ADDONS, {"plan": "store:nosuch"}, 422, "invalid_params"),
        ("POST", ADDONS, {"plan": GONE}, 404, "not_found"),
        ("POST", ADDONS, {"plan": ":"}, 404, "not_found"),
        ("POST", ADDONS, {"plan": ""}, 404, "not_found"),
        ("GET", f"{ADDONS}/nosuch", None, 404, "not_found"),
        ("GET", f"/addons/{GONE}", None, 404, "not_found"),
        ("PATCH", f"{ADDONS}/nosuch", {"plan": "store:big"}, 404, "not_found"),
        ("DELETE", f"{ADDONS}/nosuch", None, 404, "not_found"),
        ("DELETE", "/apps/nosuch/addons/my-store", None, 404, "not_found"),
        ("PATCH", f"{ADDONS}/my-store", {"plan": "store:nosuch"}, 422, "invalid_params"),
        ("PATCH", f"{ADDONS}/my-store", {"plan": "nosuch:big"}, 404, "not_found"),
        ("DELETE", "/addon-attachments/CACHE", None, 404, "not_found"),
        ("DELETE", f"/addon-attachments/{GONE}", None, 404, "not_found"),
        ("POST", "/addon-attachments", {"addon": "nosuch", "app": "shop"}, 404, "not_found"),
        ("POST", "/addon-attachments", {"addon": "my-store", "app": "nosuch"}, 404, "not_found"),
        ("GET", "/apps/shop/releases/99", None, 404, "not_found"),
        ("GET", "/apps/shop/releases/-1", None, 404, "not_found"),
        ("GET", "/apps/shop/releases/999999999999999999999999", None, 404, "not_found"),
        ("POST", "/apps/shop/releases", {"release": 99}, 404, "not_found"),
        ("POST", "/apps/shop/releases", {"release": GONE}, 404, "not_found"),
        ("POST", "/apps/shop/releases", {"release": "²"}, 404, "not_found"),
        ("DELETE", f"/oauth/authorizations/{GONE}", None, 404, "not_found"),
        ("PATCH", f"/oauth/authorizations/{GONE}", {"description": "x"}, 404, "not_found"),
    ],
    "names": [
        ("POST", "/apps", {"name": "shop"}, 422, "invalid_params"),
        ("PATCH", "/apps/other", {"name": "shop"}, 422, "invalid_params"),
        ("POST", "/apps", {"name": ""}, 422, "invalid_params"),
        ("POST", "/apps", {"name": "Ab"}, 422, "invalid_params"),
        ("POST", "/apps", {"name": "a" * 31}, 422, "invalid_params"),
        ("POST", "/apps", {"name": "shop\n"}, 422, "invalid_params"),
        ("POST", "/apps", {"name": "ab%2Fc"}, 422, "invalid_params"),
        ("POST", "/apps", {"name": "ßßß"}, 422, "invalid_params"),
        ("POST", "/apps", {"region": "mars"}, 422, "invalid_params"),
        ("POST", "/apps", {"team": "ours"}, 404, "not_found"),
        ("POST", ADDONS, {"plan": "store", "name": "my-store"}, 422, "invalid_params"),
        ("POST", ADDONS, {"plan": "store", "name": "7up"}, 422, "invalid_params"),
        ("POST", ADDONS, {"plan": "store", "name": "a b"}, 422, "invalid_params"),
        ("POST", ADDONS, {"plan": "store", "name": "x" * 257}, 422, "invalid_params"),
        ("POST", ADDONS, {"plan": "store", "attachment": {"name": "7"}}, 422, "invalid_params"),
        ("POST", ADDONS, {"plan": "store", "attachment": {"name": "ß"}}, 422, "invalid_params"),
        ("PATCH", f"{ADDONS}/my-store", {"name": "-"}, 422, "invalid_params"),
        ("PATCH", f"{ADDONS}/my-store", {}, 422, "invalid_params"),
        ("POST", "/addon-attachments", {"addon": "my-store", "app": "shop", "name": "a.b"}, 422, "invalid_params"),
        ("POST", "/addon-attachments", {"addon": "my-store", "app": "shop", "namespace": "x"}, 422, "invalid_params"),
    ],
    "confirmation": [
        ("POST", ADDONS, {"plan": "store", "attachment": {"name": "STORE"}}, 423, "confirmation_required"),
        (
            "POST",
            ADDONS,
            {"plan": "store", "attachment": {"name": "STORE"}, "confirm": "other"},
            423,
            "confirmation_required",
        ),
        ("POST", "/addon-attachments", {"addon": "my-store", "app": "shop", "name": "store"}, 423, "confirmation_required"),
        ("PATCH", "/apps/shop/config-vars", {"STORE_URL": "mine"}, 422, "invalid_params"),
        ("PATCH", "/apps/shop/config-vars", {"STORE_URL": None}, 422, "invalid_params"),
        ("PATCH", "/apps/shop/config-vars", {"GOOD": "x", "STORE_TOKEN": "mine"}, 422, "invalid_params"),
        ("DELETE", f"{ADDONS}/my-store", {"force": False}, 422, "invalid_params"),
    ],
    "both or neither": [
        ("PATCH", f"{ADDONS}/my-store", {"name": "renamed", "plan": "store:nosuch"}, 422, "invalid_params"),
        ("PATCH", f"{ADDONS}/my-store", {"name": "renamed", "plan": "store:big"}, 422, "invalid_params"),
    ],
    "config vars": [
        ("PATCH", "/apps/shop/config-vars", {"A": "x" * 65537}, 422, "invalid_params"),
        ("PATCH", "/apps/shop/config-vars", {"A": "é" * 32769}, 422, "invalid_params"),
        ("PATCH", "/apps/shop/config-vars", {f"A{n}": "x" * 52_000 for n in range(5)} | {"B": "y" * 3000}, 422, "invalid_params"),
        ("PATCH", "/apps/shop/config-vars", {"GOOD": "1", "7": "x"}, 422, "invalid_params"),
        ("PATCH", "/apps/shop/config-vars", {"GOOD": "1", "A-B": "x"}, 422, "invalid_params"),
        ("PATCH", "/apps/shop/config-vars", {"GOOD": "1", "": "x"}, 422, "invalid_params"),
        ("PATCH", "/apps/shop/config-vars", {"GOOD": "1", "A\n": "x"}, 422, "invalid_params"),
        ("PATCH", "/apps/shop/config-vars", {"GOOD": "1", "\ud800": "x"}, 422, "invalid_params"),
        ("PATCH", "/apps/shop/config-vars", {"GOOD": "1", "A": "\ud800"}, 422, "invalid_params"),
        ("PATCH", "/apps/shop/config-vars", {"GOOD": "1", "A": "\0"}, 422, "invalid_params"),
        ("PATCH", "/apps/shop/config-vars", {"GOOD": "1", "A": 1}, 422, "invalid_params"),
        ("PATCH", "/apps/shop/config-vars", {"GOOD": "1", "A": True}, 422, "invalid_params"),
        ("PATCH", "/apps/shop/config-vars", {"GOOD": "1", "A": {}}, 422, "invalid_params"),
        ("PATCH", "/apps/shop/config-vars", {"GOOD": "1", "A": []}, 422, "invalid_params"),
    ],
    "options": [
        ("POST", ADDONS, {"plan": "store", "config": {"k": "x" * 16_385}}, 422, "invalid_params"),
        ("POST", ADDONS, {"plan": "store", "config": {f"k{n}": "x" * 9000 for n in range(3)}}, 422, "invalid_params"),
        ("POST", ADDONS, {"plan": "store", "config": {f"k{n}": "x" for n in range(101)}}, 422, "invalid_params"),
        ("POST", ADDONS, {"plan": "store", "config": {"k": {}}}, 422, "invalid_params"),
        ("POST", ADDONS, {"plan": "store", "config": {"\ud800": "x"}}, 422, "invalid_params"),
        ("POST", ADDONS, {"plan": "store", "config": {"k": "\ud800"}}, 422, "invalid_params"),
        ("POST", ADDONS, {"plan": "store", "attachment": {"name": []}}, 422, "invalid_params"),
        ("POST", ADDONS, {"plan": "store", "config": {"k": 1e400}}, 400, "bad_request"),
    ],
    "tokens": [
        ("POST", "/oauth/authorizations", {"scope": ["everything"]}, 422, "invalid_params"),
        ("POST", "/oauth/authorizations", {"expires_in": -1}, 422, "invalid_params"),
        ("POST", "/oauth/authorizations", {"expires_in": "1e3"}, 422, "invalid_params"),
        ("POST", "/oauth/authorizations", {"expires_in": 10**400}, 422, "invalid_params"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
async def test_what_cannot_be_done_is_refused_and_nothing_of_it_is_done(shop: Shop, kind: str) -> None:
    before = await shop.rows()
    for method, path, body, status, error_id in REFUSED[kind]:
        content = None if body is None else json.dumps(body)
        answer = await shop.api.request(method, path, content=content, headers=JSON)
        refused(answer, status, error_id)
        assert await shop.rows() == before, (method, path, content)


TYPED = [
    ("POST", "/apps", {}, ["name", "region", "stack", "team", "organization", "space"]),
    ("PATCH", "/apps/shop", {}, ["name", "maintenance", "build_stack", "stack"]),
    ("POST", ADDONS, {"plan": "store"}, ["plan", "name", "attachment", "config", "confirm"]),
    ("PATCH", f"{ADDONS}/my-store", {"plan": "store:big"}, ["plan", "name"]),
    ("DELETE", f"{ADDONS}/my-store", {}, ["force"]),
    ("POST", "/addon-attachments", {"addon": "my-store", "app": "shop"}, ["addon", "app", "name", "confirm", "namespace"]),
    ("POST", "/actions/addons/resolve", {"addon": "x"}, ["addon", "app", "addon_service"]),
    ("POST", "/actions/addon-attachments/resolve", {"addon_attachment": "x"}, ["addon_attachment", "app", "addon_service"]),
    ("POST", "/apps/shop/releases", {"release": 1}, ["release"]),
    ("POST", "/oauth/authorizations", {}, ["description", "scope", "expires_in"]),
    ("PATCH", "/oauth/authorizations/~", {}, ["description"]),
]  # fmt: skip
OBJECTS = ("attachment", "config")
WRONG: list[object] = [
    [],
    [[]],
    [1],
    1.5,
    -1e300,
    10**30,
    {"name": []},
    {"name": 1},
    {"id": {}},
    [{"a": "b"}],
    "\0",
    "\ud800",
]


@pytest.mark.parametrize(("method", "path", "good", "members"), TYPED)
async def test_a_wrong_type_of_any_member_is_refused_by_the_name_of_the_member(
    shop: Shop, method: str, path: str, good: dict[str, Any], members: list[str]
) -> None:
    before = await shop.rows()
    for member in members:
        for wrong in [item for item in WRONG if member not in OBJECTS or not isinstance(item, dict)]:
            content = json.dumps({**good, member: wrong})
            body = refused(await shop.api.request(method, path, content=content, headers=JSON), 422, "invalid_params")
            assert body["message"].startswith(member), (content, body)
            assert body["message"].endswith(".")
    assert await shop.rows() == before


BODIES = [
    (b"{", "application/json", 400),
    (b'{"plan": "store"', "application/json", 400),
    (b'{"plan": "store"}}', "application/json", 400),
    (b"'plan'", "application/json", 400),
    (b'["plan", "store"]', "application/json", 400),
    (b'"plan"', "application/json", 400),
    (b"null", "application/json", 400),
    (b"NaN", "application/json", 400),
    (b'{"plan": NaN}', "application/json", 400),
    (b'{"plan": -Infinity}', "application/json", 400),
    (b'{"plan": "\xff\xfe"}', "application/json", 400),
    (b"\xef\xbb\xbf{}", "application/json", 400),
    ('{"plan": "store"}'.encode("utf-16"), "application/json", 400),
    (b'{"plan": "st\x00ore"}', "application/json", 400),
    (b'{"plan": ' + b"9" * 5000 + b"}", "application/json", 400),
    (b'{"plan": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "application/json", 400),
    (b'{"plan":' * 100_000 + b"1" + b"}" * 100_000, "application/json", 400),
    (b"plan=store", "application/x-www-form-urlencoded", 415),
    (b'{"plan": "store"}', "text/plain", 415),
    (b'{"plan": "store"}', "application/jsonx", 415),
    (b'{"plan": "store"}', "application/octet-stream", 415),
    (b'{"plan": "store"}', "multipart/form-data", 415),
    (b'{"plan": "store"}', "/;;;=", 415),
    (b"{" + b" " * 1_048_576 + b"}", "application/json", 413),
]


@pytest.mark.parametrize(("method", "path"), [("POST", ADDONS), ("PATCH", "/apps/shop/config-vars")])
async def test_a_body_that_cannot_be_read_is_refused(shop: Shop, method: str, path: str) -> None:
    before = await shop.rows()
    for body, kind, status in BODIES:
        answer = await shop.api.request(method, path, content=body, headers={"content-type": kind})
        refused(answer)
        assert answer.status_code == status, (body[:100], kind)
    assert await shop.rows() == before


NOBODY: list[str | None] = [
    None,
    "",
    " ",
    "Bearer",
    "Bearer ",
    "Bearer wrong",
    "bearer HRKU-" + "A" * 43,
    "Basic",
    "Basic !",
    "Basic =",
    "Basic Og==",
    "Basic " + "A" * 60_000,
    "Basic //8=",
    "Digest username=x",
    "HRKU-x",
    "Bearer \xff\xfe",
    "Bearer a b c",
    "Bearer " + "x" * 60_000,
    "Negotiate " + "\t" * 100,
]


async def test_whoever_does_not_say_who_they_are_is_told_how(shop: Shop, app: FastAPI) -> None:
    before = await shop.rows()
    async with client_of(app) as client:
        for header in NOBODY:
            headers = {} if header is None else {"authorization": header.encode("latin-1")}
            for method, path in (("GET", "/apps"), ("POST", "/apps"), ("POST", "/oauth/authorizations")):
                answer = await client.request(method, path, headers=headers)
                refused(answer, 401, "unauthorized")
                assert "www-authenticate" in answer.headers
    assert await shop.rows() == before


def paths(ids: dict[str, str], app: str, addon: str, attachment: str) -> list[tuple[str, str, object]]:
    """Every request that names an app, an add-on or an attachment."""
    return [
        ("GET", f"/apps/{app}", None),
        ("PATCH", f"/apps/{app}", {"maintenance": True}),
        ("DELETE", f"/apps/{app}", None),
        ("GET", f"/apps/{app}/config-vars", None),
        ("PATCH", f"/apps/{app}/config-vars", {"A": "1"}),
        ("GET", f"/apps/{app}/releases", None),
        ("GET", f"/apps/{app}/releases/1", None),
        ("GET", f"/apps/{app}/releases/1/config-vars", None),
        ("POST", f"/apps/{app}/releases", {"release": 1}),
        ("GET", f"/apps/{app}/collaborators", None),
        ("GET", f"/apps/{app}/usage", None),
        ("GET", f"/apps/{app}/dynos", None),
        ("GET", f"/apps/{app}/addons", None),
        ("POST", f"/apps/{app}/addons", {"plan": "store"}),
        ("GET", f"/apps/{app}/addons/{addon}", None),
        ("PATCH", f"/apps/{app}/addons/{addon}", {"plan": "store:big"}),
        ("PATCH", f"/apps/{app}/addons/{addon}", {"name": "stolen"}),
        ("DELETE", f"/apps/{app}/addons/{addon}", {"force": True}),
        ("GET", f"/apps/{app}/addon-attachments", None),
        ("GET", f"/apps/{app}/addon-attachments/STORE", None),
        ("GET", f"/addons/{addon}", None),
        ("GET", f"/addons/{addon}/operations", None),
        ("GET", f"/addons/{addon}/addon-attachments", None),
        ("GET", f"/addons/{addon}/config/credential:x", None),
        ("GET", f"/addon-attachments/{attachment}", None),
        ("DELETE", f"/addon-attachments/{attachment}", None),
        ("POST", "/addon-attachments", {"addon": addon, "app": "mine"}),
        ("POST", "/addon-attachments", {"addon": "x", "app": app}),
        ("POST", "/actions/addons/resolve", {"addon": addon}),
        ("POST", "/actions/addons/resolve", {"addon": addon, "app": app}),
        ("POST", "/actions/addons/resolve", {"addon": f"{app}::STORE"}),
        ("POST", "/actions/addon-attachments/resolve", {"addon_attachment": attachment}),
        ("POST", "/actions/addon-attachments/resolve", {"addon_attachment": "STORE", "app": app}),
        ("GET", f"/users/{ids['user']}/apps", None),
    ]


async def test_what_is_somebody_elses_answers_byte_for_byte_like_what_is_not_there(shop: Shop) -> None:
    await shop.intruder.post("/apps", json={"name": "mine"})
    before = await shop.rows()
    ids = {"user": str(shop.world.user.id)}
    theirs = paths(ids, "shop", "my-store", shop.ids["attachment"]) + paths(
        ids, shop.ids["app"], shop.ids["addon"], GONE
    )
    nobodys = paths({"user": GONE}, "nosuch", "no-store", GONE) + paths({"user": GONE}, GONE, GONE, GONE)
    for (method, path, body), (_, nowhere, nothing) in zip(theirs, nobodys, strict=True):
        there = await shop.intruder.request(method, path, json=body)
        missing = await shop.intruder.request(method, nowhere, json=nothing)
        refused(there, 404, "not_found")
        assert (there.status_code, there.content) == (missing.status_code, missing.content), path
        assert visible(there) == visible(missing)
    assert await shop.rows() == before


def visible(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in ("request-id", "ratelimit-remaining")}


async def test_an_app_name_of_somebody_else_is_taken_and_no_more_is_said(shop: Shop) -> None:
    body = refused(await shop.intruder.post("/apps", json={"name": "shop"}), 422, "invalid_params")
    assert body == {"id": "invalid_params", "message": "Name is already taken"}


RUBBISH = ("%00", "%FF", "%2F", "%2e%2e%2f", "%", "%zz", "%E2%28%A1", "a" * 9000, "%0d%0aX:%20y", "..;", "*")


async def test_rubbish_in_a_path_is_not_found_whatever_the_method(shop: Shop) -> None:
    before = await shop.rows()
    for rubbish in RUBBISH:
        for path in (f"/apps/{rubbish}", f"{ADDONS}/{rubbish}", f"/addon-attachments/{rubbish}", f"/{rubbish}"):
            for method in ("PATCH", "DELETE"):
                answer = await shop.api.request(method, path, content=b'{"name": "fine"}', headers=JSON)
                refused(answer)
                assert answer.status_code in (404, 405), path
    assert await shop.rows() == before


async def test_a_method_that_there_is_not_is_refused(shop: Shop) -> None:
    for method in ("PUT", "TRACE", "OPTIONS", "PROPFIND", "GETT"):
        answer = await shop.api.request(method, "/apps/shop")
        assert answer.status_code == 405, method
        assert answer.headers["allow"].split(", ") == ["DELETE", "GET", "PATCH"]


async def test_a_slash_too_many_is_not_found_and_leads_nowhere(shop: Shop) -> None:
    for path in ("/apps/", "/addons/", "/apps/shop/", "//apps", "/apps//", "/apps/shop/addons/"):
        answer = await shop.api.get("http://broker.test" + path, headers={"host": "evil.example.com"})
        refused(answer, 404, "not_found")
        assert "location" not in answer.headers


LISTS = (
    "/apps", "/users/~/apps", "/addons", "/apps/shop/addons", "/addon-attachments", "/apps/shop/addon-attachments",
    "/apps/shop/releases", "/addon-services", "/addon-services/store/plans", "/oauth/authorizations", "/regions", "/stacks",
    "/oauth/sessions", "/teams", "/account/features", "/apps/shop/collaborators", "/apps/shop/dynos",
)  # fmt: skip


RANGES = (
    "name ..", "name ..; max=1", "name ]a..b; order=desc", "id ..; max=1", "version ..; max=1, order=desc", "email ..",
    "bytes=0-1", "bytes=-1", "id .." + "x" * 9000, "id ..; max=-1", "id ..; max=1e9", "version ]v9..; max=1", "version ²..",
    "version 9999999999999999999..", "created_at ..", "\xff\xfe", ";", "id ]..[", "id ..; order=sideways", "version ]0..;order=desc",
)  # fmt: skip


async def test_no_range_header_breaks_a_list(shop: Shop) -> None:
    for header in RANGES:
        for path in LISTS:
            answer = await shop.api.get(path, headers={"range": header.encode("latin-1")})
            assert answer.status_code in (200, 206), (path, header, answer.text)
            assert isinstance(answer.json(), list)


async def test_following_next_range_ends(shop: Shop) -> None:
    for path in LISTS:
        for start in ("id ..; max=1", "name ..; max=1", "version ..; max=1, order=desc"):
            seen, header = 0, start
            while header:
                answer = await shop.api.get(path, headers={"range": header})
                seen, header = seen + len(answer.json()), answer.headers.get("next-range")
                assert seen < 50, (path, start)
            assert seen == len((await shop.api.get(path)).json()), (path, start)
