"""Webhooks over the Platform API: the wire form, what is refused, and who sees what."""

from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from broker.apps.change import ChangeApp, change_app
from broker.apps.create import CreateApp, create_app
from broker.events.deliver import deliver
from broker.faces.webhook_payloads import WebhookPayloads
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.ids import as_uuid
from tests.events.receivers import DOWN, Receiver
from tests.platform_api.conftest import client_of, token_of

BODY = {"include": ["api:app", "api:release"], "level": "sync", "url": "https://hooks.example.com/in?x=1"}
PAYLOADS = WebhookPayloads("https://broker.example.com")


@pytest.fixture(autouse=True)
async def _shop(ctx: Context, alice: Actor) -> None:
    await create_app(ctx, alice, CreateApp("shop"))


async def added(api: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await api.post("/apps/shop/webhooks", json={**BODY, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def happens(ctx: Context, alice: Actor, webhook: dict[str, Any], receiver: Receiver, times: int = 1) -> None:
    """The app changes, and its webhook is told so."""
    webhook_id = as_uuid(webhook["id"])
    assert webhook_id is not None
    for number in range(times):
        await change_app(ctx, alice, "shop", ChangeApp(stack=f"{ctx.clock.advance(seconds=1):%H%M%S}-{number}"))
        await deliver(ctx, PAYLOADS, receiver, webhook_id)


async def test_a_webhook_is_added_shown_changed_and_removed(api: httpx.AsyncClient) -> None:
    made = await added(api)
    assert made == {
        "id": made["id"],
        **BODY,
        "failing_since": None,
        "stopped_at": None,
        "stopped_for": None,
        "created_at": "2026-11-21T09:54:07Z",
        "updated_at": "2026-11-21T09:54:07Z",
    }
    path = f"/apps/shop/webhooks/{made['id']}"
    assert (await api.get(path)).json() == made
    assert (await api.get("/apps/shop/webhooks")).json() == [made]
    changed = await api.patch(path, json={"level": "notify", "include": ["api:addon"]})
    assert changed.json() == {**made, "level": "notify", "include": ["api:addon"]}
    assert (await api.delete(path)).json()["id"] == made["id"]
    gone = await api.get(path)
    assert (gone.status_code, gone.json()["id"]) == (404, "not_found")


async def test_the_signing_secret_is_in_the_answer_that_adds_and_nowhere_else(
    api: httpx.AsyncClient, ctx: Context
) -> None:
    own = await api.post("/apps/shop/webhooks", json={**BODY, "secret": "own-secret", "authorization": "Bearer out"})
    assert own.headers["heroku-webhook-secret"] == "own-secret"
    made = await api.post("/apps/shop/webhooks", json=BODY)
    assert made.headers["heroku-webhook-secret"].startswith("whsec_")
    path = f"/apps/shop/webhooks/{own.json()['id']}"
    answers = [own.text, *[
        answer.text + str(answer.headers)
        for answer in (
            await api.get(path),
            await api.patch(path, json={"secret": "other-secret"}),
            await api.get("/apps/shop/webhooks"),
            await api.delete(path),
        )
    ]]  # fmt: skip
    for secret in ("own-secret", "other-secret", "Bearer out", "whsec_"):
        assert all(secret not in text for text in answers)


async def test_a_repeated_request_adds_one_webhook_and_does_not_tell_its_secret_again(api: httpx.AsyncClient) -> None:
    headers = {"idempotency-key": "once"}
    first = await api.post("/apps/shop/webhooks", json=BODY, headers=headers)
    again = await api.post("/apps/shop/webhooks", json=BODY, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert "heroku-webhook-secret" not in again.headers
    assert len((await api.get("/apps/shop/webhooks")).json()) == 1


@pytest.mark.parametrize(
    ("member", "value", "said"),
    [
        ("url", "http://hooks.example.com/in", "must begin with https://"),
        ("url", "https://10.0.0.1/in", "must lead to a public address"),
        ("url", "https://[::1]/in", "must lead to a public address"),
        ("url", "https://localhost/in", "must lead to a public address"),
        ("url", "https://169.254.169.254/latest", "must lead to a public address"),
        ("url", "https://user:word@hooks.example.com/", "give them as `authorization`"),
        ("url", "https://hooks.example.com/#part", "must not contain a fragment"),
        ("url", "ftp://hooks.example.com/", "must be an absolute URL"),
        ("url", "/in", "must be an absolute URL"),
        ("url", "https://hooks.example.com:99999/", "is not a URL"),
        ("url", "https://hooks.example.com/a b", "without blanks"),
        ("level", "often", "must be notify"),
        ("include", ["api:addon", "api:secrets"], "api:secrets can't be told here; choose from api:addon, api:addon-"),
        ("include", [], "name at least one"),
        ("include", "api:addon", "include: "),
        ("secret", "", "must be 1 to 1000 printable"),
        ("authorization", "Bearer x\r\nhost: other", "must be 1 to 1000 printable"),
    ],
)
async def test_what_cannot_be_a_webhook_is_refused_in_words(
    api: httpx.AsyncClient, member: str, value: Any, said: str
) -> None:
    answer = await api.post("/apps/shop/webhooks", json={**BODY, member: value})
    assert (answer.status_code, answer.json()["id"]) == (422, "invalid_params")
    assert answer.json()["message"].startswith(f"{member}: ")
    assert said in answer.json()["message"]
    made = await added(api)
    changed = await api.patch(f"/apps/shop/webhooks/{made['id']}", json={member: value})
    assert (changed.status_code, changed.json()["message"]) == (422, answer.json()["message"])


@pytest.mark.parametrize("member", ["include", "level", "url"])
async def test_a_new_webhook_says_what_to_tell_whom_and_how(api: httpx.AsyncClient, member: str) -> None:
    answer = await api.post("/apps/shop/webhooks", json={key: BODY[key] for key in BODY if key != member})
    assert (answer.status_code, answer.json()["message"]) == (422, f"{member}: is required.")


async def test_plain_http_is_for_networks_that_are_allowed_for_development(
    app: FastAPI, api: httpx.AsyncClient
) -> None:
    app.state.provider_networks = (ip_network("127.0.0.0/8"),)
    for url in ("http://127.0.0.1:9/in", "http://localhost:9/in"):
        assert (await added(api, url=url))["url"] == url
    elsewhere = await api.post("/apps/shop/webhooks", json={**BODY, "url": "http://hooks.example.com/"})
    assert elsewhere.status_code == 422


async def test_deliveries_and_events_are_listed_by_time_in_parts_and_by_status(
    api: httpx.AsyncClient, ctx: Context, alice: Actor
) -> None:
    made, receiver = await added(api, level="notify"), Receiver()
    await happens(ctx, alice, made, receiver, times=2)
    await happens(ctx, alice, made, Receiver([DOWN]))
    deliveries = (await api.get("/apps/shop/webhook-deliveries")).json()
    assert [(item["sequence"], item["status"]) for item in deliveries] == [
        (1, "succeeded"), (2, "succeeded"), (3, "failed"),
    ]  # fmt: skip
    assert deliveries[2]["last_attempt"]["code"] == 503
    assert deliveries[0]["webhook"] == {"id": made["id"], "level": "notify"}

    newest = await api.get("/apps/shop/webhook-deliveries", headers={"range": "seq ..; order=desc,max=2"})
    assert newest.status_code == 206
    assert newest.json() == deliveries[:0:-1]
    rest = await api.get("/apps/shop/webhook-deliveries", headers={"range": newest.headers["next-range"]})
    assert (rest.status_code, rest.json()) == (200, deliveries[:1])
    failed = await api.get("/apps/shop/webhook-deliveries?eq[status]=failed")
    assert failed.json() == deliveries[2:]

    one = await api.get(f"/apps/shop/webhook-deliveries/{deliveries[0]['id']}")
    assert one.json() == deliveries[0]
    events = (await api.get("/apps/shop/webhook-events")).json()
    assert [event["id"] for event in events] == [item["event"]["id"] for item in deliveries]
    event = (await api.get(f"/apps/shop/webhook-events/{events[0]['id']}")).json()
    assert event == events[0]
    assert event["payload"]["action"] == "update"
    assert event["payload"]["actor"] == {"id": str(alice.id), "email": alice.email}


@pytest.mark.parametrize(
    ("query", "said"),
    [("eq[status]=lost", "must be one of pending, scheduled"), ("eq[state]=failed", "there is no such filter")],
)
async def test_an_unknown_filter_is_refused(api: httpx.AsyncClient, query: str, said: str) -> None:
    answer = await api.get(f"/apps/shop/webhook-deliveries?{query}")
    assert answer.status_code == 422
    assert said in answer.json()["message"]


async def test_a_delivery_is_repeated_by_hand(api: httpx.AsyncClient, ctx: Context, alice: Actor) -> None:
    made = await added(api, level="notify")
    await happens(ctx, alice, made, Receiver([DOWN]))
    failed = (await api.get("/apps/shop/webhook-deliveries?eq[status]=failed")).json()[0]
    again = await api.post(f"/apps/shop/webhook-deliveries/{failed['id']}/actions/retry")
    assert (again.status_code, again.json()["status"]) == (202, "pending")
    receiver, webhook_id = Receiver(), as_uuid(made["id"])
    assert webhook_id is not None
    await deliver(ctx, PAYLOADS, receiver, webhook_id)
    assert str(receiver.told[0].event_id) == failed["event"]["id"]


async def test_what_is_somebody_elses_is_not_there(
    api: httpx.AsyncClient, intruder: httpx.AsyncClient, ctx: Context, alice: Actor, mallory: Actor
) -> None:
    made = await added(api)
    await happens(ctx, alice, made, Receiver())
    delivery = (await api.get("/apps/shop/webhook-deliveries")).json()[0]
    await create_app(ctx, mallory, CreateApp("lair"))
    for app in ("shop", "lair"):
        for path in (
            f"webhooks/{made['id']}",
            f"webhook-deliveries/{delivery['id']}",
            f"webhook-events/{delivery['event']['id']}",
        ):
            assert (await intruder.get(f"/apps/{app}/{path}")).status_code == 404
        for method, path in (
            ("PATCH", f"webhooks/{made['id']}"),
            ("DELETE", f"webhooks/{made['id']}"),
            ("POST", f"webhook-deliveries/{delivery['id']}/actions/retry"),
        ):
            assert (await intruder.request(method, f"/apps/{app}/{path}", json={})).status_code == 404
    assert (await intruder.post("/apps/shop/webhooks", json=BODY)).status_code == 404
    assert (await intruder.get("/apps/lair/webhook-deliveries")).json() == []


async def test_a_token_that_may_only_read_sees_webhooks_and_changes_none(
    app: FastAPI, api: httpx.AsyncClient, ctx: Context, alice: Actor
) -> None:
    made = await added(api)
    async with client_of(app, await token_of(ctx, alice, Scope.READ)) as reader:
        assert (await reader.get("/apps/shop/webhooks")).json() == [made]
        assert (await reader.get("/apps/shop/webhook-events")).json() == []
        for method, path in (
            ("POST", "webhooks"),
            ("PATCH", f"webhooks/{made['id']}"),
            ("DELETE", f"webhooks/{made['id']}"),
        ):
            answer = await reader.request(method, f"/apps/shop/{path}", json=BODY)
            assert (answer.status_code, answer.json()["id"]) == (403, "forbidden")
    async with client_of(app, await token_of(ctx, alice, Scope.IDENTITY)) as nobody:
        assert (await nobody.get("/apps/shop/webhooks")).status_code == 403
