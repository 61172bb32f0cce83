import base64
import hashlib
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from sqlalchemy import func, select

from broker.addons.attach import AttachAddon, attach
from broker.addons.destroy import destroy_addon
from broker.addons.ports import Answer, Reply
from broker.addons.resolve import AddonKey
from broker.addons.sso import mint_ticket, read_ticket, sign_on, sign_on_tokens
from broker.apps.create import CreateApp, create_app
from broker.apps.resolve import visible_app
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.events.models import Event
from broker.kernel.context import SYSTEM, Actor
from broker.kernel.errors import Conflict, Forbidden, InvalidParams, NotFound
from broker.kernel.ids import new_id
from broker.kernel.vault import KeyRing, Vault
from tests.addons.conftest import MANIFEST, World, done

RESOURCE = UUID("01234567-89ab-cdef-0123-456789abcdef")
USER = UUID("89abcdef-0123-4567-89ab-cdef01234567")


def test_tokens_are_those_of_the_contract() -> None:
    tokens = sign_on_tokens("saltsalt", "irrelevant", RESOURCE, 1700000000, USER, "user@example.com")
    assert tokens["resource_token"] == "b862e42fc7484e0a990e774b70d2c980bab9cbe2"
    scoped = "31a1d7906e4c87a820cf951964ba4bcef5d86fa1500c66002cf4a7f2b7faf563"
    assert tokens["user_scoped_resource_token"] == scoped


def test_the_token_of_the_first_version_is_that_of_its_documentation() -> None:
    tokens = sign_on_tokens("2f97bfa52ca102f8874716e2eb1d3b4920ad0be4", "123", RESOURCE, 1267597772, USER, "x")
    assert tokens["token"] == "bb466eb1d6bc345d11072c3cd25c311f21be130d"


async def app_id_of(world: World, name: str = "shop") -> UUID:
    async with world.ctx.database.transaction() as tx:
        return (await visible_app(tx, world.user, name)).id


async def test_the_form_has_every_parameter_that_any_provider_reads(world: World) -> None:
    addon = await world.provisioned(name="my-store")
    await create_app(world.ctx, world.user, CreateApp(name="other"))
    await attach(world.ctx, world.user, AttachAddon(AddonKey("my-store"), "other"))
    signed = await sign_on(world.ctx, world.user.id, addon.id, await app_id_of(world, "other"))
    params, second = dict(signed.params), str(int(world.ctx.clock.now().timestamp()))
    assert (signed.method, signed.action) == ("post", "https://store.example.com/sso")
    salted = f"{addon.id}:salt-of-the-store:{second}"
    nav = json.loads(base64.urlsafe_b64decode(params.pop("nav-data") + "=="))
    assert nav["appname"] == "shop"
    assert nav["addons"] == [{"slug": "store", "name": "Store", "current": True}]
    assert params == {
        "id": "remote-1",
        "resource_id": str(addon.id),
        "timestamp": second,
        "token": hashlib.sha1(f"remote-1:salt-of-the-store:{second}".encode()).hexdigest(),
        "resource_token": hashlib.sha1(salted.encode()).hexdigest(),
        "user_scoped_resource_token": hashlib.sha256(
            f"{salted}:{world.user.id}:{world.user.email}".encode()
        ).hexdigest(),
        "email": "alice@example.com",
        "user_id": str(world.user.id),
        "app": "shop",
        "context_app": "other",
    }


async def test_no_two_sign_ons_of_a_user_share_a_second_and_time_catches_up(world: World) -> None:
    addon, app_id = await world.provisioned(), await app_id_of(world)

    async def second() -> int:
        return int((await sign_on(world.ctx, world.user.id, addon.id, app_id)).params["timestamp"])

    now = int(world.ctx.clock.now().timestamp())
    assert [await second() for _ in range(3)] == [now, now + 1, now + 2]
    world.ctx.clock.advance(seconds=60)
    assert await second() == now + 60


async def test_every_sign_on_is_on_record_with_who_and_what_and_without_tokens(world: World) -> None:
    addon = await world.provisioned()
    await sign_on(world.ctx, world.user.id, addon.id, await app_id_of(world))
    async with world.ctx.database.transaction() as tx:
        event = (await tx.execute(select(Event.__table__).where(Event.kind == "addon.opened"))).mappings().one()
    assert (event["actor_id"], event["addon_id"]) == (world.user.id, addon.id)
    assert "token" not in repr(dict(event))


async def test_only_what_is_provisioned_can_be_opened(world: World) -> None:
    addon, app_id = await world.create(), await app_id_of(world)
    with pytest.raises(Conflict, match="is provisioning"):
        await sign_on(world.ctx, world.user.id, addon.id, app_id)
    world.provider.will(done())
    await world.run()
    await destroy_addon(world.ctx, world.user, AddonKey(addon.name))
    with pytest.raises(Conflict, match="is deprovisioning"):
        await sign_on(world.ctx, world.user.id, addon.id, app_id)
    world.provider.will(Reply(Answer.DONE, 204))
    await world.run()
    with pytest.raises(NotFound):
        await sign_on(world.ctx, world.user.id, addon.id, app_id)


async def test_somebody_elses_add_on_is_not_there(world: World, mallory: Actor) -> None:
    addon, app_id = await world.provisioned(), await app_id_of(world)
    for user_id in (mallory.id, new_id()):
        with pytest.raises(NotFound):
            await sign_on(world.ctx, user_id, addon.id, app_id)
    with pytest.raises(NotFound):
        await sign_on(world.ctx, world.user.id, new_id(), app_id)


async def republish(world: World, **api: Any) -> None:
    manifest = {**MANIFEST, "api": {**MANIFEST["api"], **api}}
    await publish(world.ctx, parse(manifest), SYSTEM)


async def test_a_service_without_a_dashboard_says_so_and_nothing_is_on_record(world: World) -> None:
    await republish(world, production={"base_url": "https://store.example.com/heroku/resources"})
    addon = await world.provisioned()
    with pytest.raises(InvalidParams, match="no dashboard"):
        await sign_on(world.ctx, world.user.id, addon.id, await app_id_of(world))
    async with world.ctx.database.transaction() as tx:
        opened = select(func.count()).select_from(Event).where(Event.kind == "addon.opened")
        assert (await tx.execute(opened)).scalar_one() == 0


async def test_the_oldest_form_of_manifest_signs_on_by_get(world: World) -> None:
    await republish(world, production="https://store.example.com")
    addon = await world.create()
    world.provider.will(Reply(Answer.DONE, 200, provider_id="a/b?c"))
    await world.run()
    signed = await sign_on(world.ctx, world.user.id, addon.id, await app_id_of(world))
    parts = urlsplit(signed.action)
    assert (signed.method, signed.params) == ("get", {})
    assert (parts.netloc, parts.path) == ("store.example.com", "/heroku/resources/a%2Fb%3Fc")
    assert set(parse_qs(parts.query)) == {"token", "timestamp", "nav-data", "email", "app"}


def test_a_ticket_is_for_one_user_one_add_on_and_a_few_minutes(world: World) -> None:
    vault, now = world.ctx.vault, world.ctx.clock.now()
    app_id = new_id()
    ticket = mint_ticket(vault, USER, RESOURCE, app_id, now + timedelta(minutes=5))
    assert read_ticket(vault, ticket, RESOURCE, now) == (USER, app_id)
    assert read_ticket(vault, ticket, RESOURCE, now + timedelta(minutes=5)) == (USER, app_id)
    with pytest.raises(Forbidden, match="expired"):
        read_ticket(vault, ticket, RESOURCE, now + timedelta(minutes=5, seconds=1))
    with pytest.raises(Forbidden, match="not valid"):
        read_ticket(vault, ticket, new_id(), now)


def test_a_ticket_with_any_changed_byte_is_refused(world: World) -> None:
    vault, now = world.ctx.vault, world.ctx.clock.now()
    ticket = mint_ticket(vault, USER, RESOURCE, new_id(), now + timedelta(minutes=5))
    raw = base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))
    for place in range(len(raw)):
        forged = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(Forbidden):
            read_ticket(vault, base64.urlsafe_b64encode(forged).decode().rstrip("="), RESOURCE, now)


def test_a_ticket_of_another_broker_is_refused(world: World) -> None:
    now, stranger = world.ctx.clock.now(), Vault(KeyRing(lambda: [bytes(range(32))]))
    with pytest.raises(Forbidden):
        read_ticket(
            world.ctx.vault, mint_ticket(stranger, USER, RESOURCE, new_id(), now + timedelta(hours=1)), RESOURCE, now
        )


@pytest.mark.parametrize("ticket", ["", "x", "=", "é", "\0", "a" * 117, "a" * 5000, "../../etc/passwd", "%00"])
def test_nonsense_is_no_ticket(world: World, ticket: str) -> None:
    with pytest.raises(Forbidden):
        read_ticket(world.ctx.vault, ticket, RESOURCE, world.ctx.clock.now())


def test_a_ticket_outlives_the_rotation_of_the_key_that_signed_it() -> None:
    old, new = os.urandom(32), os.urandom(32)
    keys = [old]
    minting, reading = Vault(KeyRing(lambda: [new, old])), Vault(KeyRing(lambda: list(keys)))
    at = datetime(2026, 11, 21, tzinfo=UTC)
    keys.insert(0, new)
    ticket = mint_ticket(minting, USER, RESOURCE, RESOURCE, at + timedelta(minutes=5))
    assert read_ticket(reading, ticket, RESOURCE, at) == (USER, RESOURCE)
