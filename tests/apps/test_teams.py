"""Teams: who belongs to one, what each role sees and changes of its apps, and how they come and go."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from sqlalchemy import select

from broker.accounts.authorizations import CreateAuthorization, create_authorization
from broker.accounts.change import ask_for_reset
from broker.accounts.login import LoginThrottle, log_in
from broker.accounts.models import User
from broker.accounts.proof_models import MailToken
from broker.accounts.sign_up import ask_to_sign_up, invite
from broker.accounts.team_models import TeamInvitation
from broker.accounts.team_roles import TeamRole
from broker.accounts.teams import acting_for_team, create_team, get_team, list_teams, rename_team
from broker.apps.change import ChangeApp, change_app
from broker.apps.collaborators import add_collaborator, list_collaborators
from broker.apps.config_vars import get_config_vars, list_var_names, set_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.destroy import destroy_app
from broker.apps.offers import TransferState
from broker.apps.queries import get_app, list_apps
from broker.apps.release_history import list_releases, release_config_vars
from broker.apps.rollback import roll_back
from broker.apps.tags import change_app_tags
from broker.apps.team_invitations import (
    InvitationState,
    accept_invitation,
    decline_invitation,
    invitation_by_token,
    invite_to_team,
    list_own_invitations,
    list_team_invitations,
    revoke_invitation,
)
from broker.apps.team_members import (
    get_team_member,
    list_team_members,
    put_team_member,
    remove_team_member,
)
from broker.apps.transfers import list_transfers, offer_app
from broker.events.models import Event
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.db import Tx
from broker.kernel.errors import (
    BrokerError,
    Conflict,
    Forbidden,
    InvalidParams,
    NameTaken,
    NotFound,
    RateLimited,
    Unauthorized,
)
from broker.kernel.secret import Secret
from broker.notices.models import Notice
from broker.notices.outbox import notify, opened
from tests.apps.conftest import nothing_reserved
from tests.domain import new_user, with_scopes

ROLES = ("owner", "admin", "member", "viewer", "billing")


async def team_of_all(ctx: Context, alice: Actor) -> dict[str, Actor]:
    """The team `acme`, owned by alice, with one in each role; its app `shop` with a config var."""
    await create_team(ctx, alice, "acme")
    people = {"owner": alice}
    for role in ROLES[1:]:
        people[role] = await new_user(ctx, f"{role}@example.com")
        await put_team_member(ctx, alice, "acme", people[role].email, TeamRole(role))
        ctx.clock.advance(seconds=1)  # type: ignore[attr-defined]  # it stands still in tests
    await create_app(ctx, alice, CreateApp(name="shop", team="acme"))
    await set_config_vars(ctx, alice, "shop", {"KEY": "secret"}, nothing_reserved)
    return people


async def nothing_before(_tx: Tx, _app: object) -> None: ...


async def refused(deed: Awaitable[object]) -> str:
    """`ok`, or the id of the refusal."""
    try:
        await deed
    except BrokerError as refusal:
        return refusal.id
    return "ok"


async def test_each_role_does_to_the_team_s_apps_what_it_may(ctx: Context, alice: Actor, mallory: Actor) -> None:
    people = await team_of_all(ctx, alice)
    bob = await new_user(ctx, "bob@example.com")
    deeds: dict[str, Callable[[Actor], Awaitable[object]]] = {
        "see": lambda who: get_app(ctx, who, "shop"),
        "names": lambda who: list_var_names(ctx, who, "shop"),
        "releases": lambda who: list_releases(ctx, who, "shop", newest_first=True, limit=5),
        "people": lambda who: list_collaborators(ctx, who, "shop"),
        "values": lambda who: get_config_vars(ctx, who, "shop"),
        "past values": lambda who: release_config_vars(ctx, who, "shop", "2"),
        "set": lambda who: set_config_vars(ctx, who, "shop", {"KEY": "other"}, nothing_reserved),
        "roll back": lambda who: roll_back(ctx, who, "shop", "1", nothing_reserved),
        "tag": lambda who: change_app_tags(ctx, who, "shop", {"a": "b"}),
        "stack": lambda who: change_app(ctx, who, "shop", ChangeApp(maintenance=True)),
        "create": lambda who: create_app(ctx, who, CreateApp(team="acme")),
        "rename": lambda who: change_app(ctx, who, "shop", ChangeApp(name="shop-two")),
        "share": lambda who: add_collaborator(ctx, who, "shop", bob.email),
        "destroy": lambda who: destroy_app(ctx, who, "shop", nothing_before),
        "pay": lambda who: acting_for_team(ctx, who, "acme"),
    }
    found: dict[str, list[str]] = {}
    for name, actor in {**people, "stranger": mallory}.items():
        found[name] = []
        for deed in deeds.values():
            async with ctx.database.undone():  # type: ignore[attr-defined]  # of tests alone
                found[name].append(await refused(deed(actor)))
    ok, no = "ok", "forbidden"
    assert found == {
        "owner": [ok] * 15,
        "admin": [ok] * 15,
        "member": [*[ok] * 11, no, no, no, no],
        "viewer": [*[ok] * 4, *[no] * 11],
        "billing": [*[ok] * 4, *[no] * 10, ok],
        "stranger": ["not_found"] * 15,
    }
    assert {name: [app.role for app in await list_apps(ctx, actor)] for name, actor in people.items()} == {
        "owner": ["owner"], "admin": ["owner"], "member": ["collaborator"], "viewer": ["viewer"], "billing": ["viewer"],
    }  # fmt: skip
    app = await get_app(ctx, people["viewer"], "shop")
    assert (app.owner_email, app.team_name) == ("acme@herokumanager.com", "acme")
    limited = replace(people["admin"], only_apps=frozenset({app.id}))
    assert [view.name for view in await list_apps(ctx, limited)] == ["shop"]
    assert await list_apps(ctx, replace(limited, only_apps=frozenset({bob.id}))) == []
    with pytest.raises(Forbidden):
        await acting_for_team(ctx, limited, "acme")


async def test_a_share_of_one_s_own_is_more_than_looking(ctx: Context, alice: Actor) -> None:
    people = await team_of_all(ctx, alice)
    await add_collaborator(ctx, people["admin"], "shop", people["viewer"].email)
    assert await get_config_vars(ctx, people["viewer"], "shop") == {"KEY": "secret"}
    listed = [(view.email, view.role.value) for view in await list_collaborators(ctx, people["billing"], "shop")]
    assert listed == [
        ("acme@herokumanager.com", "owner"),
        ("viewer@example.com", "collaborator"),
        ("alice@example.com", "owner"),
        ("admin@example.com", "admin"),
        ("member@example.com", "member"),
        ("billing@example.com", "billing"),
    ]
    await remove_team_member(ctx, alice, "acme", people["viewer"].email)
    with pytest.raises(NotFound):
        await get_app(ctx, people["viewer"], "shop")


async def test_membership_changes_as_roles_allow_and_there_is_always_an_owner(ctx: Context, alice: Actor) -> None:
    people = await team_of_all(ctx, alice)
    owner, admin = people["owner"], people["admin"]

    async def put(who: Actor, whom: str, role: TeamRole) -> object:
        return await put_team_member(ctx, who, "acme", f"{whom}@example.com", role)

    assert [await refused(put(who, "viewer", TeamRole.MEMBER)) for who in (people["member"], people["billing"])] == [
        "forbidden"
    ] * 2
    assert await refused(put(admin, "viewer", TeamRole.OWNER)) == "forbidden"
    assert await refused(put(admin, "alice", TeamRole.MEMBER)) == "forbidden"
    assert await refused(remove_team_member(ctx, admin, "acme", owner.email)) == "forbidden"
    assert await refused(remove_team_member(ctx, people["viewer"], "acme", admin.email)) == "forbidden"
    assert await refused(put(owner, "alice", TeamRole.ADMIN)) == "conflict"
    assert await refused(remove_team_member(ctx, owner, "acme", owner.email)) == "conflict"
    assert await refused(put(owner, "nobody", TeamRole.MEMBER)) == "not_found"
    assert await refused(put(admin, "viewer", TeamRole.MEMBER)) == "ok"
    assert await refused(put(owner, "admin", TeamRole.OWNER)) == "ok"
    assert await refused(remove_team_member(ctx, owner, "acme", owner.email)) == "ok"
    assert [view.name for view in await list_teams(ctx, admin)] == ["acme"]
    assert not await list_teams(ctx, owner)
    assert not await list_apps(ctx, owner)
    member = await get_team_member(ctx, admin, "acme", "VIEWER@example.com")
    assert (member.role, member.has_two_factor) == (TeamRole.MEMBER, False)
    assert len(await list_team_members(ctx, people["billing"], "acme")) == 4
    with pytest.raises(NotFound):
        await list_team_members(ctx, owner, "acme")


async def test_who_watches_the_apps_is_told_of_those_who_come_to_work_and_go(ctx: Context, alice: Actor) -> None:
    people = await team_of_all(ctx, alice)
    await put_team_member(ctx, alice, "acme", people["viewer"].email, TeamRole.MEMBER)
    await put_team_member(ctx, alice, "acme", people["member"].email, TeamRole.BILLING)
    await remove_team_member(ctx, people["admin"], "acme", people["admin"].email)
    await remove_team_member(ctx, alice, "acme", people["billing"].email)
    kinds = Event.kind.in_(("collaborator.added", "collaborator.removed"))
    async with ctx.database.transaction() as tx:
        told = [(row.kind, row.data["email"]) for row in await tx.execute(select(Event.kind, Event.data).where(kinds))]
    assert told == [
        ("collaborator.added", "viewer@example.com"),
        ("collaborator.removed", "member@example.com"),
        ("collaborator.removed", "admin@example.com"),
    ]


async def test_a_team_is_nobody_who_could_sign_in(ctx: Context, alice: Actor) -> None:
    team = await create_team(ctx, alice, "acme")
    address = "ACME@HerokuManager.com"
    operator = replace(alice, is_operator=True)
    for deed in (ask_to_sign_up(ctx, address), ask_for_reset(ctx, address), invite(ctx, operator, address)):
        with pytest.raises(InvalidParams):
            await deed
    with pytest.raises(Unauthorized):
        await log_in(ctx, LoginThrottle(), address, Secret("x" * 20))
    with pytest.raises(Forbidden):
        await create_authorization(ctx, await acting_for_team(ctx, alice, "acme"), CreateAuthorization())
    await create_app(ctx, alice, CreateApp(name="own"))
    with pytest.raises(NotFound):
        await add_collaborator(ctx, alice, "own", team.email)
    with pytest.raises(NotFound):
        await put_team_member(ctx, alice, "acme", team.email, TeamRole.MEMBER)
    async with ctx.database.transaction() as tx:
        assert (await tx.execute(select(MailToken.id))).all() == []


async def test_names_of_teams(ctx: Context, alice: Actor, mallory: Actor) -> None:
    for bad in ("Acme", "a", "permissions", "apps", "acme!", "x" * 31, "acme\0"):
        with pytest.raises(InvalidParams):
            await create_team(ctx, alice, bad)
    await create_team(ctx, alice, "acme")
    await create_team(ctx, mallory, "other")
    with pytest.raises(NameTaken):
        await create_team(ctx, mallory, "acme")
    with pytest.raises(NameTaken):
        await rename_team(ctx, alice, "acme", "other")
    renamed = await rename_team(ctx, alice, "acme", "umbrella")
    assert (renamed.name, renamed.email) == ("umbrella", "umbrella@herokumanager.com")
    assert (await get_team(ctx, alice, str(renamed.id))) == renamed
    for key in ("other", "acme", "a\0"):
        with pytest.raises(NotFound):
            await get_team(ctx, alice, key)
    with pytest.raises(Forbidden):
        await create_team(ctx, with_scopes(alice, Scope.WRITE_PROTECTED), "third")


async def mailed(ctx: Context, address: str) -> list[Secret]:
    """The tokens of the invitations that were sent to an address, in order."""
    sent = select(Notice.__table__).where(Notice.kind == "team.invited", Notice.address == address)
    async with ctx.database.transaction() as tx:
        rows = (await tx.execute(sent.order_by(Notice.id))).all()
    return [Secret(opened(ctx.vault, row)["token"]) for row in rows]


async def test_an_invitation_is_good_once_and_for_a_week(ctx: Context, alice: Actor, mallory: Actor) -> None:
    people = await team_of_all(ctx, alice)
    admin, new = people["admin"], await new_user(ctx, "New@example.com")
    with pytest.raises(Forbidden):
        await invite_to_team(ctx, admin, "acme", new.email, TeamRole.OWNER)
    with pytest.raises(Conflict):
        await invite_to_team(ctx, admin, "acme", people["member"].email.upper(), TeamRole.MEMBER)
    await invite_to_team(ctx, admin, "acme", "new@example.com", TeamRole.MEMBER)
    await invite_to_team(ctx, admin, "acme", "new@example.com", TeamRole.VIEWER)
    first, second = await mailed(ctx, "new@example.com")
    assert (await invitation_by_token(ctx, second)).role is TeamRole.VIEWER
    with pytest.raises(InvalidParams):
        await accept_invitation(ctx, new, token=first)
    with pytest.raises(NotFound):
        await accept_invitation(ctx, mallory, key="acme")
    (waiting,) = await list_own_invitations(ctx, new)
    assert await list_team_invitations(ctx, people["viewer"], "acme") == [waiting]
    joined = await accept_invitation(ctx, new, key="acme")
    assert (joined.state, (await get_app(ctx, new, "shop")).role) == (InvitationState.ACCEPTED, "viewer")
    with pytest.raises(InvalidParams):
        await accept_invitation(ctx, mallory, token=second)

    await invite_to_team(ctx, admin, "acme", "else@example.com", TeamRole.MEMBER)
    (token,) = await mailed(ctx, "else@example.com")
    ctx.clock.advance(days=7)  # type: ignore[attr-defined]  # it stands still in tests
    with pytest.raises(InvalidParams):
        await accept_invitation(ctx, mallory, token=token)
    await invite_to_team(ctx, admin, "acme", "else@example.com", TeamRole.MEMBER)
    (revoked,) = await list_team_invitations(ctx, alice, "acme")
    assert (await revoke_invitation(ctx, alice, "acme", revoked.email)).state is InvitationState.REVOKED
    await invite_to_team(ctx, admin, "acme", mallory.email, TeamRole.MEMBER)
    assert (await decline_invitation(ctx, mallory, key="acme")).state is InvitationState.DECLINED
    await invite_to_team(ctx, admin, "acme", mallory.email, TeamRole.MEMBER)
    await remove_team_member(ctx, alice, "acme", admin.email)
    with pytest.raises(NotFound):
        await accept_invitation(ctx, mallory, key="acme")
    async with ctx.database.transaction() as tx:
        states = (await tx.execute(select(TeamInvitation.state).order_by(TeamInvitation.created_at))).scalars().all()
    assert sorted(states) == ["accepted", "declined", *["revoked"] * 4]


async def test_nobody_becomes_an_owner_by_one_who_is_an_admin_now(ctx: Context, alice: Actor) -> None:
    people = await team_of_all(ctx, alice)
    admin, new = people["admin"], await new_user(ctx, "new@example.com")
    await put_team_member(ctx, alice, "acme", admin.email, TeamRole.OWNER)
    await invite_to_team(ctx, admin, "acme", new.email, TeamRole.OWNER)
    await invite_to_team(ctx, admin, "acme", "else@example.com", TeamRole.MEMBER)
    await put_team_member(ctx, alice, "acme", admin.email, TeamRole.ADMIN)
    with pytest.raises(NotFound):
        await accept_invitation(ctx, new, key="acme")
    assert [view.email for view in await list_team_invitations(ctx, alice, "acme")] == ["else@example.com"]


@pytest.mark.parametrize("role", [None, TeamRole.MEMBER])
async def test_who_runs_a_team_no_more_has_offered_nothing_of_it(
    ctx: Context, alice: Actor, mallory: Actor, role: TeamRole | None
) -> None:
    people = await team_of_all(ctx, alice)
    admin = people["admin"]
    await create_app(ctx, alice, CreateApp(name="by-alice", team="acme"))
    await create_app(ctx, admin, CreateApp(name="own"))
    for who, app in ((alice, "by-alice"), (admin, "own"), (admin, "shop")):
        await offer_app(ctx, who, app, mallory.email)
    if role is None:
        await remove_team_member(ctx, alice, "acme", admin.email)
    else:
        await put_team_member(ctx, alice, "acme", admin.email, role)
    offers = {offer.app_name: offer.state for offer in await list_transfers(ctx, mallory)}
    assert offers == {
        "by-alice": TransferState.PENDING, "own": TransferState.PENDING, "shop": TransferState.WITHDRAWN,
    }  # fmt: skip


async def test_nobody_s_mailbox_is_filled_by_taking_them_in_and_sending_them_away(ctx: Context, alice: Actor) -> None:
    await create_team(ctx, alice, "acme")
    bob = await new_user(ctx, "bob@example.com")
    for _ in range(5):
        await put_team_member(ctx, alice, "acme", bob.email, TeamRole.MEMBER)
        for role in (TeamRole.VIEWER, TeamRole.MEMBER):  # whom it does not mail
            await put_team_member(ctx, alice, "acme", bob.email, role)
        await remove_team_member(ctx, alice, "acme", bob.email)
    with pytest.raises(RateLimited):
        await put_team_member(ctx, alice, "acme", bob.email.upper(), TeamRole.MEMBER)
    with pytest.raises(RateLimited):
        await invite_to_team(ctx, alice, "acme", bob.email, TeamRole.MEMBER)
    ctx.clock.advance(hours=1)  # type: ignore[attr-defined]  # it stands still in tests
    await put_team_member(ctx, alice, "acme", bob.email, TeamRole.MEMBER)


async def test_what_concerns_a_team_s_money_is_told_to_those_who_see_to_it(ctx: Context, alice: Actor) -> None:
    await team_of_all(ctx, alice)
    async with ctx.database.transaction() as tx:
        team_id = (await tx.execute(select(User.id).where(User.team_name == "acme"))).scalar_one()
        for _ in range(2):
            await notify(tx, team_id, "invoice.issued", {}, ctx.clock.now(), key="once")
        told = select(Notice.address).where(Notice.kind == "invoice.issued").order_by(Notice.address)
        assert (await tx.execute(told)).scalars().all() == [
            "admin@example.com", "alice@example.com", "billing@example.com",
        ]  # fmt: skip


async def test_of_two_owners_who_leave_at_once_one_stays(live_ctx: Context) -> None:
    alice, bob = [await new_user(live_ctx, f"{name}@example.com") for name in ("alice", "bob")]
    await create_team(live_ctx, alice, "acme")
    await put_team_member(live_ctx, alice, "acme", bob.email, TeamRole.OWNER)
    left = await asyncio.gather(
        *(refused(remove_team_member(live_ctx, who, "acme", who.email)) for who in (alice, bob)),
    )
    assert sorted(left) == ["conflict", "ok"]
