"""The worker is killed at every single await of telling a webhook something; another one takes over."""

import asyncio
import json
from pathlib import Path
from uuid import UUID

import pytest

from broker.apps.change import ChangeApp, change_app
from broker.apps.create import CreateApp, create_app
from broker.apps.watched import watched_app
from broker.events.attempts import Attempt, Receipt
from broker.events.deliver import deliver
from broker.events.deliveries import DeliveryView, list_deliveries
from broker.events.webhook_sweep import revive_webhooks
from broker.events.webhooks import WebhookChange, add_webhook
from broker.faces.webhook_payloads import WebhookPayloads
from broker.kernel.context import Context, Scope
from broker.kernel.parts import Part
from tests.chaos.dying import survives
from tests.chaos.test_kill_points import Bench, at_every_await
from tests.chaos.test_kill_points import bench as bench

pytestmark = pytest.mark.timeout(600)
PAYLOADS = WebhookPayloads("https://broker.example.com")


class FileReceiver:
    """Writes down what it is told, so that it outlives the broker's process."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def __call__(self, attempt: Attempt) -> Receipt:
        await asyncio.sleep(0)  # a place to die at before it has heard of it
        with self._file.open("a") as sink:
            sink.write(json.dumps([attempt.payload["sequence"], str(attempt.event_id)]) + "\n")
        await asyncio.sleep(0)  # and one when it knows, and the broker does not
        return Receipt(200)

    def told(self) -> list[tuple[int, str]]:
        """Numbers and events, as they came."""
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        return [tuple(json.loads(line)) for line in lines]


def watched(bench: Bench, app: str) -> UUID:
    """A webhook of a new app, to which two things are to be told."""

    async def body(ctx: Context) -> UUID:
        await create_app(ctx, bench.user, CreateApp(app))
        wanted = WebhookChange(["api:app"], "sync", "https://hooks.example.com/in")
        made = await add_webhook(ctx, bench.user, watched_app(bench.user, app, Scope.WRITE), wanted, ())
        for stack in ("one", "two"):
            await change_app(ctx, bench.user, app, ChangeApp(stack=stack))
        return made.webhook.id

    webhook_id: UUID = bench.do(body)
    return webhook_id


def deliveries(bench: Bench, app: str) -> list[DeliveryView]:
    owner_of = watched_app(bench.user, app, Scope.READ)
    found: list[DeliveryView] = bench.do(lambda ctx: list_deliveries(ctx, owner_of, Part(limit=10)))
    return found


def test_telling_a_webhook_survives_a_kill_at_every_await(bench: Bench, tmp_path: Path) -> None:
    def case(awaits: int) -> bool:
        app, receiver = f"shop-{awaits}", FileReceiver(tmp_path / f"told-{awaits}")
        webhook_id = watched(bench, app)
        lived = survives(lambda: deliver(bench.context(), PAYLOADS, receiver, webhook_id), awaits)
        bench.clock.advance(minutes=2)
        assert bench.do(revive_webhooks) >= 1
        for _ in range(3):
            bench.do(lambda ctx: deliver(ctx, PAYLOADS, receiver, webhook_id))
        assert [(view.sequence, view.status) for view in deliveries(bench, app)] == [(1, "succeeded"), (2, "succeeded")]
        told = receiver.told()
        assert [number for number, _ in told] in ([1, 2], [1, 1, 2]), "in order, and at least once"
        assert len(set(told)) == 2, "a repetition has the same id"
        bench.do(revive_webhooks)
        return lived

    at_every_await(case)
