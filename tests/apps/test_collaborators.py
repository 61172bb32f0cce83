"""Sharing an app: who comes in, and how they leave. What they may do there: tests/addons/test_permits.py."""

from typing import Any

import pytest
from sqlalchemy import select

from broker.apps.change import ChangeApp, change_app
from broker.apps.collaborators import (
    add_collaborator,
    get_collaborator,
    list_collaborators,
    remove_collaborator,
    role_of,
)
from broker.apps.create import CreateApp, create_app
from broker.apps.destroy import destroy_app
from broker.apps.queries import get_app, list_apps
from broker.apps.visibility import Role
from broker.events.models import Event
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import Forbidden, InvalidParams, NotFound
from tests.domain import new_user, with_scopes


@pytest.fixture(autouse=True)
async def shop(ctx: Context, alice: Actor) -> None:
    await create_app(ctx, alice, CreateApp(name="shop"))


@pytest.fixture
async def bob(ctx: Context) -> Actor:
    return await new_user(ctx, "Bob@example.com")


async def shared_with(ctx: Context, alice: Actor, *others: Actor) -> None:
    for other in others:
        await add_collaborator(ctx, alice, "shop", other.email)
        ctx.clock.advance(seconds=1)  # type: ignore[attr-defined]  # it stands still in tests


async def test_a_collaborator_sees_the_app_and_a_stranger_does_not(
    ctx: Context, alice: Actor, bob: Actor, mallory: Actor
) -> None:
    with pytest.raises(NotFound):
        await get_app(ctx, bob, "shop")
    added = await add_collaborator(ctx, alice, "shop", "bob@EXAMPLE.com")
    assert (added.email, added.role, added.app_name) == ("Bob@example.com", Role.COLLABORATOR, "shop")
    app = await get_app(ctx, bob, "shop")
    assert (await get_app(ctx, bob, str(app.id))).owner_email == alice.email
    assert [view.name for view in await list_apps(ctx, bob)] == ["shop"]
    assert await list_apps(ctx, mallory) == []
    with pytest.raises(NotFound):
        await get_app(ctx, mallory, "shop")
    async with ctx.database.transaction() as tx:
        roles = [await role_of(tx, actor, app.id) for actor in (alice, bob, mallory)]
    assert roles == [Role.OWNER, Role.COLLABORATOR, None]


async def test_everybody_on_the_app_sees_who_is_and_finds_them_by_address_and_id(
    ctx: Context, alice: Actor, bob: Actor, mallory: Actor
) -> None:
    carol = await new_user(ctx, "carol@example.com")
    await shared_with(ctx, alice, carol, bob)
    listed = await list_collaborators(ctx, bob, "shop")
    assert [(view.email, view.role.value) for view in listed] == [
        ("alice@example.com", "owner"),
        ("carol@example.com", "collaborator"),
        ("Bob@example.com", "collaborator"),
    ]
    for key in ("BOB@example.com", str(bob.id), str(listed[2].id)):
        assert await get_collaborator(ctx, alice, "shop", key) == listed[2]
    with pytest.raises(NotFound):
        await get_collaborator(ctx, alice, "shop", mallory.email)
    with pytest.raises(NotFound):
        await list_collaborators(ctx, mallory, "shop")


@pytest.mark.parametrize(
    ("whom", "error", "words"),
    [
        ("nobody@example.com", NotFound, "Nobody has an account"),
        ("alice@example.com", InvalidParams, "alice@example.com owns shop."),
        ("bob@example.com", InvalidParams, "Bob@example.com is a collaborator of shop already."),
    ],
)
async def test_who_cannot_be_added_is_told_why(
    ctx: Context, alice: Actor, bob: Actor, whom: str, error: type[Exception], words: str
) -> None:
    await shared_with(ctx, alice, bob)
    with pytest.raises(error, match=words):
        await add_collaborator(ctx, alice, "shop", whom)


async def test_only_the_owner_shares_an_app_renames_it_and_destroys_it(
    ctx: Context, alice: Actor, bob: Actor, mallory: Actor
) -> None:
    await shared_with(ctx, alice, bob)

    async def nothing(*_: object) -> None:
        pass

    for refused in (
        add_collaborator(ctx, bob, "shop", mallory.email),
        remove_collaborator(ctx, bob, "shop", alice.email),
        change_app(ctx, bob, "shop", ChangeApp(name="bobs")),
        destroy_app(ctx, bob, "shop", nothing),
    ):
        with pytest.raises((Forbidden, InvalidParams), match=r"belongs to alice@example.com|owns shop"):
            await refused
    assert (await change_app(ctx, bob, "shop", ChangeApp(maintenance=True))).maintenance


async def test_sharing_takes_a_token_that_may_do_everything(ctx: Context, alice: Actor, bob: Actor) -> None:
    weak = with_scopes(alice, Scope.WRITE_PROTECTED)
    with pytest.raises(Forbidden, match="`global`"):
        await add_collaborator(ctx, weak, "shop", bob.email)
    await shared_with(ctx, alice, bob)
    with pytest.raises(Forbidden, match="`global`"):
        await remove_collaborator(ctx, weak, "shop", bob.email)


async def test_access_ends_when_it_is_taken_and_when_one_leaves(ctx: Context, alice: Actor, bob: Actor) -> None:
    carol = await new_user(ctx, "carol@example.com")
    await shared_with(ctx, alice, bob, carol)
    with pytest.raises(Forbidden, match="remove somebody else"):
        await remove_collaborator(ctx, carol, "shop", bob.email)
    assert (await remove_collaborator(ctx, alice, "shop", bob.email)).email == "Bob@example.com"
    assert (await remove_collaborator(ctx, carol, "shop", str(carol.id))).email == "carol@example.com"
    for gone in (bob, carol):
        with pytest.raises(NotFound):
            await get_app(ctx, gone, "shop")
    with pytest.raises(InvalidParams, match="owns shop"):
        await remove_collaborator(ctx, alice, "shop", alice.email)


async def test_coming_and_going_is_recorded(ctx: Context, alice: Actor, bob: Actor) -> None:
    await shared_with(ctx, alice, bob)
    await remove_collaborator(ctx, bob, "shop", bob.email)
    facts = (
        select(Event.kind, Event.actor_email, Event.data).where(Event.kind.like("collaborator.%")).order_by(Event.at)
    )
    async with ctx.database.transaction() as tx:
        rows: list[Any] = list(await tx.execute(facts))
    about_bob = {"user_id": str(bob.id), "email": bob.email}
    assert rows == [
        ("collaborator.added", alice.email, about_bob),
        ("collaborator.removed", bob.email, about_bob),
    ]
