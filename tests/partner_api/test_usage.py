"""Reporting usage over HTTP: batches and CloudEvents, by the manifest's password and by an add-on's token."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from broker.addons.queries import AddonView
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.kernel.context import SYSTEM
from tests.addons.conftest import MANIFEST
from tests.billing.metering_world import METERED, metered_line
from tests.partner_api.conftest import Stall

PASSWORD = MANIFEST["api"]["password"]
BATCHES = "/api/v3/addons/store/usage_batches"
EVENTS = "/api/v3/addons/store/usage_events"
HOUR = "2026-11-21T09:00:00Z"
NOW = "2026-11-21T10:30:00Z"


@pytest.fixture
async def metered(stall: Stall) -> AddonView:
    """An add-on on the plan `payg`, since before ten o'clock."""
    await publish(stall.ctx, parse(METERED), SYSTEM)
    addon = await stall.world.provisioned("store:payg", name="meter-store")
    stall.ctx.clock.advance(hours=1)  # type: ignore[attr-defined]  # the clock of these tests has it
    return addon


@pytest.fixture
async def provider(stall: Stall) -> AsyncIterator[httpx.AsyncClient]:
    async with stall.client(None) as client:
        client.auth = httpx.BasicAuth("store", PASSWORD)
        yield client


def usage(addon: AddonView, **more: Any) -> dict[str, Any]:
    return {"resource": {"id": str(addon.id)}, "unit": {"name": "rows"}, "quantity": "5", "id": "1", **more}


def event(addon: AddonView, **more: Any) -> dict[str, Any]:
    data = {"meter": "rows", "quantity": "5"} | more.pop("data", {})
    named = {"specversion": "1.0", "id": "1", "source": "eu-1", "type": "usage", "subject": str(addon.id)}
    return named | {"time": NOW, "data": data} | more


async def test_a_batch_is_answered_report_by_report(
    stall: Stall, provider: httpx.AsyncClient, metered: AddonView
) -> None:
    usages = [
        usage(metered),
        usage(metered, quantity=7),
        usage(metered, id="2", unit="rows", resource=str(metered.id), quantity=3),
        usage(metered, id="3", unit={"name": "cats"}),
        usage(metered, id="4", quantity=0.1),
        usage(metered, id="5", quantity="1e3"),
        usage(metered, id="6", resource={"id": "meter-store"}),
        "nonsense",
        usage(metered, id="1"),
        usage(metered, id="7", at="2026-11-21 10:00"),
        usage(metered, id="8", quantity=None, unit=None),
        usage(metered, id="9", quantity=None, unit=None, voids="2"),
    ]
    answer = await provider.post(BATCHES, json={"timestamp": NOW, "usages": usages})
    assert answer.status_code == 207
    told = answer.json()
    assert {key: told[key] for key in ("accepted", "duplicate", "conflict", "refused")} == {
        "accepted": 3, "duplicate": 1, "conflict": 1, "refused": 7,
    }  # fmt: skip
    assert [(each["id"], each["status"], each.get("reason")) for each in told["results"]] == [
        ("1", "accepted", None),
        ("1", "conflict", "conflict"),
        ("2", "accepted", None),
        ("3", "refused", "unknown_meter"),
        ("4", "refused", "invalid"),
        ("5", "refused", "invalid"),
        ("6", "refused", "invalid"),
        ("", "refused", "invalid"),
        ("1", "duplicate", None),
        ("7", "refused", "invalid"),
        ("8", "refused", "invalid"),
        ("9", "accepted", None),
    ]
    assert told["results"][4]["message"].startswith("quantity: must be a decimal in quotes")
    again = await provider.post(BATCHES, json={"timestamp": NOW, "usages": [usages[0], usages[-1]]})
    assert (again.status_code, again.json()["duplicate"]) == (200, 2)
    stall.ctx.clock.advance(hours=1)  # type: ignore[attr-defined]  # the clock of these tests has it
    assert (await metered_line(stall.world)).quantity == 5


async def test_reports_without_ids_are_named_by_hour_add_on_and_unit(
    provider: httpx.AsyncClient, metered: AddonView
) -> None:
    nameless = usage(metered, id=None)
    at_ten = "2026-11-21T10:00:00Z"
    first, again, other = [
        (await provider.post(BATCHES, json={"timestamp": hour, "usages": [sent]})).json()["results"][0]
        for hour, sent in [(at_ten, nameless), (at_ten, nameless), (at_ten, nameless | {"quantity": "6"})]
    ]
    assert first == {"id": f"{at_ten} {metered.id} rows", "status": "accepted"}
    assert (again["status"], other["status"]) == ("duplicate", "conflict")
    (refused,) = (await provider.post(BATCHES, json={"usages": [nameless]})).json()["results"]
    assert refused["message"] == "id: is required, unless the batch has a timestamp."


async def test_one_cloud_event_is_answered_by_its_status(provider: httpx.AsyncClient, metered: AddonView) -> None:
    headers = {"content-type": "application/cloudevents+json"}

    async def sent(**more: Any) -> tuple[int, str]:
        answer = await provider.post(EVENTS, json=event(metered, **more), headers=headers)
        return answer.status_code, answer.json().get("status") or answer.json()["id"]

    assert await sent() == (200, "accepted")
    assert await sent() == (200, "duplicate")
    assert await sent(source="eu-2") == (200, "accepted")
    assert await sent(data={"quantity": "6"}) == (409, "conflict")
    assert await sent(id="2", time=HOUR) == (422, "invalid_params")
    assert await sent(id="3", specversion="0.3") == (422, "invalid_params")


async def test_many_cloud_events_are_a_list(provider: httpx.AsyncClient, metered: AddonView) -> None:
    headers = {"content-type": "application/cloudevents-batch+json"}
    events = [event(metered), event(metered, id="2", data={"voids": "1"}), event(metered, id="3", subject="nobody")]
    answer = await provider.post(EVENTS, json=events, headers=headers)
    assert answer.status_code == 207
    assert [each["status"] for each in answer.json()["results"]] == ["accepted", "accepted", "refused"]


@pytest.mark.parametrize("body", ["[]", "{}", '{"usages": {}}', "null", "7", "", '{"usages": [], "timestamp": 7}', "["])
async def test_what_is_no_batch_is_refused_as_a_whole(
    provider: httpx.AsyncClient, metered: AddonView, body: str
) -> None:
    answer = await provider.post(BATCHES, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)


async def test_a_batch_has_a_limit(provider: httpx.AsyncClient, metered: AddonView) -> None:
    answer = await provider.post(BATCHES, json={"usages": [{}] * 1001})
    assert answer.status_code == 413
    assert "At most 1000" in answer.json()["message"]


async def test_the_capability_the_slug_and_the_password_are_needed(stall: Stall, provider: httpx.AsyncClient) -> None:
    refused = await provider.post(BATCHES, json={"usages": []})
    assert refused.status_code == 403
    assert "capability usage" in refused.json()["message"]
    assert (await provider.post("/api/v3/addons/queue/usage_batches", json={"usages": []})).status_code == 404
    wrong = await provider.post(BATCHES, json={"usages": []}, auth=("store", "wrong"))
    assert wrong.status_code == 401
    assert (await stall.api.post("/addons/my-store/usage_events", json=[])).status_code == 403


async def test_the_token_of_an_add_on_reports_of_that_add_on(stall: Stall, metered: AddonView) -> None:
    other = await stall.world.provisioned("store:payg", name="other-meter")
    async with await stall.client_for(metered.id) as api:
        batch = {"timestamp": NOW, "usages": [usage(metered), usage(other, id="2"), usage(metered, id="3")]}
        answer = await api.post("/addons/meter-store/usage_batches", json=batch)
        assert [each["status"] for each in answer.json()["results"]] == ["accepted", "refused", "accepted"]
        assert (await api.post("/addons/other-meter/usage_batches", json=batch)).status_code in (403, 404)
        single = await api.post("/addons/meter-store/usage_events", json=event(metered))
        assert (single.status_code, single.json()["status"]) == (200, "accepted")
    async with await stall.client_for(stall.addon.id) as api:
        assert (await api.post("/addons/meter-store/usage_batches", json=batch)).status_code in (403, 404)


async def test_one_name_is_one_report_whichever_door_it_comes_through(
    stall: Stall, provider: httpx.AsyncClient, metered: AddonView
) -> None:
    batch = {"timestamp": NOW, "usages": [usage(metered)]}
    await provider.post(BATCHES, json=batch)
    async with await stall.client_for(metered.id) as api:
        answer = await api.post("/addons/meter-store/usage_batches", json=batch)
    assert answer.json()["duplicate"] == 1
