"""Destroying an add-on: what would be lost, and the word that shows that it is meant."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from broker.addons.destroy import destroy_addon
from broker.addons.previews import preview_removal
from broker.addons.queries import list_attachments
from broker.addons.resolve import AddonKey, read_addon
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, InvalidParams
from broker.kernel.money import Money
from broker.oauth.sessions import SignedIn
from broker.web.app_pages import APPS, app_address, app_page, onward, shown, taken, the_app
from broker.web.browser import Form

router = APIRouter(include_in_schema=False)
_HERE: Final = APPS + "/apps/{app}/addons/{addon}/destroy"


@router.get(_HERE)
async def asked(request: Request, app: str, addon: str) -> Response:
    """What is lost with it."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _question(request, seen, app, addon, fault)

    return await shown(request, show)


@router.post(_HERE)
async def destroy(request: Request, app: str, addon: str) -> Response:
    """Destroy it, if its name was typed."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        view = await read_addon(ctx, seen.actor, AddonKey(addon, app))
        if sent.one("confirm").strip() != view.name:
            raise InvalidParams(f"Type {view.name} to confirm: its data are deleted, and nobody can bring them back.")
        await destroy_addon(ctx, seen.actor, AddonKey(str(view.id), app), force=sent.one("force") == "yes")
        return onward(app_address(app, "addons", str(view.id)))

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _question(request, seen, app, addon, fault)

    return await taken(request, deed, show, app_address(app, "addons", addon, "destroy"))


async def _question(request: Request, seen: SignedIn, app: str, key: str, fault: BrokerError | None) -> Response:
    ctx: Context = request.app.state.ctx
    view, addon = await the_app(request, seen, app), await read_addon(ctx, seen.actor, AddonKey(key, app))
    named = AddonKey(str(addon.id))
    attachments = await list_attachments(ctx, seen.actor, addon_id=addon.id)
    others = sorted({each.app_name for each in attachments if each.app_id != addon.app_id})
    return app_page(
        request,
        "app_removal.html",
        seen,
        view,
        "resources",
        fault,
        addon=addon,
        preview=await preview_removal(ctx, seen.actor, named, force=bool(others)),
        others=others,
        money=Money,
    )
