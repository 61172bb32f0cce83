"""What is offered to whoever is signed in, and by them: apps, add-ons, bills. To their teams, too, for which they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from broker.accounts.team_roles import RULING
from broker.accounts.teams import TeamView, acting_for_team
from broker.addons.offered import OfferedPlan, offered_plans
from broker.addons.transfer import AddonTransferView, list_addon_transfers
from broker.apps.offers import TransferState
from broker.apps.payers import PayerState, list_payers
from broker.apps.transfers import TransferView, list_transfers
from broker.catalog.views import price_text
from broker.kernel.context import Actor, Context
from broker.oauth.sessions import SignedIn
from broker.web.browser import Form


async def speaker(ctx: Context, seen: SignedIn, sent: Form) -> Actor:
    """For whom a form answers: the user, or the team that it names.

    Raises: NotFound, Forbidden.
    """
    team = sent.one("team")
    return await acting_for_team(ctx, seen.actor, team, RULING) if team else seen.actor


async def offers_of(ctx: Context, actor: Actor, teams: Sequence[TeamView]) -> dict[str, Any]:
    """What waits for the answer of this user, or of those of their teams that they run, or of others; and what they pay."""
    found: dict[str, list[dict[str, Any]]] = {"to_me": [], "by_me": [], "paid": []}
    for party, team in await _parties(ctx, actor, teams):
        for where, offers in (await _of_one(ctx, party)).items():
            found[where] += [offer | {"team": team} for offer in offers]
    return found


async def _parties(ctx: Context, actor: Actor, teams: Sequence[TeamView]) -> list[tuple[Actor, str | None]]:
    """For whom the user answers: for themself, and by name for the teams that they run."""
    run = [team.name for team in teams if team.role in RULING]
    return [(actor, None), *[(await acting_for_team(ctx, actor, name, RULING), name) for name in run]]


async def _of_one(ctx: Context, party: Actor) -> dict[str, list[dict[str, Any]]]:
    transfers = [each for each in await list_transfers(ctx, party) if each.state is TransferState.PENDING]
    addons = [each for each in await list_addon_transfers(ctx, party) if each.state is TransferState.PENDING]
    payers = [each for each in await list_payers(ctx, party) if each.payer_id == party.id]
    asked = [each for each in payers if each.state is PayerState.PENDING]
    plans = await offered_plans(ctx, [*transfers, *addons, *asked])
    things: list[tuple[str, str, TransferView | AddonTransferView]] = [
        *(("transfers", each.app_name, each) for each in transfers),
        *(("addon-transfers", each.addon_name, each) for each in addons),
    ]
    given = [
        _offer(kind, name, each.sender_email, each.id, plans)
        for kind, name, each in things
        if each.recipient_id == party.id
    ]
    return {
        "to_me": [*given, *(_offer("payers", each.app_name, each.owner_email, each.id, plans) for each in asked)],
        "by_me": [
            {"kind": kind, "name": name, "id": each.id, "to": each.recipient_email}
            for kind, name, each in things
            if each.sender_id == party.id
        ],
        "paid": [{"of": each} for each in payers if each.state is PayerState.ACCEPTED],
    }


def _offer(
    kind: str, name: str, by: str, offer_id: UUID, plans: Mapping[UUID, Sequence[OfferedPlan]]
) -> dict[str, Any]:
    prices = [
        f"{plan.plan}, {price_text(plan.price_cents, plan.currency, metered=plan.metered)}"
        for plan in plans.get(offer_id, ())
    ]
    return {"kind": kind, "name": name, "by": by, "id": offer_id, "plans": prices}
