"""What a provider was asked for and told, over the API: its members read it, its admins have it sent again, and nobody else."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from broker.addons.ports import Answer, Reply
from broker.addons.rename import rename_addon
from broker.addons.resolve import AddonKey
from broker.app import create_app
from broker.catalog.members import Role, set_member
from broker.events.attempts import Receipt
from broker.kernel.context import Actor, Context
from tests.addons.conftest import World, make_world
from tests.domain import new_user
from tests.events.conftest import Watching
from tests.events.receivers import Receiver
from tests.platform_api.conftest import client_of, settings, token_of

PATH = "/provider-services/store"


@pytest.fixture
async def world(ctx: Context, alice: Actor) -> World:
    return await make_world(ctx, alice)


@pytest.fixture
async def clients(world: World) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """Of the owner, an admin and a developer of the service, and the user of the add-on."""
    app, made = create_app(world.ctx, settings()), {"user": await token_of(world.ctx, world.user)}
    for role in (Role.OWNER, Role.ADMIN, Role.DEVELOPER):
        person = await new_user(world.ctx, f"{role}@example.com")
        await set_member(world.ctx, replace(person, is_operator=True), "store", person.email, role)
        made[role.value] = await token_of(world.ctx, person)
    opened = {name: client_of(app, token) for name, token in made.items()}
    yield opened
    for client in opened.values():
        await client.aclose()


async def test_operations_are_listed_with_what_can_be_sent_and_sent(
    world: World, clients: dict[str, httpx.AsyncClient]
) -> None:
    done = await world.provisioned(name="my-store")
    waiting = await world.create(name="late-store")
    world.provider.will(Reply(Answer.SERVER_ERROR, 500, retry_after_s=600))
    await world.run()
    for name in ("admin", "developer"):
        found = (await clients[name].get(f"{PATH}/operations")).json()
        assert [(each["addon"]["name"], each["state"], each["replay"]) for each in found] == [
            ("late-store", "pending", "now"),
            ("my-store", "succeeded", None),
        ]
    assert found[0]["request"]["method"] == "POST"
    assert found[1]["kept_back"] == "It succeeded: there is nothing left to be sent."
    first = await clients["admin"].get(f"{PATH}/operations", headers={"range": "id ..; max=1"})
    assert (first.status_code, len(first.json())) == (206, 1)
    rest = await clients["admin"].get(f"{PATH}/operations", headers={"range": first.headers["next-range"]})
    assert [each["addon"]["id"] for each in first.json() + rest.json()] == [str(done.id), str(waiting.id)]
    [late] = (await clients["admin"].get(f"{PATH}/operations?unfinished=true")).json()
    replay = f"{PATH}/operations/{late['id']}/actions/replay"
    assert (await clients["developer"].post(replay)).status_code == 403
    assert (await clients["user"].post(replay)).status_code == 404
    sent = await clients["admin"].post(replay)
    assert (sent.status_code, sent.json()) == (202, {"operation": {"id": late["id"]}, "sent": "now"})
    refused = await clients["admin"].post(f"{PATH}/operations/{found[1]['id']}/actions/replay")
    assert (refused.status_code, refused.json()["message"]) == (409, found[1]["kept_back"])
    assert (await clients["user"].get(f"{PATH}/operations")).status_code == 404


async def test_deliveries_of_every_add_on_are_listed_and_made_again(
    world: World, clients: dict[str, httpx.AsyncClient]
) -> None:
    addon = await world.provisioned(name="my-store")
    watch = await Watching(world).addon(addon.id, "api:addon", level="notify")
    watch.receiver = Receiver([Receipt(500)])
    await rename_addon(world.ctx, world.user, AddonKey(str(addon.id)), "our-store")
    await watch.run()
    path = f"{PATH}/webhook-deliveries"
    [told] = (await clients["developer"].get(f"{path}?eq[status]=failed")).json()
    assert (told["addon"], told["include"], told["answer"]) == (
        {"id": str(addon.id), "name": "our-store"}, "api:addon", "500",
    )  # fmt: skip
    assert (told["host"], "url" in told, "payload" in told) == ("hooks.example.com", False, False)
    assert (await clients["developer"].get(f"{path}?eq[status]=lost")).status_code == 422
    assert (await clients["developer"].get(f"{path}?eq[host]=x")).status_code == 422
    retry = f"{path}/{told['id']}/actions/retry"
    assert (await clients["developer"].post(retry)).status_code == 403
    assert (await clients["user"].post(retry)).status_code == 404
    again = await clients["admin"].post(retry)
    assert (again.status_code, again.json()["status"]) == (202, "pending")
    assert (await clients["user"].get(path)).status_code == 404
