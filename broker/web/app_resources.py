"""The add-ons of an app: which there are, what they cost, attaching and detaching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response

from broker.addons.attach import AttachAddon, attach
from broker.addons.detach import detach
from broker.addons.estimates import monthly_estimate
from broker.addons.models import AddonState
from broker.addons.previews import preview_detachment
from broker.addons.queries import AddonView, AttachmentView, list_addons, list_attachments
from broker.addons.resolve import AddonKey
from broker.apps.queries import list_apps
from broker.apps.resolve import AppView
from broker.apps.visibility import Role
from broker.catalog.views import price_text
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, ConfirmationRequired, NotFound
from broker.oauth.sessions import SignedIn
from broker.web import browser
from broker.web.app_pages import APPS, app_address, app_page, shown, taken, the_app
from broker.web.browser import Form
from broker.web.landing import landing

router = APIRouter(include_in_schema=False)


@router.get(APPS + "/apps/{app}")
async def resources(request: Request, app: str) -> Response:
    """Its add-ons. Whoever is not signed in gets the same page for every name: this is the address that programs call `web_url`."""
    if await browser.who(request) is None:
        return landing(request, app)

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _resources(request, seen, app, fault, sent)

    return await shown(request, show)


@router.post(APPS + "/apps/{app}/attachments")
async def attach_one(request: Request, app: str) -> Response:
    """Give the app what another app's add-on gives."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        confirmed = app if sent.one("confirm") == "yes" else None
        await attach(
            ctx, seen.actor, AttachAddon(AddonKey(sent.one("addon")), app, sent.one("name").strip() or None, confirmed)
        )
        return "attached"

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _resources(request, seen, app, fault, sent)

    return await taken(request, deed, show, app_address(app))


@router.get(APPS + "/apps/{app}/attachments/{attachment}/detach")
async def ask_to_detach(request: Request, app: str, attachment: str) -> Response:
    """What detaching would do, and the question whether it is meant."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _detaching(request, seen, app, attachment, fault)

    return await shown(request, show)


@router.post(APPS + "/apps/{app}/attachments/{attachment}/detach")
async def detach_one(request: Request, app: str, attachment: str) -> Response:
    """Take its config vars from the app."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        await detach(ctx, seen.actor, str((await _attachment(request, seen, app, attachment)).id))
        return "detached"

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _resources(request, seen, app, fault, None)

    return await taken(request, deed, show, app_address(app))


async def _detaching(
    request: Request, seen: SignedIn, app: str, attachment: str, fault: BrokerError | None
) -> Response:
    found = await _attachment(request, seen, app, attachment)
    preview = await preview_detachment(request.app.state.ctx, seen.actor, str(found.id))
    view = await the_app(request, seen, app)
    return app_page(request, "app_detach.html", seen, view, "resources", fault, attachment=found, preview=preview)


async def _attachment(request: Request, seen: SignedIn, app: str, key: str) -> AttachmentView:
    """The attachment of this id on the app.

    Raises: NotFound.
    """
    app_id = (await the_app(request, seen, app)).id
    for each in await list_attachments(request.app.state.ctx, seen.actor, app_id=app_id):
        if str(each.id) == key:
            return each
    raise NotFound("add_on attachment")


async def _resources(
    request: Request, seen: SignedIn, name: str, fault: BrokerError | None, sent: Form | None
) -> Response:
    ctx: Context = request.app.state.ctx
    app = await the_app(request, seen, name)
    everything, attachments = await list_addons(ctx, seen.actor), await list_attachments(ctx, seen.actor)
    given: dict[UUID, list[AttachmentView]] = {}
    for each in attachments:
        given.setdefault(each.addon_id, []).append(each)
    here = {each.addon_id for each in attachments if each.app_id == app.id}
    looked_at = {each.id for each in await list_apps(ctx, seen.actor) if each.role == Role.VIEWER}
    addons = [each for each in everything if each.app_id == app.id or each.id in here]
    return app_page(
        request,
        "app_resources.html",
        seen,
        app,
        "resources",
        fault,
        rows=[_row(each, app, given.get(each.id, ())) for each in addons],
        sums=monthly_estimate(addons, app.id),
        sharable=[each for each in everything if each.app_id not in {app.id, *looked_at} and _is_sharable(each)],
        sent={name: sent.one(name) for name in ("addon", "name")} if sent else {"addon": "", "name": ""},
        to_confirm=isinstance(fault, ConfirmationRequired),
    )


def _is_sharable(addon: AddonView) -> bool:
    return addon.state is AddonState.PROVISIONED and addon.service.supports_sharing and addon.suspended_for is None


def _row(addon: AddonView, app: AppView, given: Sequence[AttachmentView]) -> Mapping[str, Any]:
    apps: dict[UUID, str] = {each.app_id: each.app_name for each in given if each.app_id != app.id}
    return {
        "addon": addon,
        "price": price_text(addon.price_cents, addon.currency, metered=addon.plan.metered),
        "is_billed_here": addon.app_id == app.id,
        "attachments": [each for each in given if each.app_id == app.id],
        "others": sorted(apps.values()),
    }
