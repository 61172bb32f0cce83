"""What the matrix is asked about: apps, add-ons and accounts, and a client for each kind of actor.

alice owns `shop` (with `my-store` and `my-queue`), `other` (to which `my-store` is attached) and `far` (with `far-store`). bob
is a collaborator of `shop`, mallory has an app of her own, pat answers for the service `store` with zoe as a developer, olga
runs the installation.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from sqlalchemy import insert, select, update

from broker.accounts.authorizations import CreateAuthorization, create_authorization
from broker.accounts.models import Authorization, User
from broker.addons.attach import AttachAddon, attach
from broker.addons.billed_names import billed_names
from broker.addons.queries import list_addons
from broker.addons.resolve import AddonKey
from broker.app import create_app
from broker.apps.collaborators import add_collaborator
from broker.apps.create import CreateApp
from broker.apps.create import create_app as make_app
from broker.apps.queries import list_apps
from broker.billing.close import close_due
from broker.billing.invoices import issue_finalized, list_invoices
from broker.catalog.manifest import parse
from broker.catalog.models import AddonService, ServiceMember
from broker.catalog.publish import publish
from broker.events.attempts import Attempt, Receipt
from broker.events.audit import seal
from broker.events.deliver import deliver
from broker.faces.webhook_payloads import WebhookPayloads
from broker.kernel.context import SYSTEM, Actor, Context, Rules, Scope
from broker.kernel.ids import new_id
from broker.oauth.sessions import begin_session
from broker.payments.setups import begin_setup
from broker.payouts.models import Payout
from tests.addons.conftest import MANIFEST
from tests.addons.test_grants import tokens_of
from tests.billing.metering_world import METERED
from tests.billing.test_close import used
from tests.domain import new_user
from tests.matrix.requests import MAKING, TOLD, Making
from tests.matrix.table import ACTORS
from tests.partner_api.conftest import OTHER_SERVICE, stocked
from tests.payments.fake import FakeGateway, with_card
from tests.platform_api.conftest import client_of, settings, token_of

_SCOPED = {
    "ident": Scope.IDENTITY,
    "read": Scope.READ,
    "write": Scope.WRITE,
    "read+": Scope.READ_PROTECTED,
    "write+": Scope.WRITE_PROTECTED,
}
_LIMITED = {"this": "shop", "else": "far"}
_PARTNERS = {"partn": "my-store", "sibl": "far-store", "rival": "my-queue"}
_UNPROTECTED = ("ident", "read", "write")
_OUTSIDERS = ("strang", "else", "sibl", "basic2", "member", "none")
_PRIVATE = ("shop_id", "addon_id", "attachment", "authorization", "webhook", "delivery", "session", "client", "value")
_KNOWN = {"member": ("addon_id",)}
"""The id of an add-on is told to the provider with the first call, and so to whoever works on the service."""
_MANIFESTS: dict[str, Any] = {"basic": MANIFEST, "basic2": OTHER_SERVICE}


@dataclass(frozen=True)
class World:
    """The application, a client for each actor, and what stands for the parameters of paths and bodies."""

    app: FastAPI
    clients: Mapping[str, httpx.AsyncClient]
    named: dict[str, str]

    def hidden_from(self, actor: str) -> list[str]:
        """What no answer to this actor may hold: ids of what is not theirs, and values of config vars."""
        if actor in _UNPROTECTED:
            return [self.named["value"]]
        private = [name for name in _PRIVATE if name not in _KNOWN.get(actor, ())]
        return [self.named[name] for name in private] if actor in _OUTSIDERS else []


@asynccontextmanager
async def prepared(ctx: Context) -> AsyncIterator[World]:
    """Everything, made by use cases and requests."""
    alice = await new_user(ctx, "alice@example.com")
    stock = await stocked(ctx, alice)
    await publish(ctx, parse(METERED), SYSTEM)
    addon = await stock.provisioned(name="my-store")
    await stock.provisioned(name="lost-store")
    attachment = await attach(ctx, alice, AttachAddon(AddonKey("my-store"), "other", "CACHE"))
    people = {"owner": alice, **await _people(ctx, alice)}
    app = create_app(ctx, settings(rate_limit_per_hour=0))
    named = {"addon": addon.name, "addon_id": str(addon.id), "attachment": str(attachment.id), "user": str(alice.id)}
    named |= {"shop_id": str(addon.app_id), "value": f"store://{addon.id}"}
    async with AsyncExitStack() as stack:
        clients = await _clients(ctx, app, people)
        for client in clients.values():
            await stack.enter_async_context(client)
        world = World(app, {actor: clients[actor] for actor in ACTORS}, named)
        world.named["invoice"] = await _billed(ctx, alice)
        world.named["payout"] = await _owing(ctx)
        await _paying(ctx, alice, world)
        await _made(world, MAKING)
        await _ask(world)
        await _hold(ctx, alice, world)
        await _tell(ctx, world)
        await _made(world, TOLD)
        yield world


async def _people(ctx: Context, alice: Actor) -> dict[str, Actor]:
    names = {"collab": "bob", "strang": "mallory", "member": "pat", "operat": "olga"}
    people = {actor: await new_user(ctx, f"{name}@example.com") for actor, name in names.items()}
    await new_user(ctx, "zoe@example.com")
    await add_collaborator(ctx, alice, "shop", "bob@example.com")
    await make_app(ctx, people["strang"], CreateApp(name="mallorys"))
    async with ctx.database.transaction() as tx:
        await tx.execute(update(User).where(User.id == people["operat"].id).values(is_operator=True))
        service_id = (await tx.execute(select(AddonService.id).where(AddonService.slug == "store"))).scalar_one()
        row = {"service_id": service_id, "user_id": people["member"].id, "role": "owner", "created_at": ctx.clock.now()}
        await tx.execute(insert(ServiceMember).values(row))
    return people


async def _clients(ctx: Context, app: FastAPI, people: Mapping[str, Actor]) -> dict[str, httpx.AsyncClient]:
    alice = people["owner"]
    clients = {actor: client_of(app, await token_of(ctx, who)) for actor, who in people.items()}
    clients |= {actor: client_of(app, await token_of(ctx, alice, scope)) for actor, scope in _SCOPED.items()}
    apps = {view.name: view.id for view in await list_apps(ctx, alice)}
    clients |= {actor: client_of(app, await _limited(ctx, alice, [apps[name]])) for actor, name in _LIMITED.items()}
    addons = {view.name: view.id for view in await list_addons(ctx, alice)}
    for actor, name in _PARTNERS.items():
        clients[actor] = client_of(app, (await tokens_of(ctx, addons[name])).access.reveal())
    for actor, manifest in _MANIFESTS.items():
        clients[actor] = client_of(app)
        clients[actor].auth = httpx.BasicAuth(manifest["id"], manifest["api"]["password"])
    clients["brows"] = client_of(app)
    clients["brows"].cookies["broker-session"] = (await begin_session(ctx, alice, "a browser")).reveal()
    return clients | {"third": client_of(app), "none": client_of(app)}


async def _limited(ctx: Context, alice: Actor, apps: Iterable[UUID]) -> str:
    """A token with every scope that is good for these apps alone."""
    made = await create_authorization(ctx, alice, CreateAuthorization("limited"))
    assert made.token is not None
    async with ctx.database.transaction() as tx:
        await tx.execute(update(Authorization).where(Authorization.id == made.id).values(only_apps=list(apps)))
    return made.token.reveal()


async def _billed(ctx: Context, payer: Actor) -> str:
    """The number of an invoice for the month before."""
    await used(ctx, payer, 1000, 31, after_days=-31)
    while (await close_due(ctx, billed_names, grace=timedelta())).more:
        pass
    await issue_finalized(ctx)
    (invoice,) = await list_invoices(ctx, payer)
    assert invoice.number
    return invoice.number


async def _owing(ctx: Context) -> str:
    """The id of an approved payout to pat."""
    payout = {"id": new_id(), "service": "store", "currency": "usd", "day": "2026-11-20", "minor": 700}
    now = ctx.clock.now()
    payout |= {"state": "approved", "earned_until": now, "created_at": now, "approved_at": now}
    async with ctx.database.transaction() as tx:
        await tx.execute(insert(Payout).values(payout))
    return str(payout["id"])


async def _paying(ctx: Context, payer: Actor, world: World) -> None:
    """A payment method, and one that is being added."""
    world.named["payment_method"] = str(await with_card(ctx, FakeGateway(), payer))
    allowed = replace(ctx, rules=Rules(paid_plans_need_verification=True))
    world.named["setup"] = str(await begin_setup(allowed, payer))


async def _made(world: World, making: Iterable[Making]) -> None:
    """Do these requests, and remember the id of what each made."""
    for name, actor, method, path, body in making:
        answer = await world.clients[actor].request(method, path.format(**world.named), json=body)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        found = answer.json()
        assert found, f"{method} {path}: there is nothing"
        one = found[0] if isinstance(found, list) else found
        world.named[name] = str(one.get("id", name))


async def _ask(world: World) -> None:
    """Ask for what a budget does not allow."""
    refused = await world.clients["owner"].post("/apps/shop/addons", json={"plan": "store:big", "request": True})
    assert refused.status_code == 402, refused.text
    world.named["budget_request"] = refused.json()["request"]


async def _hold(ctx: Context, alice: Actor, world: World) -> None:
    """Let the OAuth client of a third party hold a token of alice's, for reading what is protected in one app."""
    made = await create_authorization(ctx, alice, CreateAuthorization("of a client", [Scope.READ_PROTECTED]))
    assert made.token is not None
    apps = [UUID(world.named["shop_id"])]
    held = {"client_id": UUID(world.named["client"]), "scopes": ["openid", "read-protected"], "only_apps": apps}
    async with ctx.database.transaction() as tx:
        await tx.execute(update(Authorization).where(Authorization.id == made.id).values(held))
    world.clients["third"].headers["authorization"] = f"Bearer {made.token.reveal()}"


async def _tell(ctx: Context, world: World) -> None:
    """Have the webhooks tell what happened, to receivers that are not there."""

    async def nobody(_attempt: Attempt) -> Receipt:
        return Receipt(None, "connection_failed")

    await seal(ctx)
    for webhook in ("webhook", "addon_webhook"):
        await deliver(ctx, WebhookPayloads("http://broker.test"), nobody, UUID(world.named[webhook]))
