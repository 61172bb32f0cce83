"""Whose money a page of money is about: one's own, or that of the team that its address names. The pages are the same."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from fastapi import Request

from broker.accounts.teams import TeamView, acting_for_team, get_team
from broker.kernel.context import Context
from broker.oauth.sessions import SignedIn

OWN: Final = "/account"
OF_TEAM: Final = "/teams/{team}"


@dataclass(frozen=True, slots=True)
class Purse:
    """A team whose money somebody looks after."""

    person: SignedIn
    team: TeamView


async def with_purse(request: Request, seen: SignedIn) -> SignedIn:
    """Whoever is signed in, acting with the money that the page is about.

    Raises: NotFound for those who are not in the team, Forbidden for roles without a say in its money.
    """
    key = request.path_params.get("team")
    if key is None:
        return seen
    ctx: Context = request.app.state.ctx
    acting = await acting_for_team(ctx, seen.actor, key)
    request.state.purse = Purse(seen, await get_team(ctx, seen.actor, key))
    return replace(seen, actor=acting)


def purse_of(request: Request) -> Purse | None:
    """The team whose money the page is about, once that is known; None: the money is one's own."""
    found: Purse | None = getattr(request.state, "purse", None)
    return found


def money_address(request: Request, rest: str) -> str:
    """The same part of the pages of money that this page is one of."""
    key = request.path_params.get("team")
    return OWN + rest if key is None else f"/teams/{quote(key, safe='')}{rest}"
