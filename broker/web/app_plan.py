"""Changing the plan of an add-on: the plans side by side, what another one would do, and doing it, at once or at the end of the month."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from broker.addons.change_plan import change_plan
from broker.addons.preview_views import PreviewView
from broker.addons.previews import preview_plan_change
from broker.addons.queries import AddonView
from broker.addons.resolve import AddonKey, read_addon
from broker.addons.scheduled_changes import schedule_plan_change, unschedule_plan_change
from broker.catalog.compare import compare
from broker.catalog.price_kinds import monthly_words, price_of
from broker.catalog.storefront import listing
from broker.catalog.views import PlanView
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, BudgetExceeded, NotFound
from broker.kernel.money import Money
from broker.oauth.sessions import SignedIn
from broker.web import browser
from broker.web.app_pages import APPS, app_address, app_page, onward, shown, taken, the_app, to_payment, told
from broker.web.browser import Form

router = APIRouter(include_in_schema=False)
_HERE: Final = APPS + "/apps/{app}/addons/{addon}/plan"


@router.get(_HERE)
async def compared(request: Request, app: str, addon: str, to: str = "") -> Response:
    """The plans, and what the one that is chosen would do."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _plans(request, seen, app, addon, to, fault)

    return await shown(request, show)


@router.post(_HERE)
async def change(request: Request, app: str, addon: str) -> Response:
    """Ask the provider for it now, or remember it for the end of the month."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        key, plan = AddonKey(addon, app), sent.one("plan")
        if sent.one("when") == "end":
            await schedule_plan_change(ctx, seen.actor, key, plan)
            return onward(app_address(app, "addons", addon), "planned")
        await change_plan(ctx, seen.actor, key, plan, ask=sent.one("ask") == "yes")
        return onward(app_address(app, "addons", addon))

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _plans(request, seen, app, addon, sent.one("plan") if sent else "", fault)

    return await taken(request, deed, show, app_address(app, "addons", addon, "plan"))


@router.post(_HERE + "/unschedule")
async def unschedule(request: Request, app: str, addon: str) -> Response:
    """Leave it on the plan that it has."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        await unschedule_plan_change(ctx, seen.actor, AddonKey(addon, app))
        return onward(app_address(app, "addons", addon), "unplanned")

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _plans(request, seen, app, addon, "", fault)

    return await taken(request, deed, show, app_address(app, "addons", addon))


async def _plans(request: Request, seen: SignedIn, app: str, key: str, to: str, fault: BrokerError | None) -> Response:
    ctx: Context = request.app.state.ctx
    view, addon = await the_app(request, seen, app), await read_addon(ctx, seen.actor, AddonKey(key, app))
    plans = await _offered(ctx, seen, addon)
    chosen = next((plan for plan in plans if to in (plan.slug, plan.name) and plan.id != addon.plan.id), None)
    preview = await _preview(ctx, seen, addon, chosen) if chosen else None
    here = app_address(view.name, "addons", addon.name, "plan")
    here = browser.with_query(here, **({} if chosen is None else {"to": chosen.slug}))
    return app_page(
        request,
        "app_plan.html",
        seen,
        view,
        "resources",
        fault,
        back=here,
        to_pay=to_payment(here, view),
        addon=addon,
        chosen=chosen,
        preview=preview,
        table=compare(plans),
        prices={plan.id: monthly_words(price_of(plan)) for plan in plans},
        money=Money,
        may_ask=isinstance(fault, BudgetExceeded) or any(each.id == BudgetExceeded.id for each in _in_the_way(preview)),
    )


def _in_the_way(preview: PreviewView | None) -> Any:
    return () if preview is None else preview.obstacles


async def _offered(ctx: Context, seen: SignedIn, addon: AddonView) -> list[PlanView]:
    """The plans of its service, with the one that it has."""
    try:
        found = list((await listing(ctx, addon.service.slug, seen.actor)).plans)
    except NotFound:  # the service takes nothing new
        found = []
    return found if any(plan.id == addon.plan.id for plan in found) else [addon.plan, *found]


async def _preview(ctx: Context, seen: SignedIn, addon: AddonView, plan: PlanView) -> PreviewView:
    return told(await preview_plan_change(ctx, seen.actor, AddonKey(str(addon.id)), str(plan.id)))
