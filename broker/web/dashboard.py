"""The apps of whoever is signed in, a new one, what is offered to and by them, and what they pay for others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request, Response

from broker.accounts.teams import TeamView, list_teams
from broker.addons.estimates import monthly_estimate
from broker.addons.handover import accept_app_transfer, agree_to_pay, stop_paying
from broker.addons.queries import AddonView, list_addons
from broker.addons.transfer import accept_addon, decline_addon
from broker.apps.collaborators import owns
from broker.apps.create import REGIONS, CreateApp, create_app
from broker.apps.payers import decline_payer
from broker.apps.queries import list_apps
from broker.apps.team_invitations import list_own_invitations
from broker.apps.transfers import decline_app
from broker.faces.errors import status_of
from broker.kernel.context import Actor, Context
from broker.kernel.errors import BrokerError
from broker.oauth.sessions import SignedIn
from broker.web import browser
from broker.web.app_pages import APPS, Deed, app_address, onward, said, shown, taken, way_on
from broker.web.browser import Form
from broker.web.offers import offers_of, speaker
from broker.web.pages import page
from broker.web.team_pages import teams_to_work_in

router = APIRouter(include_in_schema=False)
_NEW: Final = f"{APPS}/new"


@router.get(APPS)
async def overview(request: Request) -> Response:
    """Every app that one sees, with what its add-ons cost."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _overview(request, seen, fault)

    return await shown(request, show)


@router.get(_NEW)
async def new_form(request: Request) -> Response:
    """The form for a new app."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _new(request, seen, fault, sent)

    return await shown(request, show)


@router.post(f"{APPS}/apps")
async def create(request: Request) -> Response:
    """Make an app."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        wanted = CreateApp(sent.one("name").strip() or None, sent.one("region") or None, team=sent.one("team") or None)
        return onward(app_address((await create_app(ctx, seen.actor, wanted)).name), "created")

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _new(request, seen, fault, sent)

    return await taken(request, deed, show, _NEW)


@router.post(APPS + "/transfers/{app_transfer}")
async def decide_transfer(request: Request, app_transfer: str) -> Response:
    """Take an app that somebody gives away, or do not."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        if sent.one("decision") == "accept":
            await accept_app_transfer(ctx, await speaker(ctx, seen, sent), app_transfer)
            return "agreed"
        await decline_app(ctx, await speaker(ctx, seen, sent), app_transfer)
        return _declined(sent)

    return await _take(request, deed)


@router.post(APPS + "/addon-transfers/{addon_transfer}")
async def decide_addon(request: Request, addon_transfer: str) -> Response:
    """Take an add-on that somebody gives away, for an app of one's own; or do not."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response | str:
        if sent.one("decision") == "accept":
            taken_over = await accept_addon(ctx, await speaker(ctx, seen, sent), addon_transfer, sent.one("to"))
            return onward(app_address(sent.one("to"), "addons", taken_over.addon_name), "agreed")
        await decline_addon(ctx, await speaker(ctx, seen, sent), addon_transfer)
        return _declined(sent)

    return await _take(request, deed)


@router.post(APPS + "/payers/{payer}")
async def decide_payer(request: Request, payer: str) -> Response:
    """Agree to pay for an app of somebody else's, or do not, or do so no longer."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        if sent.one("decision") == "accept":
            await agree_to_pay(ctx, await speaker(ctx, seen, sent), payer)
            return "agreed"
        if sent.one("decision") == "end":
            await stop_paying(ctx, await speaker(ctx, seen, sent), payer)
            return "ended"
        await decline_payer(ctx, await speaker(ctx, seen, sent), payer)
        return "declined"

    return await _take(request, deed)


def _declined(sent: Form) -> str:
    return "withdrawn" if sent.one("decision") == "withdraw" else "declined"


async def _take(request: Request, deed: Deed) -> Response:
    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _overview(request, seen, fault)

    return await taken(request, deed, show, APPS)


async def _overview(request: Request, seen: SignedIn, fault: BrokerError | None) -> Response:
    ctx: Context = request.app.state.ctx
    addons: dict[UUID, list[AddonView]] = {}
    for addon in await list_addons(ctx, seen.actor):
        addons.setdefault(addon.app_id, []).append(addon)
    apps = [
        {
            "view": view,
            "addons": addons.get(view.id, ()),
            "estimate": monthly_estimate(addons.get(view.id, ()), view.id),
            "is_mine": owns(seen.actor, view),
        }
        for view in await list_apps(ctx, seen.actor)
    ]
    teams = await list_teams(ctx, seen.actor)
    return page(
        "dashboard.html", status_of(type(fault)) if fault else 200, seen=seen, place="dashboard",
        flash=said(request, fault), way_on=way_on(fault, APPS), apps=apps, groups=_groups(seen.actor, teams, apps),
        invited=await list_own_invitations(ctx, seen.actor), offers=await offers_of(ctx, seen.actor, teams),
        mine=[app["view"] for app in apps if app["is_mine"]], form_token=browser.form_token(request, seen),
    )  # fmt: skip


def _groups(actor: Actor, teams: Sequence[TeamView], apps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The apps by whose they are: one's own, those of each team, those that others share. Alone, the first needs no title."""
    named = {team.id: team.name for team in teams}
    own = [app for app in apps if app["view"].owner_id == actor.id]
    alone = len(own) == len(apps)
    groups = [{"title": "" if alone else "Your own", "level": "h2" if alone else "h3", "team": None, "apps": own}]
    for team_id, name in named.items():
        of_team = [app for app in apps if app["view"].owner_id == team_id]
        groups.append({"title": "Team", "level": "h3", "team": name, "apps": of_team})
    others = [app for app in apps if app["view"].owner_id not in {actor.id, *named}]
    groups.append({"title": "Shared with you", "level": "h3", "team": None, "apps": others})
    return [group for group in groups if group["apps"]]


async def _new(request: Request, seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
    return page(
        "app_new.html", status_of(type(fault)) if fault else 200, seen=seen, place="dashboard",
        fault=fault and fault.message, name=sent.one("name") if sent else "", region=sent.one("region") if sent else "",
        team=sent.one("team") if sent else request.query_params.get("team", ""),
        teams=await teams_to_work_in(request.app.state.ctx, seen.actor), regions=REGIONS, form_token=browser.form_token(request, seen),
    )  # fmt: skip
