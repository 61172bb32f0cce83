"""The calls of the capability `rotate` as they go over the wire."""

import json
from uuid import UUID

import pytest

from broker.addons.ports import Answer, LendCall, RefreshCall, RevokeCall, RotateCall, TakeBackCall
from broker.kernel.secret import Secret
from broker.outbound.http import GuardedClient
from broker.outbound.partner_api import PartnerApi
from tests.outbound.test_partner_api import UUID_OF_ADDON, access
from tests.outbound.wire import http, listening

ROTATION = UUID("fedcba98-7654-4321-8fed-cba987654321")
RESOURCE = f"/heroku/resources/{UUID_OF_ADDON}"


@pytest.fixture
def api(client: GuardedClient) -> PartnerApi:
    return PartnerApi(client, "https://broker.example.com")


async def test_rotate_and_revoke_name_the_rotation_and_refresh_asks_for_what_holds(api: PartnerApi) -> None:
    answer = http(200, '{"config": {"STORE_URL": "store://2"}}')
    async with listening(answer, http(204), answer) as wire:
        to = access(wire.url)
        issued = await api.rotate(RotateCall(to, UUID_OF_ADDON, None, ROTATION))
        revoked = await api.revoke(RevokeCall(to, UUID_OF_ADDON, None, ROTATION))
        known = await api.refresh(RefreshCall(to, UUID_OF_ADDON, None))
    assert [request.line for request in wire.requests] == [
        f"POST {RESOURCE}/actions/rotate HTTP/1.1",
        f"POST {RESOURCE}/actions/revoke HTTP/1.1",
        f"GET {RESOURCE} HTTP/1.1",
    ]
    assert [json.loads(request.body) for request in wire.requests[:2]] == [{"rotation": str(ROTATION)}] * 2
    assert wire.requests[0].headers["authorization"].startswith("Basic ")
    assert issued.config == known.config == {"STORE_URL": Secret("store://2")}
    assert revoked.answer is Answer.DONE


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (202, "", Answer.ACCEPTED),
        (404, "", Answer.MISSING),
        (422, '{"message": "Not now."}', Answer.REFUSED),
        (500, "", Answer.SERVER_ERROR),
        (204, "", Answer.DONE),
    ],
)
async def test_every_answer_is_a_reply(api: PartnerApi, status: int, body: str, answer: Answer) -> None:
    async with listening(http(status, body)) as wire:
        reply = await api.rotate(RotateCall(access(wire.url), UUID_OF_ADDON, "r1", ROTATION))
    assert (reply.answer, reply.status) == (answer, status)


async def test_a_provider_of_the_old_protocol_is_asked_by_its_own_id(api: PartnerApi) -> None:
    async with listening(http(204)) as wire:
        await api.revoke(RevokeCall(access(wire.url, "1"), UUID_OF_ADDON, "17", ROTATION))
    assert wire.requests[0].line == "POST /heroku/resources/17/actions/revoke HTTP/1.1"


async def test_a_login_of_its_own_is_made_and_removed_by_its_id(api: PartnerApi) -> None:
    async with listening(http(201, '{"config": {"STORE_URL": "store://own"}}'), http(204)) as wire:
        to = access(wire.url)
        lent = await api.lend(LendCall(to, UUID_OF_ADDON, None, ROTATION, "analytics", "read_only"))
        gone = await api.take_back(TakeBackCall(to, UUID_OF_ADDON, None, ROTATION))
    made, removed = wire.requests
    assert made.line == f"POST {RESOURCE}/credentials HTTP/1.1"
    assert json.loads(made.body) == {"credential": str(ROTATION), "name": "analytics", "permission": "read_only"}
    assert removed.line == f"DELETE {RESOURCE}/credentials/{ROTATION} HTTP/1.1"
    assert (lent.config, gone.answer) == ({"STORE_URL": Secret("store://own")}, Answer.DONE)
