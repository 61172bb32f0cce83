"""Having an add-on: which plan for which app; then how, with everything that it would do; then watching it being made."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request, Response

from broker.addons.backlog import Backlog
from broker.addons.create import CreateAddon, create_addon
from broker.addons.preview_views import PreviewView
from broker.addons.previews import preview_creation
from broker.addons.queries import AddonView
from broker.addons.resolve import AddonKey, read_addon
from broker.apps.create import REGIONS, CreateApp, create_app
from broker.apps.queries import get_app, list_apps
from broker.apps.visibility import Role
from broker.catalog.compare import compare
from broker.catalog.option_fields import FieldKind, OptionField, answered, option_fields
from broker.catalog.price_kinds import hourly_words, monthly_words, price_of, rates_of
from broker.catalog.storefront import Listing, listing
from broker.catalog.views import PlanView
from broker.faces.errors import status_of
from broker.kernel.context import Context
from broker.kernel.errors import (
    BrokerError,
    BudgetExceeded,
    ConfirmationRequired,
    Conflict,
    InvalidParams,
    NotFound,
    PaymentRequired,
)
from broker.kernel.ids import as_uuid, new_id
from broker.kernel.money import Money
from broker.oauth.sessions import SignedIn
from broker.web import browser
from broker.web.app_pages import app_address, onward, said, shown, spoken, taken, to_payment, told
from broker.web.browser import Form
from broker.web.pages import page
from broker.web.team_pages import teams_to_work_in

router = APIRouter(include_in_schema=False)
_OPTION: Final = "option-"
"""Begins the names of fields for the provider's options."""
_PAID_FOR: Final = {"verification_required", PaymentRequired.id}
_NAMES: Final = ("name", "attachment", "accept_trial_end")
"""Fields that are kept on the way over the page of payments."""


@router.get("/install/{slug}")
async def ask(request: Request, slug: str, plan: str = "", app: str = "") -> Response:
    """First which plan for which app; with both, how: with what had been chosen, for whoever comes back from paying."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        found = await listing(request.app.state.ctx, slug, seen.actor)
        if plan and app:
            return await _how(request, seen, found, _plan(found, plan), app, fault, _chosen(request))
        return await _which(request, seen, found, fault, sent, plan)

    return await shown(request, show)


@router.post("/install/{slug}/app")
async def choose(request: Request, slug: str) -> Response:
    """Take the app that is there, or make one; then on to how."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        found = await listing(ctx, slug, seen.actor)
        plan, name = _plan(found, sent.one("plan")), sent.one("app")
        if not name:
            region, team = sent.one("region") or None, sent.one("team") or None
            wanted = CreateApp(sent.one("name").strip() or None, region, team=team)
            name = (await create_app(ctx, seen.actor, wanted)).name
        return onward(
            f"/install/{found.service.slug}?plan={plan.slug}&app={(await get_app(ctx, seen.actor, name)).name}"
        )

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        found = await listing(request.app.state.ctx, slug, seen.actor)
        return await _which(request, seen, found, fault, sent, sent.one("plan") if sent else "")

    return await taken(request, deed, show, f"/install/{slug}")


@router.post("/install/{slug}")
async def install(request: Request, slug: str) -> Response:
    """Have it made, and go where one can watch that; or look again at what it would do."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        assert sent is not None
        found = await listing(request.app.state.ctx, slug, seen.actor)
        return await _how(request, seen, found, _plan(found, sent.one("plan")), sent.one("app"), fault, sent)

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        if sent.one("do") != "install":
            return await show(seen, None, sent)
        found = await listing(ctx, slug, seen.actor)
        backlog: Backlog = request.app.state.face.backlog
        await backlog.check()
        return await _made(ctx, seen, _wanted(found, _plan(found, sent.one("plan")), sent.one("app"), sent), sent)

    return await taken(request, deed, show, f"/install/{slug}")


def _chosen(request: Request) -> Form | None:
    """What the address says had been chosen before, if it does."""
    names = [name for name in request.query_params if name in _NAMES or name.startswith(_OPTION)]
    return Form({name: request.query_params.getlist(name) for name in names}) if names else None


def _again(found: Listing, plan: PlanView, app: str, sent: Form | None) -> str:
    """The address of the form with what was chosen; without what was typed for the provider, which may be a secret."""
    kept = {name: sent.one(name) for name in _NAMES if sent and sent.one(name)}
    for field in option_fields(plan.options_schema) if sent else ():
        value = sent.one(_OPTION + field.name) if sent else ""
        if field.kind is FieldKind.TRUTH:
            kept[_OPTION + field.name] = value or "false"
        elif value and field.kind in (FieldKind.CHOICE, FieldKind.NUMBER):
            kept[_OPTION + field.name] = value
    return browser.with_query(f"/install/{found.service.slug}", plan=plan.slug, app=app, **kept)


async def _made(ctx: Context, seen: SignedIn, wanted: CreateAddon, sent: Form) -> Response:
    """The page carries the id of the add-on to be made: sent twice, it makes one, and leads to it."""
    addon_id = as_uuid(sent.one("id")) or new_id()
    made = await _there(ctx, seen, addon_id, wanted.app)
    try:
        made = made or await create_addon(ctx, seen.actor, wanted, addon_id=addon_id)
    except Conflict:
        made = await _there(ctx, seen, addon_id, wanted.app)
        if made is None:
            raise
    return onward(app_address(wanted.app, "addons", made.name))


async def _there(ctx: Context, seen: SignedIn, addon_id: UUID, app: str) -> AddonView | None:
    try:
        return await read_addon(ctx, seen.actor, AddonKey(str(addon_id), app))
    except NotFound:
        return None


def _wanted(found: Listing, plan: PlanView, app: str, sent: Form | None) -> CreateAddon:
    if sent is None:
        return CreateAddon(app, plan.name)
    options = answered(option_fields(plan.options_schema), lambda name: sent.one(_OPTION + name))
    return CreateAddon(
        app,
        plan.name,
        sent.one("name").strip() or None,
        sent.one("attachment").strip() or None,
        app if sent.one("confirm") == "yes" else None,
        options,
        sent.one("ask") == "yes",
        sent.one("accept_trial_end") == "yes",
    )


def _plan(found: Listing, key: str) -> PlanView:
    for plan in found.plans:
        if key in (plan.slug, plan.name):
            return plan
    raise InvalidParams(f"{found.service.name} has no plan of that name that you may install. Choose one of these.")


async def _which(
    request: Request, seen: SignedIn, found: Listing, fault: BrokerError | None, sent: Form | None, plan: str
) -> Response:
    ctx: Context = request.app.state.ctx
    default = next((each.slug for each in found.plans if each.is_default), found.plans[0].slug if found.plans else "")
    return page(
        "install.html",
        status_of(type(fault)) if fault else 200,
        seen=seen,
        place="marketplace",
        service=found.service,
        plans=[plan for plan, _ in compare(found.plans).rows],
        prices=_prices(found),
        chosen=plan or default,
        apps=[each for each in await list_apps(ctx, seen.actor) if each.role != Role.VIEWER],
        teams=await teams_to_work_in(ctx, seen.actor),
        team=sent.one("team") if sent else "",
        wanted=sent.one("app") if sent else request.query_params.get("app", ""),
        name=sent.one("name") if sent else "",
        regions=REGIONS,
        fault=fault and fault.message,
        form_token=browser.form_token(request, seen),
    )


async def _how(
    request: Request,
    seen: SignedIn,
    found: Listing,
    plan: PlanView,
    app_key: str,
    fault: BrokerError | None,
    sent: Form | None,
) -> Response:
    ctx: Context = request.app.state.ctx
    app, fields = await get_app(ctx, seen.actor, app_key), option_fields(plan.options_schema)
    wanted = _wanted(found, plan, app.name, sent)
    if sent is None and any(field.required and not field.default for field in fields):
        preview = None  # it can't be done yet: the provider wants to know something first
    else:
        preview = await _preview(ctx, seen, wanted if sent else _by_default(wanted, fields))
    met = {each.id for each in preview.obstacles} if preview else set()
    met |= {fault.id} if fault else set()
    return page(
        "install_how.html",
        status_of(type(fault)) if fault else 200,
        seen=seen,
        place="marketplace",
        flash=None if fault else said(request, None),
        service=found.service,
        plan=plan,
        price=_price(plan),
        app=app,
        fields=[_shown(field, sent) for field in fields],
        sent=_kept(sent, preview),
        preview=preview,
        obstacles=[each for each in preview.obstacles if not fault or each.message != spoken(fault)] if preview else [],
        fault=fault and spoken(fault),
        to_confirm=ConfirmationRequired.id in met,
        may_ask=BudgetExceeded.id in met,
        to_pay=to_payment(_again(found, plan, app.name, sent), app) if _PAID_FOR & met else None,
        money=Money,
        addon_id=_id(sent),
        form_token=browser.form_token(request, seen),
    )


async def _preview(ctx: Context, seen: SignedIn, wanted: CreateAddon) -> PreviewView | None:
    try:
        return told(await preview_creation(ctx, seen.actor, wanted))
    except InvalidParams:  # what is wrong with a name or a plan is said when it is asked for
        return None


def _by_default(wanted: CreateAddon, fields: list[OptionField]) -> CreateAddon:
    return CreateAddon(
        wanted.app, wanted.plan, options={field.name: field.default for field in fields if field.default}
    )


def _id(sent: Form | None) -> str:
    found = as_uuid(sent.one("id")) if sent else None
    return str(found or new_id())


def _kept(sent: Form | None, preview: PreviewView | None) -> dict[str, str]:
    """What was put in. The name that was previewed is asked for, so that it does what was told."""
    names = ("name", "attachment", "confirm", "accept_trial_end", "ask")
    kept = {name: sent.one(name) if sent else "" for name in names}
    return kept | {"attachment": kept["attachment"] or (preview.attachment or "" if preview else "")}


def _shown(field: OptionField, sent: Form | None) -> dict[str, Any]:
    """A field with what was put in; a secret is not sent back."""
    value = field.default if sent is None else sent.one(_OPTION + field.name)
    return {"of": field, "id": _OPTION + field.name, "value": "" if field.kind is FieldKind.SECRET else value}


def _prices(found: Listing) -> dict[Any, dict[str, Any]]:
    return {plan.id: _price(plan) for plan in found.plans}


def _price(plan: PlanView) -> dict[str, Any]:
    price = price_of(plan)
    return {"month": monthly_words(price), "hour": hourly_words(price), "rates": rates_of(price)}
