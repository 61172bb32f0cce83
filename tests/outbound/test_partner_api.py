import asyncio
import base64
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from broker.addons.ports import (
    Answer,
    DeprovisionCall,
    Grant,
    ListCall,
    Listed,
    Listing,
    PlanChangeCall,
    ProviderAccess,
    ProvisionCall,
    Reply,
)
from broker.kernel.secret import Secret
from broker.outbound.http import GuardedClient
from broker.outbound.partner_api import PartnerApi
from embedded.processes import free_port
from tests.outbound.conftest import LIMIT_BYTES, LOOPBACK
from tests.outbound.wire import Request, Script, hang_up, http, listening

UUID_OF_ADDON = UUID("01234567-89ab-cdef-0123-456789abcdef")
UUID_OF_APP = UUID("00000000-0000-7000-8000-0000000003e7")
PASSWORD = "pass-word:with/odd?signs"


@pytest.fixture
def api(client: GuardedClient) -> PartnerApi:
    return PartnerApi(client, "https://broker.example.com")


def access(url: str, version: str = "3", style: str = "object") -> ProviderAccess:
    return ProviderAccess("store", version, url, style, Secret(PASSWORD))


def provision_call(to: ProviderAccess, **values: Any) -> ProvisionCall:
    defaults: dict[str, Any] = {
        "uuid": UUID_OF_ADDON,
        "name": "store-calm-12345",
        "app_id": UUID_OF_APP,
        "plan": "big",
        "region": "eu",
        "options": {"version": "16", "flag": "true"},
        "grant": Grant(Secret("fedcba98-7654-4321-8fed-cba987654321"), datetime(2026, 11, 21, 10, 0, tzinfo=UTC)),
    }
    return ProvisionCall(to, **defaults | values)


async def provision(api: PartnerApi, *scripts: Script) -> Reply:
    async with listening(*scripts) as wire:
        return await api.provision(provision_call(access(wire.url)))


async def change_plan(api: PartnerApi, *scripts: Script) -> Reply:
    async with listening(*scripts) as wire:
        return await api.change_plan(PlanChangeCall(access(wire.url), UUID_OF_ADDON, UUID_OF_APP, "r-1", "huge"))


async def deprovision(api: PartnerApi, *scripts: Script) -> Reply:
    async with listening(*scripts) as wire:
        return await api.deprovision(DeprovisionCall(access(wire.url), UUID_OF_ADDON, "r-1"))


def body(**members: Any) -> str:
    return json.dumps(members)


def sealed(values: Mapping[str, str]) -> dict[str, Secret]:
    return {name: Secret(value) for name, value in values.items()}


FULL = body(id="r-1", config={"STORE_URL": "store://1"}, message="Welcome.")
GOOD = Reply(Answer.DONE, 200, "Welcome.", "r-1", sealed({"STORE_URL": "store://1"}))


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (http(200, FULL), GOOD),
        (http(201, FULL), Reply(Answer.DONE, 201, "Welcome.", "r-1", GOOD.config)),
        (http(200, FULL, "text/html"), GOOD),
        (http(200, FULL, "application/octet-stream"), GOOD),
        (http(200, "\ufeff" + FULL), GOOD),
        (http(200, body(id=123)), Reply(Answer.DONE, 200, None, "123")),
        (http(200, body(id="r-1", message=None)), Reply(Answer.DONE, 200, None, "r-1")),
        (http(200, body(id="r-1", message=["no text"])), Reply(Answer.DONE, 200, None, "r-1")),
        (http(200, body(id="r-1", message="a\x1b[31mb\nc")), Reply(Answer.DONE, 200, "a[31mb\nc", "r-1")),
        (http(200, body(id="r-1", config=None)), Reply(Answer.DONE, 200, None, "r-1")),
        (http(200, body(id="r-1", config={})), Reply(Answer.DONE, 200, None, "r-1")),
        (http(200, body(id="r-1", unknown={"a": [1]})), Reply(Answer.DONE, 200, None, "r-1")),
        (
            http(200, body(id="r-1", config={"A": 5432, "B": True, "C": 0.5, "D": None, "E": "ü\n'\""})),
            Reply(Answer.DONE, 200, None, "r-1", sealed({"A": "5432", "B": "true", "C": "0.5", "E": "ü\n'\""})),
        ),
        (http(202, body(id="r-1", message="Soon.")), Reply(Answer.ACCEPTED, 202, "Soon.", "r-1")),
        (http(202), Reply(Answer.ACCEPTED, 202)),
        (http(202, body(id="r", config={"A": "ignored"})), Reply(Answer.ACCEPTED, 202, None, "r")),
    ],
)
async def test_every_usable_answer_to_a_provision_is_understood(api: PartnerApi, answer: bytes, reply: Reply) -> None:
    assert await provision(api, answer) == reply


@pytest.mark.parametrize(
    "content",
    [
        "",
        "ok",
        "<html>Welcome</html>",
        "[]",
        "null",
        '"r-1"',
        "{",
        body(config={}),
        body(id=None),
        body(id=True),
        body(id=1.5),
        body(id=""),
        body(id="x" * 256),
        body(id="a\nb"),
        body(id={"a": 1}),
        body(id="r", config=["A"]),
        body(id="r", config={"A": ["x"]}),
        body(id="r", config={"A": {"b": "c"}}),
        body(id="r", config={"A": "nul \0"}),
        body(id="r", config={"A": "\ud800"}),
        b"\xff\xfe\x00",
        b'{"id": ' + b"[" * 9000,
    ],
)
async def test_a_provision_answered_with_nonsense_is_malformed_never_an_error(
    api: PartnerApi, content: str | bytes
) -> None:
    reply = await provision(api, http(200, content))
    assert (reply.answer, reply.status, reply.config) == (Answer.MALFORMED, 200, {})


async def test_a_value_beyond_64_kib_is_malformed() -> None:
    wide = GuardedClient(LOOPBACK, limit_bytes=1_000_000, timeout_s=5)
    largest, beyond = (http(200, body(id="r", config={"A": "x" * size})) for size in (65536, 65537))
    assert (await provision(PartnerApi(wide, ""), largest)).answer is Answer.DONE
    assert (await provision(PartnerApi(wide, ""), beyond)).answer is Answer.MALFORMED
    await wide.close()


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (http(422, body(message="No room.")), Answer.REFUSED, "No room."),
        (http(422, body(message="No room."), "text/html"), Answer.REFUSED, "No room."),
        (http(503, body(message="Back at noon.")), Answer.REFUSED, "Back at noon."),
        (http(422, body(message=" ")), Answer.CLIENT_ERROR, None),
        (http(422), Answer.CLIENT_ERROR, None),
        (http(422, "No room."), Answer.CLIENT_ERROR, None),
        (http(503), Answer.SERVER_ERROR, None),
        (http(503, "<html>"), Answer.SERVER_ERROR, None),
        (http(400, body(message="Bad.")), Answer.CLIENT_ERROR, "Bad."),
        (http(409), Answer.CLIENT_ERROR, None),
        (http(418), Answer.CLIENT_ERROR, None),
        (http(401, body(message="Who?")), Answer.UNAUTHORIZED, "Who?"),
        (http(403), Answer.UNAUTHORIZED, None),
        (http(404), Answer.MISSING, None),
        (http(408), Answer.TIMEOUT_STATUS, None),
        (http(410), Answer.GONE, None),
        (http(429), Answer.THROTTLED, None),
        (http(500), Answer.SERVER_ERROR, None),
        (http(500, body(message="Trace")), Answer.SERVER_ERROR, "Trace"),
        (http(502, "<html>Bad Gateway</html>", "text/html"), Answer.SERVER_ERROR, None),
        (http(504), Answer.SERVER_ERROR, None),
        (http(599), Answer.SERVER_ERROR, None),
        (http(301, location="http://127.0.0.1:9/"), Answer.REDIRECT, None),
        (http(302, location="/elsewhere"), Answer.REDIRECT, None),
        (http(307, location="https://127.0.0.1:9/"), Answer.REDIRECT, None),
        (http(308), Answer.REDIRECT, None),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", Answer.REDIRECT, None),
    ],
)
async def test_every_refusal_and_fault_has_its_kind(
    api: PartnerApi, answer: bytes, kind: Answer, message: str | None
) -> None:
    for call in (provision, change_plan, deprovision):
        reply = await call(api, answer)
        assert (reply.answer, reply.message) == (kind, message)
        assert reply.provider_id is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "17"}, 17.0),
        ({"retry_after": " 17 "}, 17.0),
        ({"retry_after": "Sat, 21 Nov 2026 10:01:30 GMT", "date": "Sat, 21 Nov 2026 10:00:00 GMT"}, 90.0),
        ({"retry_after": "Sat, 21 Nov 2026 10:01:30 GMT"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-5"}, None),
        ({"retry_after": "²"}, None),
        ({"retry_after": "9" * 400}, 999999999.0),
        ({"retry_after": "Sat, 99 Nov 2026 10:01:30 GMT", "date": "x"}, None),
        ({}, None),
    ],
)
async def test_a_request_to_wait_is_read_in_seconds_and_as_a_date(
    api: PartnerApi, headers: dict[str, str], seconds: float | None
) -> None:
    reply = await provision(api, http(429, **headers))
    assert (reply.answer, reply.retry_after_s) == (Answer.THROTTLED, seconds)


@pytest.mark.parametrize("answer", [http(200, "ok"), http(200), http(200, " "), b"HTTP/1.1 204 No\r\n\r\n", http(201)])
async def test_plan_change_and_removal_need_no_body(api: PartnerApi, answer: bytes) -> None:
    for call in (change_plan, deprovision):
        assert (await call(api, answer)).answer is Answer.DONE


@pytest.mark.parametrize("page", ["<!doctype html><title>Welcome</title>", " \n<h1>Welcome to nginx</h1>"])
async def test_a_web_page_is_no_answer_whatever_its_status(api: PartnerApi, page: str) -> None:
    """A parked domain, or a proxy before a provider that is away, says 200 to a removal that nobody has made."""
    for call in (provision, change_plan, deprovision):
        assert (await call(api, http(200, page, "text/html"))).answer is Answer.MALFORMED


async def test_a_plan_change_may_bring_config_and_message_but_no_new_id(api: PartnerApi) -> None:
    content = body(id="another", config={"STORE_URL": "store://2"}, message="Moved.")
    reply = await change_plan(api, http(200, content))
    assert reply == Reply(Answer.DONE, 200, "Moved.", None, sealed({"STORE_URL": "store://2"}))


async def test_a_plan_change_with_unusable_config_still_counts_and_says_so(api: PartnerApi) -> None:
    reply = await change_plan(api, http(200, body(config={"A": ["x"]})))
    assert (reply.answer, reply.config) == (Answer.DONE, {})
    assert "ignored" in (reply.note or "")


async def reset(writer: asyncio.StreamWriter) -> None:
    hang_up(writer, reset=True)


async def test_no_answer_at_all_is_a_reply_too(api: PartnerApi) -> None:
    assert (await provision(api, reset)).answer is Answer.LOST
    assert (await provision(api, http(200, "x" * (LIMIT_BYTES + 1)))).answer is Answer.OVERSIZED
    nobody = await api.provision(provision_call(access(f"http://127.0.0.1:{free_port()}/")))
    assert nobody.answer is Answer.NOT_SENT
    forbidden = await api.provision(provision_call(access("http://169.254.169.254/latest")))
    assert forbidden == Reply(Answer.NOT_SENT, note="the address is not a public one")


async def exchange(api: PartnerApi, version: str, style: str = "object", path: str = "/any/path/") -> list[Request]:
    """A provision, a plan change and a removal, as they arrive at the provider."""
    async with listening(http(200, FULL)) as wire:
        to = access(f"http://127.0.0.1:{wire.port}{path}", version, style)
        await api.provision(provision_call(to))
        await api.change_plan(PlanChangeCall(to, UUID_OF_ADDON, UUID_OF_APP, "r/1 ü", "huge"))
        await api.deprovision(DeprovisionCall(to, UUID_OF_ADDON, "r/1 ü"))
        return wire.requests


async def test_v3_requests_are_exactly_these(api: PartnerApi) -> None:
    made, moved, removed = await exchange(api, "3")
    assert made.line == "POST /any/path/ HTTP/1.1", "the URL is used verbatim"
    assert json.loads(made.body) == {
        "uuid": "01234567-89ab-cdef-0123-456789abcdef",
        "name": "store-calm-12345",
        "plan": "big",
        "region": "amazon-web-services::eu-west-1",
        "options": {"version": "16", "flag": "true"},
        "callback_url": "https://broker.example.com/addons/01234567-89ab-cdef-0123-456789abcdef",
        "oauth_grant": {
            "code": "fedcba98-7654-4321-8fed-cba987654321",
            "type": "authorization_code",
            "expires_at": "2026-11-21T10:00:00Z",
        },
    }
    assert moved.line == "PUT /any/path/01234567-89ab-cdef-0123-456789abcdef HTTP/1.1"
    assert json.loads(moved.body) == {"plan": "huge"}
    assert removed.line == "DELETE /any/path/01234567-89ab-cdef-0123-456789abcdef HTTP/1.1"
    assert removed.body == b""


async def test_v1_requests_are_exactly_these(api: PartnerApi) -> None:
    made, moved, removed = await exchange(api, "1", path="/heroku/resources")
    assert made.line == "POST /heroku/resources HTTP/1.1"
    assert json.loads(made.body) == {
        "uuid": "01234567-89ab-cdef-0123-456789abcdef",
        "heroku_id": f"app{UUID_OF_APP.int}@heroku.com",
        "plan": "big",
        "region": "amazon-web-services::eu-west-1",
        "options": {"version": "16", "flag": "true"},
        "callback_url": "https://broker.example.com/vendor/apps/01234567-89ab-cdef-0123-456789abcdef",
        "logplex_token": None,
    }
    assert moved.line == "PUT /heroku/resources/r%2F1%20%C3%BC HTTP/1.1", "the id is the provider's own, in one segment"
    assert json.loads(moved.body)["plan"] == "huge"
    assert removed.line == "DELETE /heroku/resources/r%2F1%20%C3%BC HTTP/1.1"


async def test_the_oldest_form_of_manifest_has_its_resources_below_the_root(api: PartnerApi) -> None:
    made, _, removed = await exchange(api, "1", "root", "/")
    assert made.line == "POST /heroku/resources HTTP/1.1"
    assert removed.line.startswith("DELETE /heroku/resources/r%2F1")


@pytest.mark.parametrize(
    ("version", "accept"), [("3", "application/vnd.heroku-addons+json; version=3"), ("1", "application/json")]
)
async def test_headers_say_what_is_spoken_and_the_password_is_in_one_of_them_alone(
    api: PartnerApi, version: str, accept: str
) -> None:
    requests = await exchange(api, version)
    basic = "Basic " + base64.b64encode(f"store:{PASSWORD}".encode()).decode()
    for request in requests:
        assert request.headers["accept"] == accept
        assert request.headers["authorization"] == basic
        assert request.headers["user-agent"] == "addon-broker"
        assert UUID(request.headers["request-id"])
        assert PASSWORD not in request.line + request.body.decode()
    assert [request.headers.get("content-type") for request in requests] == ["application/json"] * 2 + [None]
    assert len({request.headers["request-id"] for request in requests}) == 3


@pytest.mark.parametrize("version", ["1", "3"])
async def test_providers_of_logs_are_given_what_they_store_the_same_each_time(api: PartnerApi, version: str) -> None:
    async with listening(http(200, FULL)) as wire:
        to = access(wire.url, version)
        for requires in (("log_input", "syslog_drain"), ("syslog_drain", "log_input"), ("many_per_app",)):
            await api.provision(provision_call(to, requires=requires))
    first, again, without = (json.loads(request.body) for request in wire.requests)
    names = ("log_input_url", "log_drain_token")
    assert [first[name] for name in names] == [again[name] for name in names]
    assert re.fullmatch(r"https://token:t\.[0-9a-f-]{36}@broker\.example\.com/logs", first["log_input_url"])
    assert re.fullmatch(r"d\.[0-9a-f-]{36}", first["log_drain_token"])
    assert not set(names) & set(without)


async def test_a_provider_that_does_not_know_the_new_password_yet_is_given_the_one_before(api: PartnerApi) -> None:
    async with listening(http(401), http(200, FULL), http(401)) as wire:
        changed = replace(access(wire.url), old_password=Secret("before"))
        assert await api.provision(provision_call(changed)) == GOOD
        assert (await api.provision(provision_call(changed))).answer is Answer.UNAUTHORIZED
        assert (await api.provision(provision_call(access(wire.url)))).answer is Answer.UNAUTHORIZED
    given = [base64.b64decode(request.headers["authorization"][6:]).decode() for request in wire.requests]
    assert given == [f"store:{PASSWORD}", "store:before"] * 2 + [f"store:{PASSWORD}"]
    assert wire.requests[0].body == wire.requests[1].body


async def test_credentials_in_the_url_do_not_replace_those_of_the_manifest(api: PartnerApi) -> None:
    async with listening(http(200, FULL)) as wire:
        await api.provision(provision_call(access(f"http://evil:evil@127.0.0.1:{wire.port}/x")))
    assert wire.requests[0].headers["authorization"].endswith(base64.b64encode(f"store:{PASSWORD}".encode()).decode())


async def test_a_v1_resource_without_id_cannot_be_named_so_nothing_is_sent(api: PartnerApi) -> None:
    async with listening(http(200)) as wire:
        reply = await api.deprovision(DeprovisionCall(access(wire.url, "1"), UUID_OF_ADDON, None))
    assert (reply.answer, reply.status, wire.connections) == (Answer.GONE, None, 0)


async def test_a_v3_resource_is_named_by_its_uuid_even_if_the_provider_gave_another_id(api: PartnerApi) -> None:
    async with listening(http(200)) as wire:
        await api.deprovision(DeprovisionCall(access(wire.url), UUID_OF_ADDON, None))
    assert wire.requests[0].line.split()[1].endswith(f"/{UUID_OF_ADDON}")


async def list_resources(api: PartnerApi, *scripts: Script) -> Listing:
    async with listening(*scripts) as wire:
        return await api.list_resources(ListCall(access(wire.url)))


async def test_a_list_is_read_by_uuid_and_by_the_ids_of_the_provider(api: PartnerApi) -> None:
    entries = [
        {"id": "r-1", "uuid": str(UUID_OF_ADDON), "name": "x", "plan": "big", "state": "active", "created_at": "2026"},
        {"id": 7, "plan": ["no text"], "unknown": {"a": 1}},
        {"id": None, "uuid": str(UUID_OF_ADDON)},
    ]
    assert await list_resources(api, http(200, json.dumps(entries))) == Listing(
        Reply(Answer.DONE, 200),
        (
            Listed("r-1", UUID_OF_ADDON, "big", "active"),
            Listed("7", None, None, None),
            Listed(None, UUID_OF_ADDON, None, None),
        ),
    )
    assert await list_resources(api, http(200, "[]")) == Listing(Reply(Answer.DONE, 200))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (http(200, "{}"), Answer.MALFORMED),
        (http(200, "ok"), Answer.MALFORMED),
        (http(200), Answer.MALFORMED),
        (http(200, '[{"id": "r-1"}, {"name": "no id"}]'), Answer.MALFORMED),
        (http(200, '[{"id": "r-1"}, "r-2"]'), Answer.MALFORMED),
        (http(206, '[{"id": "r-1"}]'), Answer.MALFORMED),
        (http(202), Answer.ACCEPTED),
        (http(401), Answer.UNAUTHORIZED),
        (http(404), Answer.MISSING),
        (http(500), Answer.SERVER_ERROR),
        (http(200, "[" + "0," * LIMIT_BYTES + "0]"), Answer.OVERSIZED),
        (hang_up, Answer.LOST),
    ],
)
async def test_what_is_no_whole_list_is_none(api: PartnerApi, answer: Script, expected: Answer) -> None:
    listing = await list_resources(api, answer)
    assert (listing.reply.answer, listing.resources) == (expected, ())
