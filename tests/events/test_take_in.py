"""From what happens to what a webhook is told: which, in which order, with which data."""

import json

from broker.addons.attach import AttachAddon, attach
from broker.addons.change_plan import change_plan
from broker.addons.destroy import destroy_addon, destroy_app_with_addons
from broker.addons.detach import detach
from broker.addons.rename import rename_addon
from broker.addons.resolve import AddonKey
from broker.apps.change import ChangeApp, change_app
from broker.apps.collaborators import add_collaborator, remove_collaborator
from broker.apps.config_vars import set_config_vars
from broker.apps.create import CreateApp, create_app
from broker.kernel.context import Actor
from tests.addons.conftest import World, done
from tests.apps.conftest import nothing_reserved
from tests.events.conftest import Watching, jobs, outbox


async def test_the_life_of_an_add_on_is_told_in_order_with_its_state_at_each_time(
    world: World, watching: Watching
) -> None:
    watch = await watching.app("api:addon")
    addon = await world.provisioned()
    await rename_addon(world.ctx, world.user, AddonKey(str(addon.id)), "renamed-store")
    await change_plan(world.ctx, world.user, AddonKey(str(addon.id)), "store:big")
    world.provider.will(done(), done())
    await world.run()
    await destroy_addon(world.ctx, world.user, AddonKey(str(addon.id)))
    await world.run()
    await watch.run(times=6)
    payloads = [attempt.payload for attempt in watch.receiver.told]
    assert [(item["action"], item["data"]["state"], item["previous_data"]) for item in payloads] == [
        ("create", "provisioning", {}),
        ("update", "provisioned", {"state": "provisioning"}),
        ("update", "provisioned", {"name": addon.name}),
        ("update", "provisioned", {"plan": {"name": "store:free"}}),
        ("update", "deprovisioning", {}),
        ("destroy", "deprovisioned", {"state": "deprovisioning"}),
    ]
    assert [item["sequence"] for item in payloads] == [1, 2, 3, 4, 5, 6]
    assert payloads[2]["data"]["name"] == "renamed-store"
    assert payloads[0]["actor"] == {"id": str(world.user.id), "email": "alice@example.com"}
    assert payloads[0]["resource"] == "addon"
    assert payloads[0]["version"] == "application/vnd.heroku+json; version=3"


async def test_every_entity_that_was_asked_for_is_told_and_no_other(
    world: World, watching: Watching, mallory: Actor
) -> None:
    all_of_it = await watching.app("api:app", "api:addon-attachment", "api:release", "api:collaborator")
    one = await watching.app("api:collaborator")
    addon = await world.provisioned()
    await add_collaborator(world.ctx, world.user, world.app, mallory.email)
    await remove_collaborator(world.ctx, world.user, world.app, mallory.email)
    await change_app(world.ctx, world.user, world.app, ChangeApp(maintenance=True))
    await destroy_addon(world.ctx, world.user, AddonKey(str(addon.id)))
    await all_of_it.run(times=9)
    await one.run(times=3)
    assert all_of_it.told == [
        ("addon-attachment", "create"),
        ("release", "create"),
        ("collaborator", "create"),
        ("collaborator", "destroy"),
        ("app", "update"),
        ("addon-attachment", "destroy"),
        ("release", "create"),
    ]
    assert one.told == [("collaborator", "create"), ("collaborator", "destroy")]
    by_resource = {attempt.payload["resource"]: attempt.payload for attempt in all_of_it.receiver.told}
    assert by_resource["collaborator"]["data"]["user"]["email"] == mallory.email
    assert by_resource["app"]["previous_data"] == {"maintenance": False}
    assert by_resource["app"]["data"]["maintenance"] is True
    assert by_resource["release"]["data"]["description"] == f"Detach STORE ({addon.name})"


async def test_an_attachment_that_is_gone_is_told_as_it_was(world: World, watching: Watching) -> None:
    addon = await world.provisioned()
    watch = await watching.app("api:addon-attachment")
    made = await attach(world.ctx, world.user, AttachAddon(AddonKey(str(addon.id)), world.app, "SECOND"))
    await detach(world.ctx, world.user, str(made.id))
    await watch.run(times=2)
    assert watch.told == [("addon-attachment", "create"), ("addon-attachment", "destroy")]
    data = watch.receiver.told[1].payload["data"]
    assert (data["id"], data["name"], data["app"]["name"]) == (str(made.id), "SECOND", "shop")
    assert data["addon"]["name"] == addon.name
    assert data["config_vars"] == ["SECOND_URL", "SECOND_TOKEN"]


async def test_no_value_of_a_config_var_and_no_link_for_one_person_is_told(world: World, watching: Watching) -> None:
    watch = await watching.app("api:app", "api:addon", "api:addon-attachment", "api:release")
    await world.provisioned()
    values = {"CANARY": "value-of-the-canary"}
    await set_config_vars(world.ctx, world.user, world.app, values, nothing_reserved)
    await change_app(world.ctx, world.user, world.app, ChangeApp(maintenance=True))
    await watch.run(times=8)
    told = json.dumps([attempt.payload for attempt in watch.receiver.told])
    assert '"Set CANARY config vars"' in told
    assert "value-of-the-canary" not in told
    assert "store://" not in told
    assert '"web_url": "https://broker.example.com/dashboard/apps/shop"' in told
    assert "/sso" not in told


async def test_an_add_ons_webhook_is_told_about_the_add_on_and_the_apps_around_it(
    world: World, watching: Watching
) -> None:
    addon, other = await world.provisioned(), await world.provisioned()
    await create_app(world.ctx, world.user, CreateApp(name="guest"))
    await create_app(world.ctx, world.user, CreateApp(name="stranger"))
    watch = await watching.addon(addon.id, "api:addon", "api:addon-attachment", "api:app")
    await attach(world.ctx, world.user, AttachAddon(AddonKey(str(addon.id)), "guest"))
    await attach(world.ctx, world.user, AttachAddon(AddonKey(str(other.id)), "guest"))
    for app in ("guest", "stranger", "shop"):
        await change_app(world.ctx, world.user, app, ChangeApp(maintenance=True))
    await destroy_addon(world.ctx, world.user, AddonKey(str(other.id)), force=True)
    await watch.run(times=4)
    about = [(a.payload["resource"], a.payload["data"].get("name")) for a in watch.receiver.told]
    assert about == [("addon-attachment", "STORE"), ("app", "guest"), ("app", "shop")]


async def test_a_provider_is_told_who_joins_and_leaves_an_app_that_its_add_on_is_attached_to(
    world: World, watching: Watching, mallory: Actor
) -> None:
    addon = await world.provisioned()
    await create_app(world.ctx, world.user, CreateApp(name="guest"))
    watch = await watching.addon(addon.id, "api:collaborator")
    for app in ("shop", "guest"):
        await add_collaborator(world.ctx, world.user, app, mallory.email)
        await remove_collaborator(world.ctx, world.user, app, mallory.email)
    await watch.run(times=3)
    assert watch.told == [("collaborator", "create"), ("collaborator", "destroy")]
    data = watch.receiver.told[1].payload["data"]
    assert (data["app"]["name"], data["user"]["email"], data["role"]) == ("shop", mallory.email, "collaborator")


async def test_a_fact_that_nobody_watches_leaves_no_trace_and_no_job(world: World, watching: Watching) -> None:
    await world.provisioned()
    await create_app(world.ctx, world.user, CreateApp(name="stranger"))
    await watching.app("api:collaborator")
    await change_app(world.ctx, world.user, "stranger", ChangeApp(maintenance=True))
    await world.provisioned()
    assert (await outbox(world), await jobs(world)) == (0, 0)


async def test_the_end_of_an_app_is_the_last_thing_that_its_webhooks_are_told(world: World, watching: Watching) -> None:
    watch = await watching.app("api:app", "api:addon")
    addon = await world.provisioned()
    await destroy_app_with_addons(world.ctx, world.user, world.app)
    await watch.run(times=8)
    assert watch.told == [("addon", "create"), ("addon", "update"), ("addon", "update"), ("app", "destroy")]
    assert watch.receiver.told[-1].payload["data"]["name"] == "shop"
    world.provider.will(done())
    await world.run()
    assert (await world.read(addon.id)).state == "deprovisioned"
    assert await outbox(world) == 0
