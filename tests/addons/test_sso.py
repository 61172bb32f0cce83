import base64
import hashlib
import json
import os
from collections.abc import Awaitable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from sqlalchemy import delete, func, insert, select, update

from broker.addons.attach import AttachAddon, attach
from broker.addons.destroy import destroy_addon
from broker.addons.models import Attachment
from broker.addons.ports import Answer, Reply
from broker.addons.resolve import AddonKey
from broker.addons.sso import SignOn, sign_on_by_ticket, sign_on_tokens
from broker.addons.sso import sign_on as sign_on_visit
from broker.addons.tickets import Ticket, Visit, mint_ticket, read_ticket
from broker.apps.create import CreateApp, create_app
from broker.apps.models import Collaborator
from broker.apps.resolve import visible_app
from broker.catalog.manifest import parse
from broker.catalog.publish import publish
from broker.events.models import Event
from broker.kernel.context import SYSTEM, Actor, Context
from broker.kernel.errors import Conflict, Forbidden, InvalidParams, NotFound
from broker.kernel.ids import new_id
from broker.kernel.vault import KeyRing, Vault
from tests.addons.conftest import MANIFEST, World, done

RESOURCE = UUID("01234567-89ab-cdef-0123-456789abcdef")
USER = UUID("89abcdef-0123-4567-89ab-cdef01234567")
ISSUER = "https://broker.example.com"


async def sign_on(ctx: Context, user_id: UUID, addon_id: UUID, app_id: UUID, path: str = "") -> SignOn:
    return await sign_on_visit(ctx, Visit(user_id, addon_id, app_id, path), ISSUER)


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
        "role": "owner",
        "access": "billing",
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


VISIT = Visit(USER, RESOURCE, new_id(), "/invoices?id=7")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize("visit", [VISIT, replace(VISIT, path="")])
def test_a_ticket_says_who_may_open_what_from_where_and_until_when(vault: Vault, visit: Visit) -> None:
    assert read_ticket(vault, mint_ticket(vault, visit, NOON)) == Ticket(visit, NOON)


def test_a_ticket_with_any_changed_byte_is_refused(vault: Vault) -> None:
    ticket = mint_ticket(vault, VISIT, NOON)
    raw = base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))
    for place in range(len(raw)):
        forged = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(Forbidden):
            read_ticket(vault, base64.urlsafe_b64encode(forged).decode().rstrip("="))


def test_neither_a_byte_more_nor_a_byte_less_is_a_ticket(vault: Vault) -> None:
    raw = base64.urlsafe_b64decode(mint_ticket(vault, replace(VISIT, path=""), NOON) + "==")
    for forged in (raw[:-1], raw[1:], raw + b"/", raw[:56] + b"/admin" + raw[56:], raw[-32:], b""):
        with pytest.raises(Forbidden):
            read_ticket(vault, base64.urlsafe_b64encode(forged).decode().rstrip("="))


def test_a_ticket_of_another_broker_is_refused(vault: Vault) -> None:
    stranger = Vault(KeyRing(lambda: [bytes(range(32))]))
    with pytest.raises(Forbidden):
        read_ticket(vault, mint_ticket(stranger, VISIT, NOON))


@pytest.mark.parametrize("ticket", ["", "x", "=", "é", "\0", "a" * 117, "a" * 5000, "../../etc/passwd", "%00"])
def test_nonsense_is_no_ticket(vault: Vault, ticket: str) -> None:
    with pytest.raises(Forbidden):
        read_ticket(vault, ticket)


def test_a_ticket_outlives_the_rotation_of_the_key_that_signed_it() -> None:
    old, new = os.urandom(32), os.urandom(32)
    keys = [old]
    minting, reading = Vault(KeyRing(lambda: [new, old])), Vault(KeyRing(lambda: list(keys)))
    keys.insert(0, new)
    assert read_ticket(reading, mint_ticket(minting, VISIT, NOON)).visit == VISIT


async def test_a_ticket_is_good_for_its_add_on_and_its_few_minutes_alone(world: World) -> None:
    ctx, addon = world.ctx, await world.provisioned()
    visit = Visit(world.user.id, addon.id, await app_id_of(world))
    ticket = mint_ticket(ctx.vault, visit, ctx.clock.now() + timedelta(minutes=5))
    assert (await sign_on_by_ticket(ctx, ticket, addon.id, ISSUER)).params["resource_id"] == str(addon.id)
    with pytest.raises(Forbidden, match="not valid"):
        await sign_on_by_ticket(ctx, ticket, new_id(), ISSUER)
    ctx.clock.advance(minutes=5)
    assert (await sign_on_by_ticket(ctx, ticket, addon.id, ISSUER)).method == "post"
    ctx.clock.advance(seconds=1)
    with pytest.raises(Forbidden, match="expired"):
        await sign_on_by_ticket(ctx, ticket, addon.id, ISSUER)


async def recorded(ctx: Context, kind: str) -> list[Any]:
    async with ctx.database.transaction() as tx:
        return list((await tx.execute(select(Event.__table__).where(Event.kind == kind).order_by(Event.id))).mappings())


async def test_every_refusal_is_on_record_with_its_reason_and_without_secrets(world: World, mallory: Actor) -> None:
    ctx, app_id = world.ctx, await app_id_of(world)
    await republish(world, sso_paths=["/invoices"])
    addon = await world.create(name="my-store")
    await raises(Conflict, sign_on(ctx, world.user.id, addon.id, app_id))
    world.provider.will(done())
    await world.run()
    await raises(InvalidParams, sign_on(ctx, world.user.id, addon.id, app_id, "/admin?password=hunter2"))
    await raises(NotFound, sign_on(ctx, mallory.id, addon.id, app_id))
    ticket = mint_ticket(ctx.vault, Visit(world.user.id, addon.id, app_id), ctx.clock.now() - timedelta(seconds=1))
    await raises(Forbidden, sign_on_by_ticket(ctx, ticket, addon.id, ISSUER))
    events = await recorded(ctx, "addon.open_refused")
    assert [(event["actor_email"], event["data"]["reason"]) for event in events] == [
        ("alice@example.com", "conflict"),
        ("alice@example.com", "invalid_params"),
        ("mallory@example.com", "not_found"),
        ("alice@example.com", "forbidden"),
    ]
    assert {(event["addon_id"], event["app_id"]) for event in events} == {(addon.id, app_id)}
    assert events[1]["data"]["path"] == "/admin"
    assert "hunter2" not in repr(events)


async def raises(kind: type[Exception], opening: Awaitable[SignOn]) -> None:
    with pytest.raises(kind):
        await opening


async def test_what_is_no_ticket_of_ours_leaves_no_record(world: World) -> None:
    addon = await world.provisioned()
    await raises(Forbidden, sign_on_by_ticket(world.ctx, "a" * 117, addon.id, ISSUER))
    await raises(NotFound, sign_on(world.ctx, world.user.id, new_id(), await app_id_of(world)))
    assert await recorded(world.ctx, "addon.open_refused") == []


async def test_a_link_leads_where_the_service_allows_and_the_provider_is_told(world: World) -> None:
    await republish(world, sso_paths=["/invoices", "/logs"])
    addon, app_id = await world.provisioned(), await app_id_of(world)
    signed = await sign_on(world.ctx, world.user.id, addon.id, app_id, "/invoices/7?print=yes")
    assert signed.params["path"] == "/invoices/7?print=yes"
    [event] = await recorded(world.ctx, "addon.opened")
    assert event["data"] == {"role": "owner", "access": "billing", "path": "/invoices/7"}
    for path in ("/admin", "//evil.example", "/invoices/../admin", "https://evil.example/invoices"):
        with pytest.raises(InvalidParams):
            await sign_on(world.ctx, world.user.id, addon.id, app_id, path)


async def test_a_service_that_allows_no_links_says_so(world: World) -> None:
    addon, app_id = await world.provisioned(), await app_id_of(world)
    with pytest.raises(InvalidParams, match="takes no links"):
        await sign_on(world.ctx, world.user.id, addon.id, app_id, "/invoices")
    assert "path" not in (await sign_on(world.ctx, world.user.id, addon.id, app_id)).params


async def test_the_provider_is_told_the_role_and_how_the_user_comes_to_the_add_on(world: World, mallory: Actor) -> None:
    ctx, addon = world.ctx, await world.provisioned()
    app_id = await app_id_of(world)
    async with ctx.database.transaction() as tx:
        shared = insert(Collaborator).values(
            app_id=app_id, user_id=mallory.id, role="collaborator", created_by=world.user.id, created_at=ctx.clock.now()
        )
        await tx.execute(shared)
    params = (await sign_on(ctx, mallory.id, addon.id, app_id)).params
    assert (params["role"], params["access"], params["email"]) == ("collaborator", "billing", "mallory@example.com")
    async with ctx.database.transaction() as tx:
        await tx.execute(delete(Collaborator))
    await create_app(ctx, mallory, CreateApp(name="theirs"))
    async with ctx.database.transaction() as tx:
        theirs = (await visible_app(tx, mallory, "theirs")).id
        await tx.execute(update(Attachment).where(Attachment.addon_id == addon.id).values(app_id=theirs))
    params = (await sign_on(ctx, mallory.id, addon.id, theirs)).params
    assert (params["role"], params["access"]) == ("collaborator", "attachment")
    assert (params["app"], params["context_app"]) == ("shop", "theirs")
