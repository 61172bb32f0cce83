"""One add-on of an app: how it is, what is being done for it while it is being done, what it gives, what it is called."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from fastapi import APIRouter, Request, Response

from broker.addons.attach import AttachAddon, attach
from broker.addons.follow import follow
from broker.addons.models import AddonState, OperationKind, OperationState
from broker.addons.queries import AddonView, OperationView, list_attachments, list_operations
from broker.addons.rename import rename_addon
from broker.addons.resolve import AddonKey, read_addon
from broker.addons.rotations import CredentialsView, get_credentials
from broker.addons.terms import terms_of
from broker.addons.trial_ends import accept_trial_end
from broker.apps.queries import list_apps
from broker.apps.resolve import AppView
from broker.apps.tags import app_tags
from broker.apps.visibility import Role
from broker.catalog.views import price_text, sunset_text
from broker.faces.streams import HEARTBEAT, EventStream, event
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, ConfirmationRequired, DatabaseUnavailable, NotFound
from broker.oauth.sessions import SignedIn
from broker.web import browser
from broker.web.app_pages import APPS, Deed, app_address, app_page, onward, shown, taken, the_app, to_payment
from broker.web.browser import Form
from broker.web.moments import day, minute
from broker.web.pages import page, rendered
from broker.web.progress import progress_of

T = TypeVar("T")
router = APIRouter(include_in_schema=False)
_HERE: Final = APPS + "/apps/{app}/addons/{addon}"
_OPERATIONS_SHOWN: Final = 10
_NEW_FOR: Final = timedelta(minutes=15)


@router.get(_HERE)
async def one(request: Request, app: str, addon: str) -> Response:
    """The add-on, with what is under way."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _addon(request, seen, app, addon, fault)

    return await shown(request, show)


@router.get(_HERE + "/progress")
async def progress(request: Request, app: str, addon: str) -> Response:
    """The steps of what is under way, as events, until it is over. The page reloads itself without them, too."""
    seen = await browser.who(request)
    if seen is None:
        return browser.to_sign_in(request)
    ctx: Context = request.app.state.ctx
    try:
        view = await read_addon(ctx, seen.actor, AddonKey(addon, app))
    except NotFound:
        return page("not_found.html", 404, seen=seen)
    return EventStream(_steps(ctx, seen, view))


@router.post(_HERE + "/rename")
async def rename(request: Request, app: str, addon: str) -> Response:
    """Call it something else."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        view = await rename_addon(ctx, seen.actor, AddonKey(addon, app), sent.one("name").strip())
        return onward(app_address(app, "addons", view.name), "renamed")

    return await _take(request, app, addon, deed)


@router.post(_HERE + "/share")
async def share(request: Request, app: str, addon: str) -> Response:
    """Attach it to another app, too."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        target, name = sent.one("to"), sent.one("name").strip() or None
        found = await read_addon(ctx, seen.actor, AddonKey(addon, app))
        confirmed = target if sent.one("confirm") == "yes" else None
        await attach(ctx, seen.actor, AttachAddon(AddonKey(str(found.id)), target, name, confirmed))
        return "attached"

    return await _take(request, app, addon, deed)


@router.post(_HERE + "/trial")
async def go_on_after_trial(request: Request, app: str, addon: str) -> Response:
    """Agree to pay when the trial is over."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        await accept_trial_end(ctx, seen.actor, AddonKey(addon, app))
        return "accepted"

    return await _take(request, app, addon, deed)


async def _take(request: Request, app: str, addon: str, deed: Deed) -> Response:
    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _addon(request, seen, app, addon, fault)

    return await taken(request, deed, show, app_address(app, "addons", addon))


async def _steps(ctx: Context, seen: SignedIn, addon: AddonView) -> AsyncIterator[str]:
    try:
        async with aclosing(follow(ctx, seen.actor, addon.id)) as changes:
            async for operation in changes:
                if operation is None:
                    yield HEARTBEAT
                else:
                    steps = progress_of(operation, addon.service.name)
                    yield (
                        event("over", "")
                        if steps.is_over
                        else event("steps", rendered("progress.html", progress=steps))
                    )
    except DatabaseUnavailable:
        return  # the answer has begun: ending it early is all that can be said, and the page asks again


async def _addon(request: Request, seen: SignedIn, app: str, key: str, fault: BrokerError | None) -> Response:
    ctx: Context = request.app.state.ctx
    view, addon = await the_app(request, seen, app), await read_addon(ctx, seen.actor, AddonKey(key, app))
    here = app_address(view.name, "addons", addon.name)
    operations = await list_operations(ctx, seen.actor, addon.id)
    newest = progress_of(operations[0], addon.service.name) if operations else None
    attachments = await list_attachments(ctx, seen.actor, addon_id=addon.id)
    return app_page(
        request,
        "app_addon.html",
        seen,
        view,
        "resources",
        fault,
        back=here,
        to_pay=to_payment(here, view),
        scripts=("script.js", "progress.js") if newest and not newest.is_over else (),
        addon=addon,
        price=price_text(addon.price_cents, addon.currency, metered=addon.plan.metered),
        is_billed_here=addon.app_id == view.id,
        progress=newest,
        kind=operations[0].kind if operations else None,
        provision=OperationKind.PROVISION,
        is_new=_is_new(operations, ctx.clock.now()),
        given=[name for each in attachments if each.app_id == view.id for name in each.config_vars],
        operations=[
            {"view": each, "title": progress_of(each, addon.service.name).title, "at": minute(each.created_at)}
            for each in operations[:_OPERATIONS_SHOWN]
        ],
        attachments=attachments,
        terms=await _terms(ctx, seen, addon),
        tags=await app_tags(ctx, seen.actor, str(view.id)),
        credentials=await _generation(ctx, seen, addon),
        ends=sunset_text(addon.service, ctx.clock.now()) if addon.service.sunset_at else None,
        targets=await _targets(ctx, seen, addon, {each.app_id for each in attachments}),
        to_confirm=isinstance(fault, ConfirmationRequired),
        day=day,
        since=minute(addon.created_at),
    )


def _is_new(operations: Sequence[OperationView], now: datetime) -> bool:
    """Whether it has only just been made."""
    newest = operations[0] if operations else None
    if newest is None or newest.kind != OperationKind.PROVISION or newest.state != OperationState.SUCCEEDED:
        return False
    return newest.finished_at is not None and now - newest.finished_at < _NEW_FOR


async def _terms(ctx: Context, seen: SignedIn, addon: AddonView) -> Any:
    if addon.state is AddonState.DEPROVISIONED:
        return None
    return await _while_there(terms_of(ctx, seen.actor, AddonKey(str(addon.id))))


async def _generation(ctx: Context, seen: SignedIn, addon: AddonView) -> CredentialsView | None:
    if addon.state is not AddonState.PROVISIONED:
        return None
    return await _while_there(get_credentials(ctx, seen.actor, AddonKey(str(addon.id))))


async def _while_there(asked: Awaitable[T]) -> T | None:
    """What is asked about the add-on; nothing if it has gone since it was read, which the page will show when it looks again."""
    try:
        return await asked
    except NotFound:
        return None


async def _targets(ctx: Context, seen: SignedIn, addon: AddonView, attached: set[Any]) -> list[AppView]:
    """The apps that it could be attached to."""
    if addon.state is not AddonState.PROVISIONED or not addon.service.supports_sharing or addon.suspended_for:
        return []
    workable = [each for each in await list_apps(ctx, seen.actor) if each.role != Role.VIEWER]
    return [each for each in workable if each.id not in attached]
