"""The OpenAPI document for providers, held against what the broker answers and against what it sends."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import UUID

import httpx
import jsonschema_rs
import pytest

from broker.addons.ports import (
    DeprovisionCall,
    LendCall,
    ListCall,
    PlanChangeCall,
    RefreshCall,
    RevokeCall,
    RotateCall,
    TakeBackCall,
)
from broker.catalog.push import push_manifest
from broker.kernel.context import Actor, Context
from broker.openapi import for_partners
from broker.outbound.http import GuardedClient
from broker.outbound.partner_api import PartnerApi
from broker.partner_api.routes import FOR_OTHERS, FOR_TOKENS
from tests.addons.conftest import MANIFEST
from tests.outbound.conftest import LOOPBACK
from tests.outbound.test_partner_api import access, provision_call
from tests.outbound.wire import Request, http, listening
from tests.partner_api.conftest import Stall
from tests.platform_api.conftest import token_of

DOCUMENT: dict[str, Any] = json.loads(for_partners())
PASSWORD = MANIFEST["api"]["password"]  # type: ignore[index]  # it is a dict
READ = {
    "addon": "my-store", "app": "shop", "attachment": "STORE", "user": "~",
    "key": "{id}", "resource": "{id}", "slug": "pushed", "version": "1",
}  # fmt: skip
"""What stands in the paths; what else they name, there is none of."""


def is_fitting(schema: dict[str, Any], value: Any) -> None:
    """Whether it is as described.

    Raises: ValidationError.
    """
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema_rs.validator_for(whole).validate(value)


def described(operation: dict[str, Any], status: int) -> dict[str, Any]:
    answer = operation["responses"].get(str(status)) or operation["responses"]["default"]
    return dict(next(iter(answer["content"].values()))["schema"])


def asker(stall: Stall, operation: dict[str, Any], user: str) -> httpx.AsyncClient:
    """A client with the credentials that the document asks for."""
    (kinds,) = operation["security"]
    tokens = {"grant": stall.tokens.access.reveal(), "user": user, "manifest": None}
    client = stall.client(next(token for kind, token in tokens.items() if kind in kinds))
    if "manifest" in kinds:
        client.auth = httpx.BasicAuth("store", PASSWORD)
    return client


async def test_every_answer_to_a_get_is_as_described(stall: Stall, ctx: Context, alice: Actor) -> None:
    await push_manifest(ctx, alice, "pushed", MANIFEST | {"id": "pushed", "name": "Pushed"})
    user, seen = await token_of(ctx, alice), {200: 0, 404: 0}
    for path, operations in DOCUMENT["paths"].items():
        names = re.findall(r"{(\w+)}", path)
        if "get" not in operations:
            continue
        url = path.format(**{name: READ.get(name, str(UUID(int=7))).format(id=stall.addon.id) for name in names})
        async with asker(stall, operations["get"], user) as client:
            answer = await client.get(url)
        assert answer.status_code in seen, f"{url} {answer.text}"
        seen[answer.status_code] += 1
        is_fitting(described(operations["get"], answer.status_code), answer.json())
    assert seen[404] == 3, "one webhook, delivery and event, of which there are none"
    assert seen[200] >= 20


async def test_what_is_written_is_as_described(stall: Stall) -> None:
    operation = DOCUMENT["paths"]["/addons/{addon}/config"]["patch"]
    body = {"config": [{"name": "STORE_URL", "value": "store://2"}]}
    is_fitting(operation["requestBody"]["content"]["application/json"]["schema"], body)
    is_fitting(described(operation, 200), (await stall.api.patch("/addons/my-store/config", json=body)).json())

    operation = DOCUMENT["paths"]["/oauth/token"]["post"]
    form = {"grant_type": "refresh_token", "refresh_token": stall.tokens.refresh.reveal(), "client_secret": "wrong"}
    is_fitting(operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"], form)
    refused = await stall.client(None).post("/oauth/token", data=form)
    is_fitting(described(operation, refused.status_code), refused.json())

    hook = {"include": ["api:addon"], "level": "notify", "url": "https://example.com/hook"}
    made = await stall.api.post("/addons/my-store/webhooks", json=hook)
    is_fitting(described(DOCUMENT["paths"]["/addons/{addon}/webhooks"]["post"], 201), made.json())


def test_every_endpoint_of_this_face_is_there_with_a_sentence_and_credentials() -> None:
    there = {(method, path) for path, found in DOCUMENT["paths"].items() for method in found}
    wanted = {
        (method.lower(), route.path)
        for noun in (*FOR_TOKENS, *FOR_OTHERS)
        for route in noun.router.routes
        for method in route.methods
    }
    assert there == wanted | {("post", "/oauth/token")}
    for found in (*DOCUMENT["paths"].values(), *DOCUMENT["webhooks"].values()):
        for operation in found.values():
            assert operation["summary"]
            assert all(set(kinds) < {"grant", "manifest", "user", "address"} for kinds in operation["security"])
    assert DOCUMENT["info"]["title"] == "Addon Broker for providers"


@pytest.fixture
async def outgoing() -> Any:
    client = GuardedClient(LOOPBACK, limit_bytes=10_000, timeout_s=10)
    yield PartnerApi(client, "https://broker.example.com")
    await client.close()


async def test_what_the_broker_sends_is_as_described(outgoing: PartnerApi) -> None:
    uuid, other = UUID(int=1), UUID(int=2)
    async with listening(http(200, '{"id": "1"}')) as wire:
        to = access(wire.url)
        await outgoing.provision(provision_call(to, uuid=uuid, requires=("log_input", "syslog_drain")))
        await outgoing.change_plan(PlanChangeCall(to, uuid, other, None, "big"))
        await outgoing.deprovision(DeprovisionCall(to, uuid, None))
        await outgoing.rotate(RotateCall(to, uuid, None, other))
        await outgoing.revoke(RevokeCall(to, uuid, None, other))
        await outgoing.refresh(RefreshCall(to, uuid, None))
        await outgoing.lend(LendCall(to, uuid, None, other, "shop", "read_only"))
        await outgoing.take_back(TakeBackCall(to, uuid, None, other))
        await outgoing.list_resources(ListCall(to))
        sent = {name_of(request): json.loads(request.body or b"null") for request in wire.requests}
    assert sent.keys() == DOCUMENT["webhooks"].keys()
    for name, body in sent.items():
        ((_, operation),) = DOCUMENT["webhooks"][name].items()
        assert ("requestBody" in operation) == (body is not None)
        if body is not None:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            is_fitting(schema, body)
            assert set(body) == set(DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]["properties"])


def name_of(request: Request) -> str:
    """The request in the words of the document."""
    method, path, _ = request.line.split()
    for known, word in (
        ("/heroku/resources", "base_url"),
        (str(UUID(int=1)), "{uuid}"),
        (str(UUID(int=2)), "{credential}"),
    ):
        path = path.replace(known, word)
    return f"{method} {path}"
