"""Apps of the one who looks: with add-ons in every state, releases, and somebody to share with."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from broker.accounts.models import User
from broker.addons.advance import advance
from broker.addons.create import CreateAddon, create_addon
from broker.addons.credentials import create_credential
from broker.addons.lend import lend
from broker.addons.models import Operation, Permission
from broker.addons.ports import Answer, Reply
from broker.addons.queries import AddonView
from broker.addons.resolve import AddonKey, read_addon
from broker.addons.rotate import rotate
from broker.addons.taken import reserved_names
from broker.addons.transfer import offer_addon
from broker.apps.collaborators import add_collaborator
from broker.apps.config_vars import set_config_vars
from broker.apps.create import CreateApp, create_app
from broker.apps.tags import change_account_tags, change_app_tags
from broker.kernel.context import Actor, Context, Scope
from broker.kernel.secret import Secret
from tests.addons.conftest import ScriptedProvider
from tests.browser.wares import EMAIL
from tests.domain import new_user

APP = "intu-jokes"


async def furnish(ctx: Context, actor: Actor) -> None:
    """Make all of it."""
    await create_app(ctx, actor, CreateApp(name=APP))
    await create_app(ctx, actor, CreateApp(name="night-owl", region="eu"))
    friend = await new_user(ctx, "friend@example.com")
    await add_collaborator(ctx, actor, APP, "friend@example.com")
    await settled(ctx, await _wish(ctx, actor, "logstream:standard", "jokes-logs"))
    await settled(
        ctx, await _wish(ctx, actor, "quick-cache:pro", "jokes-cache"), "There is no room in this region today."
    )
    await settled(ctx, await _wish(ctx, actor, "bugnet:free", "jokes-bugs"))
    await set_config_vars(ctx, actor, APP, {"GREETING": "hello", "LOG_LEVEL": "info"}, reserved_names)
    await set_config_vars(ctx, actor, APP, {"GREETING": "good evening", "LOG_LEVEL": None}, reserved_names)
    await _wish(ctx, actor, "till:plan-0", "jokes-search")
    await _lend_and_rotate(ctx, actor, AddonKey("jokes-logs"))
    await change_app_tags(ctx, actor, APP, {"team": "growth", "cost.center": "4711"})
    await change_account_tags(ctx, actor, {"country": "nz"})
    await _given(ctx, actor, friend)


async def _lend_and_rotate(ctx: Context, actor: Actor, key: AddonKey) -> None:
    """A login of its own, and a change of credentials that is not over."""
    login = await create_credential(ctx, actor, key, "reports", Permission.READ_ONLY)
    provider = ScriptedProvider()
    provider.will(Reply(Answer.DONE, 201, config={"LOGSTREAM_URL": Secret("https://reports@jokes-logs.example.com/")}))
    await lend(ctx, lambda _: provider, login.id, 0)
    await rotate(ctx, actor, key)
    provider.will(Reply(Answer.DONE, 200, config={"LOGSTREAM_URL": Secret("https://new@jokes-logs.example.com/")}))
    await advance(ctx, lambda _: provider, await _unfinished(ctx, (await read_addon(ctx, actor, key)).id))


async def _given(ctx: Context, actor: Actor, friend: Actor) -> None:
    """What somebody else wants to give away."""
    await create_app(ctx, friend, CreateApp(name="old-blog"))
    push = await create_addon(ctx, friend, CreateAddon("old-blog", "pushpin", "blog-push"))
    await settled(ctx, push)
    await offer_addon(ctx, friend, AddonKey(str(push.id)), actor.email)


async def _wish(ctx: Context, actor: Actor, plan: str, name: str) -> AddonView:
    return await create_addon(ctx, actor, CreateAddon(APP, plan, name))


async def settled(ctx: Context, addon: AddonView, refusal: str | None = None) -> None:
    """Let the provider answer what an add-on waits for: all that it declares, or no."""
    provider = ScriptedProvider()
    config = {name: Secret(f"https://{addon.name}.example.com/") for name in addon.service.config_vars}
    done = Reply(Answer.DONE, 200, provider_id=str(addon.id), config=config)
    provider.will(done if refusal is None else Reply(Answer.REFUSED, 422, message=refusal))
    await advance(ctx, lambda _: provider, await _unfinished(ctx, addon.id))


async def _unfinished(ctx: Context, addon_id: UUID) -> UUID:
    async with ctx.database.transaction() as tx:
        due = select(Operation.id).where(Operation.addon_id == addon_id, Operation.finished_at.is_(None))
        return (await tx.execute(due)).scalar_one()


async def actor_of(ctx: Context) -> Actor:
    """The one who looks."""
    async with ctx.database.transaction() as tx:
        user_id = (await tx.execute(select(User.id).where(User.email == EMAIL))).scalar_one()
    return Actor(user_id, EMAIL, frozenset({Scope.GLOBAL}), is_operator=True)
