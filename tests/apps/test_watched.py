"""Webhooks of people who have lost an app, or their account: they stop at once, say why, and start with who has the right."""

import asyncio
from ipaddress import ip_network

import pytest

from broker.accounts.locking import lock_account, unlock_account
from broker.accounts.team_roles import TeamRole
from broker.accounts.teams import create_team
from broker.apps.change import ChangeApp, change_app
from broker.apps.collaborators import add_collaborator, remove_collaborator
from broker.apps.create import CreateApp, create_app
from broker.apps.team_members import put_team_member, remove_team_member
from broker.apps.watched import watched_app
from broker.events.attempts import Attempt, Receipt
from broker.events.deliver import deliver
from broker.events.deliveries import list_deliveries, retry_delivery
from broker.events.webhook_stops import restart_webhook
from broker.events.webhook_sweep import revive_webhooks
from broker.events.webhooks import WebhookChange, WebhookView, add_webhook, list_webhooks
from broker.faces.webhook_payloads import WebhookPayloads
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.errors import Conflict, NotFound
from broker.kernel.parts import NEWEST
from tests.accounts.test_locking import facts, new_operator
from tests.domain import new_user

_ANYWHERE = (ip_network("127.0.0.0/8"),)


async def new_webhook(ctx: Context, actor: Actor, app: str) -> WebhookView:
    wanted = WebhookChange(["api:app", "api:collaborator"], "sync", "https://hooks.example.com/in")
    return (await add_webhook(ctx, actor, watched_app(actor, app, Scope.WRITE), wanted, _ANYWHERE)).webhook


async def states(ctx: Context, actor: Actor, app: str) -> list[str | None]:
    return [view.stopped_for for view in await list_webhooks(ctx, watched_app(actor, app, Scope.READ))]


async def told(ctx: Context, webhook: WebhookView) -> list[str]:
    """What the webhook is told now: resource and action of everything that is due."""
    heard: list[str] = []

    async def listen(attempt: Attempt) -> Receipt:
        heard.append(f"{attempt.payload['resource']} {attempt.payload['action']}")
        return Receipt(200)

    before = -1
    while len(heard) > before:
        before = len(heard)
        await deliver(ctx, WebhookPayloads("https://broker.example.com"), listen, webhook.id)
    return heard


async def changed(ctx: Context, actor: Actor, app: str, maintenance: bool) -> None:
    await change_app(ctx, actor, app, ChangeApp(maintenance=maintenance))


async def test_who_is_removed_from_an_app_is_told_nothing_more_not_even_that(
    ctx: Context, alice: Actor, mallory: Actor
) -> None:
    await create_app(ctx, alice, CreateApp(name="shop"))
    await add_collaborator(ctx, alice, "shop", mallory.email)
    hers, mine = await new_webhook(ctx, mallory, "shop"), await new_webhook(ctx, alice, "shop")
    await changed(ctx, alice, "shop", True)
    await remove_collaborator(ctx, alice, "shop", mallory.email)
    assert await states(ctx, alice, "shop") == ["access_lost", None]
    await changed(ctx, alice, "shop", False)
    await revive_webhooks(ctx)
    assert await told(ctx, hers) == []
    assert await told(ctx, mine) == ["app update", "collaborator destroy", "app update"]
    with pytest.raises(NotFound):
        await restart_webhook(ctx, mallory, watched_app(mallory, "shop", Scope.WRITE), str(hers.id))
    owner = watched_app(alice, "shop", Scope.WRITE)
    for _ in range(2):
        assert (await restart_webhook(ctx, alice, owner, str(hers.id))).stopped_at is None
    assert await told(ctx, hers) == ["app update"], "what was in line before"
    [delivery] = [each for each in await list_deliveries(ctx, owner, NEWEST) if each.webhook_id == hers.id]
    assert (await retry_delivery(ctx, alice, owner, str(delivery.id))).status == "pending"
    reasons = [(fact["kind"], fact.get("reason")) for fact in await facts(ctx, "webhook.st")]
    assert reasons == [("webhook.stopped", "access_lost"), ("webhook.started", None)]
    await add_collaborator(ctx, alice, "shop", mallory.email)
    await remove_collaborator(ctx, mallory, "shop", mallory.email)
    assert await states(ctx, alice, "shop") == [None, None], "it is alice who answers for it by now"


async def test_members_who_leave_a_team_or_only_look_on_are_told_nothing_more(ctx: Context, alice: Actor) -> None:
    await create_team(ctx, alice, "acme")
    await create_app(ctx, alice, CreateApp(name="shop", team="acme"))
    people = [await new_user(ctx, f"{name}@example.com") for name in ("bob", "carol", "dave")]
    for person in people:
        await put_team_member(ctx, alice, "acme", person.email, TeamRole.MEMBER)
        await create_app(ctx, person, CreateApp(name=f"{person.email[:3]}-own"))
        await new_webhook(ctx, person, "shop")
        await new_webhook(ctx, person, f"{person.email[:3]}-own")
    bob, carol, dave = people
    await remove_team_member(ctx, bob, "acme", bob.email)
    await put_team_member(ctx, alice, "acme", carol.email, TeamRole.VIEWER)
    await put_team_member(ctx, alice, "acme", dave.email, TeamRole.ADMIN)
    assert await states(ctx, alice, "shop") == ["access_lost", "access_lost", None]
    assert [await states(ctx, person, f"{person.email[:3]}-own") for person in people] == [[None]] * 3


async def test_a_lock_stops_the_webhooks_of_its_person_and_what_was_lost_meanwhile_stays_stopped(
    ctx: Context, alice: Actor, mallory: Actor
) -> None:
    olga = await new_operator(ctx, "olga@example.com")
    await create_app(ctx, mallory, CreateApp(name="own"))
    for app in ("shop", "shared"):
        await create_app(ctx, alice, CreateApp(name=app))
        await add_collaborator(ctx, alice, app, mallory.email)
        await new_webhook(ctx, mallory, app)
    own = await new_webhook(ctx, mallory, "own")
    await lock_account(ctx, olga, mallory.email, "fraud")
    assert [await states(ctx, alice, app) for app in ("shop", "shared")] == [["account_locked"]] * 2
    await changed(ctx, mallory, "own", True)
    assert await told(ctx, own) == []
    owner = watched_app(alice, "shared", Scope.WRITE)
    [hook] = await list_webhooks(ctx, owner)
    await remove_collaborator(ctx, alice, "shop", mallory.email)
    await unlock_account(ctx, olga, mallory.email)
    assert await states(ctx, alice, "shop") == ["access_lost"]
    assert await states(ctx, alice, "shared") == [None]
    assert await states(ctx, mallory, "own") == [None]
    await changed(ctx, mallory, "own", False)
    assert await told(ctx, own) == ["app update"]
    assert hook.stopped_for == "account_locked"


async def test_a_delivery_of_a_stopped_webhook_is_not_repeated(ctx: Context, alice: Actor, mallory: Actor) -> None:
    await create_app(ctx, alice, CreateApp(name="shop"))
    await add_collaborator(ctx, alice, "shop", mallory.email)
    hers = await new_webhook(ctx, mallory, "shop")
    await changed(ctx, alice, "shop", True)
    assert await told(ctx, hers) == ["app update"]
    await remove_collaborator(ctx, alice, "shop", mallory.email)
    owner = watched_app(alice, "shop", Scope.WRITE)
    [delivery] = await list_deliveries(ctx, owner, NEWEST)
    with pytest.raises(Conflict, match="start it again first"):
        await retry_delivery(ctx, alice, owner, str(delivery.id))


async def test_a_webhook_that_is_added_while_its_maker_is_removed_is_refused_or_stopped(live_ctx: Context) -> None:
    alice, bob = [await new_user(live_ctx, f"{name}@example.com") for name in ("alice", "bob")]
    await create_app(live_ctx, alice, CreateApp(name="shop"))
    for _ in range(3):
        await add_collaborator(live_ctx, alice, "shop", bob.email)
        adding = [new_webhook(live_ctx, bob, "shop") for _ in range(2)]
        removing = remove_collaborator(live_ctx, alice, "shop", bob.email)
        done = await asyncio.gather(adding[0], removing, adding[1], return_exceptions=True)
        assert all(isinstance(each, NotFound) or not isinstance(each, BaseException) for each in done), done
        assert set(await states(live_ctx, alice, "shop")) <= {"access_lost"}
