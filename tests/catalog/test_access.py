"""Who sees and installs what: alpha and beta, hidden plans and those by invitation, members and users who are let in."""

from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import update

from broker.catalog.entitlements import entitle, list_entitlements, revoke_entitlement
from broker.catalog.members import Role, list_members, remove_member, set_member
from broker.catalog.models import AddonService
from broker.catalog.push import push_manifest
from broker.catalog.queries import list_services, resolve_offer, visible_plan, visible_plans, visible_service
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import BrokerError, Conflict, Forbidden, InvalidParams, NotFound
from tests.catalog.samples import cache_manifest, plans
from tests.domain import new_user, with_scopes

SLUG = "acme-cache"
PLANS = [
    *plans("test"),
    {"name": "paid", "price_cents": 900},
    *plans("secret", state="hidden"),
    *plans("club", state="invite"),
]


@pytest.fixture
async def bob(ctx: Context) -> Actor:
    return await new_user(ctx, "bob@example.com")


@pytest.fixture
async def registered(ctx: Context, alice: Actor) -> None:
    """Alice's service, which is alpha."""
    await push_manifest(ctx, alice, SLUG, cache_manifest(plans=PLANS))


async def bring_to(ctx: Context, state: str) -> None:
    async with ctx.database.transaction() as tx:
        await tx.execute(update(AddonService).values(state=state))


async def installable(ctx: Context, actor: Actor) -> set[str]:
    """The plans on which the actor may make an add-on."""
    found = set()
    async with ctx.database.transaction() as tx:
        for slug in ("test", "paid", "secret", "club"):
            with suppress(NotFound, InvalidParams):
                found.add((await resolve_offer(tx, actor, f"{SLUG}:{slug}")).plan.slug)
    return found


async def shown(ctx: Context, actor: Actor) -> tuple[bool, list[str]]:
    """Whether the marketplace lists the service, and the plans that it shows."""
    listed = [service.slug for service in await list_services(ctx, actor)]
    async with ctx.database.transaction() as tx:
        try:
            await visible_service(tx, actor, SLUG)
            return listed == [SLUG], [plan.slug for plan in await visible_plans(tx, actor, SLUG)]
        except NotFound:
            return listed == [SLUG], []


@pytest.mark.usefixtures("registered")
async def test_alpha_is_for_members_and_those_who_are_let_in_and_free(
    ctx: Context, alice: Actor, bob: Actor, mallory: Actor
) -> None:
    assert await installable(ctx, alice) == {"test", "secret", "club"}
    assert await shown(ctx, mallory) == (False, [])
    assert await installable(ctx, mallory) == set()
    await entitle(ctx, alice, SLUG, "BOB@example.com")
    assert await shown(ctx, bob) == (True, ["test", "paid"])
    assert await installable(ctx, bob) == {"test"}
    await revoke_entitlement(ctx, alice, SLUG, "bob@example.com")
    assert await shown(ctx, bob) == (False, [])


@pytest.mark.usefixtures("registered")
async def test_beta_is_listed_and_sells_nothing(ctx: Context, alice: Actor, mallory: Actor) -> None:
    await bring_to(ctx, "beta")
    assert await shown(ctx, mallory) == (True, ["test", "paid"])
    assert await installable(ctx, mallory) == {"test"}
    assert await installable(ctx, alice) == {"test", "secret", "club"}
    async with ctx.database.transaction() as tx:
        with pytest.raises(InvalidParams, match="acme-cache is beta: paid plans come later"):
            await resolve_offer(tx, mallory, f"{SLUG}:paid")


@pytest.mark.usefixtures("registered")
async def test_plans_that_are_not_public_need_a_membership_or_an_invitation(
    ctx: Context, alice: Actor, bob: Actor, mallory: Actor
) -> None:
    await bring_to(ctx, "ga")
    assert await installable(ctx, alice) == {"test", "paid", "secret", "club"}
    assert await installable(ctx, mallory) == {"test", "paid"}
    await entitle(ctx, alice, SLUG, bob.email, "club")
    await entitle(ctx, alice, SLUG, bob.email, "club")
    assert await installable(ctx, bob) == {"test", "paid", "club"}
    assert [(one.email, one.plan) for one in await list_entitlements(ctx, alice, SLUG)] == [(bob.email, "club")]
    async with ctx.database.transaction() as tx:
        assert (await visible_plan(tx, bob, f"{SLUG}:club")).slug == "club"
        for name in ("club", "secret", "none"):
            with pytest.raises(NotFound, match=f'the plan "{SLUG}:{name}"'):
                await visible_plan(tx, mallory, f"{SLUG}:{name}")


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("state", ["sunset", "shutdown"])
async def test_what_is_on_its_way_out_takes_nobody_any_more(ctx: Context, alice: Actor, state: str) -> None:
    await bring_to(ctx, state)
    assert await installable(ctx, alice) == set()
    assert await shown(ctx, alice) == (
        False,
        ["test", "paid", "secret", "club"] if state == "sunset" else ["test", "paid"],
    )


@pytest.mark.usefixtures("registered")
async def test_roles_reach_as_far_as_they_say(ctx: Context, alice: Actor, bob: Actor) -> None:
    await set_member(ctx, alice, SLUG, bob.email, Role.DEVELOPER)
    assert [(one.email, one.role) for one in await list_members(ctx, bob, SLUG)] == [
        (alice.email, "owner"),
        (bob.email, "developer"),
    ]
    for attempt in (
        push_manifest(ctx, bob, SLUG, cache_manifest(name="Bob's")),
        entitle(ctx, bob, SLUG, "mallory@example.com"),
        set_member(ctx, bob, SLUG, bob.email, Role.OWNER),
    ):
        with pytest.raises(Forbidden, match="Your role is developer"):
            await attempt
    await set_member(ctx, alice, SLUG, bob.email, Role.ADMIN)
    assert (await push_manifest(ctx, bob, SLUG, cache_manifest(name="Bob's"))).changed
    with pytest.raises(Forbidden, match="this needs the role owner"):
        await remove_member(ctx, bob, SLUG, alice.email)


@pytest.mark.usefixtures("registered")
async def test_a_service_is_never_without_an_owner(ctx: Context, alice: Actor, bob: Actor) -> None:
    for attempt in (
        remove_member(ctx, alice, SLUG, alice.email),
        set_member(ctx, alice, SLUG, alice.email, Role.ADMIN),
    ):
        with pytest.raises(Conflict, match="needs an owner"):
            await attempt
    await set_member(ctx, alice, SLUG, bob.email, Role.OWNER)
    await remove_member(ctx, alice, SLUG, alice.email)
    with pytest.raises(NotFound):
        await list_members(ctx, alice, SLUG)


@pytest.mark.usefixtures("registered")
async def test_a_token_that_may_not_do_everything_opens_no_door_of_partners(ctx: Context, alice: Actor) -> None:
    limited: Any = with_scopes(alice, Scope.WRITE_PROTECTED)
    for attempt in (list_members(ctx, limited, SLUG), push_manifest(ctx, limited, SLUG, cache_manifest())):
        with pytest.raises(BrokerError) as refusal:
            await attempt
        assert refusal.value.id == "forbidden"
