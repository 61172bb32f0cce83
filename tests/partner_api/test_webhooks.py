"""A provider's webhooks: of its own add-on alone, about what it may know."""

from broker.apps.change import ChangeApp, change_app
from broker.events.deliver import deliver
from broker.faces.webhook_payloads import WebhookPayloads
from broker.kernel.ids import as_uuid
from tests.events.receivers import Receiver
from tests.partner_api.conftest import Stall

BODY = {"include": ["api:addon", "api:app"], "level": "sync", "url": "https://hooks.example.com/in"}


async def test_a_provider_watches_its_add_on_and_the_apps_around_it(stall: Stall) -> None:
    made = await stall.api.post(f"/addons/{stall.addon.id}/webhooks", json=BODY)
    assert made.status_code == 201, made.text
    assert made.headers["heroku-webhook-secret"].startswith("whsec_")
    path = f"/addons/{stall.addon.name}/webhooks/{made.json()['id']}"
    assert (await stall.api.get(path)).json() == made.json()
    assert (await stall.api.get(f"/addons/{stall.addon.name}/webhooks")).json() == [made.json()]

    for app in ("shop", "other", "far"):
        await change_app(stall.ctx, stall.world.user, app, ChangeApp(maintenance=True))
    receiver, webhook_id = Receiver(), as_uuid(made.json()["id"])
    assert webhook_id is not None
    for _ in range(4):
        await deliver(stall.ctx, WebhookPayloads("https://broker.example.com"), receiver, webhook_id)
    assert [attempt.payload["data"]["name"] for attempt in receiver.told] == ["shop", "other"]

    deliveries = (await stall.api.get(f"/addons/{stall.addon.id}/webhook-deliveries?eq[status]=succeeded")).json()
    assert [item["sequence"] for item in deliveries] == [1, 2]
    event = await stall.api.get(f"/addons/{stall.addon.id}/webhook-events/{deliveries[0]['event']['id']}")
    assert event.json()["payload"]["resource"] == "app"
    retried = await stall.api.post(f"/addons/{stall.addon.id}/webhook-deliveries/{deliveries[0]['id']}/actions/retry")
    assert retried.status_code == 202
    assert (await stall.api.patch(path, json={"level": "notify"})).json()["level"] == "notify"
    assert (await stall.api.delete(path)).status_code == 200


async def test_a_provider_is_not_told_what_is_released_built_or_run(stall: Stall) -> None:
    for include in ("api:release", "api:build", "api:dyno", "api:formation"):
        answer = await stall.api.post(f"/addons/{stall.addon.id}/webhooks", json={**BODY, "include": [include]})
        assert answer.status_code == 422
        assert answer.json()["message"].startswith(f"include: {include} can't be told here")


async def test_the_webhooks_of_another_add_on_and_of_apps_are_out_of_reach(stall: Stall) -> None:
    made = (await stall.api.post(f"/addons/{stall.addon.id}/webhooks", json=BODY)).json()
    far = await stall.world.read("far-store")
    async with await stall.client_for(far.id) as other:
        for path in (f"/addons/{stall.addon.id}/webhooks", f"/addons/{stall.addon.id}/webhooks/{made['id']}"):
            assert (await other.get(path)).status_code in (403, 404)
        assert (await other.get(f"/addons/{far.id}/webhooks/{made['id']}")).status_code == 404
        assert (await other.delete(f"/addons/{far.id}/webhooks/{made['id']}")).status_code == 404
    assert (await stall.api.get("/apps/shop/webhooks")).status_code == 403
