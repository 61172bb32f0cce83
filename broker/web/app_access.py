"""Who has a part in an app: collaborators, whoever pays for it, and giving it away."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from broker.accounts.team_roles import TeamRole
from broker.addons.handover import stop_paying
from broker.addons.teams import give_app_away
from broker.apps.collaborators import CollaboratorView, add_collaborator, list_collaborators, owns, remove_collaborator
from broker.apps.offers import TransferState
from broker.apps.payers import PayerView, ask_payer, payer_of_app
from broker.apps.resolve import AppView
from broker.apps.transfers import TransferView, decline_app, list_transfers, offer_app
from broker.kernel.context import Context
from broker.kernel.errors import BrokerError, NotFound
from broker.oauth.sessions import SignedIn
from broker.web.app_pages import APPS, Deed, app_address, app_page, onward, shown, taken, the_app
from broker.web.browser import Form
from broker.web.team_pages import teams_to_work_in

router = APIRouter(include_in_schema=False)
_HERE: Final = APPS + "/apps/{app}/access"


@router.get(_HERE)
async def access(request: Request, app: str) -> Response:
    """Everybody who has a part in it."""

    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _access(request, seen, app, fault, sent)

    return await shown(request, show)


@router.post(_HERE + "/collaborators")
async def share(request: Request, app: str) -> Response:
    """Share it with somebody."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        await add_collaborator(ctx, seen.actor, app, sent.one("email").strip())
        return "shared"

    return await _take(request, app, deed)


@router.post(_HERE + "/collaborators/{collaborator}/remove")
async def remove(request: Request, app: str, collaborator: str) -> Response:
    """Share it with somebody no longer; or leave it."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> Response:
        gone = await remove_collaborator(ctx, seen.actor, app, collaborator)
        return onward(APPS if gone.user_id == seen.actor.id else app_address(app, "access"), "removed")

    return await _take(request, app, deed)


@router.post(_HERE + "/payer")
async def payer(request: Request, app: str) -> Response:
    """Ask somebody to pay for it; or end that."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        if sent.one("decision") == "end":
            await stop_paying(ctx, seen.actor, str((await payer_of_app(ctx, seen.actor, app)).id))
            return "withdrawn"
        await ask_payer(ctx, seen.actor, app, sent.one("payer").strip())
        return "asked"

    return await _take(request, app, deed)


@router.post(_HERE + "/transfer")
async def transfer(request: Request, app: str) -> Response:
    """Offer it to somebody; or take that back."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        if sent.one("decision") == "withdraw":
            pending = await _pending(ctx, seen, await the_app(request, seen, app))
            if pending is None:
                raise NotFound("app_transfer", "Nothing is offered any more.")
            await decline_app(ctx, seen.actor, str(pending.id))
            return "withdrawn"
        await offer_app(ctx, seen.actor, app, sent.one("recipient").strip())
        return "asked"

    return await _take(request, app, deed)


@router.post(_HERE + "/give")
async def give(request: Request, app: str) -> Response:
    """Have it belong to a team of one's own, or to oneself, at once."""

    async def deed(ctx: Context, seen: SignedIn, sent: Form) -> str:
        await give_app_away(ctx, seen.actor, app, sent.one("to"))
        return "given"

    return await _take(request, app, deed)


async def _take(request: Request, app: str, deed: Deed) -> Response:
    async def show(seen: SignedIn, fault: BrokerError | None, sent: Form | None) -> Response:
        return await _access(request, seen, app, fault, sent)

    return await taken(request, deed, show, app_address(app, "access"))


async def _access(
    request: Request, seen: SignedIn, name: str, fault: BrokerError | None, sent: Form | None
) -> Response:
    ctx: Context = request.app.state.ctx
    app = await the_app(request, seen, name)
    people = await list_collaborators(ctx, seen.actor, str(app.id))
    return app_page(
        request,
        "app_access.html",
        seen,
        app,
        "access",
        fault,
        people=[_person(each) for each in people],
        is_in_team=any(isinstance(each.role, TeamRole) and each.user_id == seen.actor.id for each in people),
        takers=await _takers(ctx, seen, app) if owns(seen.actor, app) else [],
        payer=await _payer(ctx, seen, app),
        offered=await _pending(ctx, seen, app),
        sent={each: sent.one(each) if sent else "" for each in ("email", "payer", "recipient", "to")},
    )


def _person(view: CollaboratorView) -> dict[str, Any]:
    of_team = isinstance(view.role, TeamRole)
    return {"user_id": view.user_id, "email": view.email, "role": view.role.value, "is_of_team": of_team}


async def _takers(ctx: Context, seen: SignedIn, app: AppView) -> list[tuple[str, str]]:
    """To whom an app that the user owns can be given at once: the user, if it is a team's, and teams that the user works in."""
    me = [] if app.team_name is None else [(str(seen.actor.id), f"You, {seen.actor.email}")]
    teams = [team for team in await teams_to_work_in(ctx, seen.actor) if team.id != app.owner_id]
    return [*((str(team.id), f"The team {team.name}") for team in teams), *me]


async def _payer(ctx: Context, seen: SignedIn, app: AppView) -> PayerView | None:
    try:
        return await payer_of_app(ctx, seen.actor, str(app.id))
    except NotFound:
        return None


async def _pending(ctx: Context, seen: SignedIn, app: AppView) -> TransferView | None:
    """The offer of this app that waits for its answer, as far as this user knows of one."""
    offers = await list_transfers(ctx, seen.actor)
    return next((each for each in offers if each.app_id == app.id and each.state is TransferState.PENDING), None)
