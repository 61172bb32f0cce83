"""Billing an add-on to another app, or offering it to somebody else: what that means, and doing it. Nothing is copied."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response

from broker.addons.preview_views import PreviewView
from broker.addons.previews import preview_move
from broker.addons.queries import list_attachments
from broker.addons.resolve import AddonKey, read_addon
from broker.addons.transfer import AddonTransferView, decline_addon, list_addon_transfers, move_addon, offer_addon
from broker.apps.collaborators import owns
from broker.apps.offers import TransferState
from broker.apps.queries import list_apps
from broker.apps.resolve import AppView
from broker.catalog.views import price_text
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, NotFound
from broker.oauth.sessions import SignedIn
from broker.web import browser
from broker.web.app_pages import APPS, Deed, app_address, app_page, onward, shown, taken, the_app, to_payment, told
from broker.web.browser import Form

router = APIRouter(include_in_schema=False)
_HERE: Final = APPS + "/apps/{app}/addons/{addon}/move"


@router.get(_HERE)
async def asked(request: Request, app: str, addon: str, to: str = "") -> Response:
    """Where it could go, and what going to the app that is chosen would do."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _ways(request, seen, app, addon, to)

    return await shown(request, show)


@router.post(_HERE)
async def move(request: Request, app: str, addon: str) -> Response:
    """Bill it to another app of the same owner."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        moved = await move_addon(ctx, seen.actor, AddonKey(addon, app), sent.one("to"))
        return onward(app_address(moved.app_name, "addons", moved.name), "moved")

    return await _take(request, app, addon, deed)


@router.post(_HERE + "/offer")
async def offer(request: Request, app: str, addon: str) -> Response:
    """Offer it to somebody; or take that back."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        found = await read_addon(ctx, seen.actor, AddonKey(addon, app))
        if sent.one("decision") == "withdraw":
            pending = await _pending(ctx, seen, str(found.id))
            if pending is None:
                raise NotFound("addon_transfer", "Nothing is offered any more.")
            await decline_addon(ctx, seen.actor, str(pending.id))
            return "withdrawn"
        await offer_addon(ctx, seen.actor, AddonKey(str(found.id)), sent.one("recipient").strip())
        return "asked"

    return await _take(request, app, addon, deed)


async def _take(request: Request, app: str, addon: str, deed: Deed) -> Response:
    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _ways(request, seen, app, addon, sent.one("to") if sent else "", fault, sent)

    return await taken(request, deed, show, app_address(app, "addons", addon, "move"))


async def _ways(
    request: Request,
    seen: SignedIn,
    app: str,
    key: str,
    to: str,
    fault: BrokerError | None = None,
    sent: Form | None = None,
) -> Response:
    ctx: Context = request.app.state.ctx
    view, addon = await the_app(request, seen, app), await read_addon(ctx, seen.actor, AddonKey(key, app))
    may_move = owns(seen.actor, view) and addon.app_id == view.id
    targets = [each for each in await list_apps(ctx, seen.actor) if owns(seen.actor, each) and each.id != view.id]
    chosen = next((each for each in targets if may_move and to in (each.name, str(each.id))), None)
    here = app_address(view.name, "addons", addon.name, "move")
    here = here if chosen is None else browser.with_query(here, to=chosen.name)
    return app_page(
        request,
        "app_move.html",
        seen,
        view,
        "resources",
        fault,
        back=here,
        to_pay=to_payment(here, chosen or view),
        addon=addon,
        price=price_text(addon.price_cents, addon.currency, metered=addon.plan.metered),
        may_move=may_move,
        targets=targets,
        chosen=chosen,
        preview=await _preview(ctx, seen, str(addon.id), chosen) if chosen else None,
        is_paid_alike=chosen is not None and chosen.payer_id == view.payer_id,
        attachments=await list_attachments(ctx, seen.actor, addon_id=addon.id),
        offered=await _pending(ctx, seen, str(addon.id)) if may_move else None,
        recipient=sent.one("recipient") if sent else "",
    )


async def _preview(ctx: Context, seen: SignedIn, addon_id: str, to: AppView) -> PreviewView:
    return told(await preview_move(ctx, seen.actor, AddonKey(addon_id), str(to.id)))


async def _pending(ctx: Context, seen: SignedIn, addon_id: str) -> AddonTransferView | None:
    """The offer of this add-on that waits for its answer, as far as this user knows of one."""
    offers = await list_addon_transfers(ctx, seen.actor)
    return next(
        (each for each in offers if str(each.addon_id) == addon_id and each.state is TransferState.PENDING), None
    )
